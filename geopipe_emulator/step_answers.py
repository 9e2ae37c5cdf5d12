"""What the pipeline steps do that no emulator can run: answers that the user has configured, by step name or type.

A file of answers is JSON or YAML, and has the form of `emulator.steps` in a configuration:

    Preprocess: {run: [python, prepare.py], source: preprocess}
    Training: {succeed: {ModelArtifacts.S3ModelArtifacts: "s3://bucket/model.tar.gz"}}
    Evaluate: {succeed: {}, property_files: {Report: evaluation.json}}
    Deploy: {fail: no capacity, times: 1}

Paths in it are relative to the folder of the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class StepAnswerError(ValueError):
    """The answers cannot be used; the text lists every problem."""


@dataclass(frozen=True)
class StepAnswer:
    """What a step does.

    - `succeed`: the properties that the step has in addition to those that follow from its arguments, by path.
    - `property_files`: files on this machine whose content the step writes as its property files, by their name.
    - `outputs`: files and folders on this machine that the step leaves in S3, by the path of the property that has the
      S3 URI. A file becomes the object at the URI, and the content of a folder goes below it.
    - `fail`: the reason with which it fails; "" if it does not. `times`: how often it does so, None for always.
    - `exception`: the exception type of that failure; "" for whichever the step's retry policies name.
    - `run`: the command to run as a local process, in the folder `source`, with `environment` in addition to the
      step's own.
    - `inputs`: files or folders on this machine that stand in for inputs of the step, by the name of the input.
    """

    succeed: Mapping[str, Any] = field(default_factory=dict)
    property_files: Mapping[str, Path] = field(default_factory=dict)
    outputs: Mapping[str, Path] = field(default_factory=dict)
    fail: str = ""
    times: int | None = None
    exception: str = ""
    run: tuple[str, ...] = ()
    source: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Path] = field(default_factory=dict)


class StepAnswers:
    """All answers. One by the name of a step goes before one by its type."""

    def __init__(self, answers: Mapping[str, StepAnswer] | None = None) -> None:
        self._configured = self._answers = dict(answers or {})

    def replace(self, answers: StepAnswers) -> None:
        """Use other answers for the steps that start from now on."""
        self._answers = answers._answers

    def restore(self) -> None:
        """Use the answers of the beginning again."""
        self._answers = self._configured

    @property
    def names(self) -> list[str]:
        """Return the names of the steps and types that have an answer."""
        return sorted(self._answers)

    def find(self, step: str, step_type: str) -> StepAnswer | None:
        return self._answers.get(step) or self._answers.get(step_type)


def read_step_answers(path: str) -> StepAnswers:
    """Return the answers in a file; none for an empty path.

    Raises:
        StepAnswerError: it cannot be read, or something in it is wrong.
    """
    if not path:
        return StepAnswers()
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StepAnswerError(f"{path}: cannot be read: {error}") from None
    return parse_step_answers(_load(path, text), file.absolute().parent, path)


def _load(path: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        import yaml  # moto needs it too; JSON does without it

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise StepAnswerError(f"{path}: it is neither JSON nor YAML: {error}") from None


def parse_step_answers(data: Any, folder: Path, where: str = "steps") -> StepAnswers:
    """Return the answers in a JSON value, with paths relative to `folder`.

    Raises:
        StepAnswerError: something in it is wrong.
    """
    if not isinstance(data, dict) or not all(isinstance(entry, dict) for entry in data.values()):
        raise StepAnswerError(f"{where}: it must have a section for each step, such as Training: {{succeed: {{}}}}")
    problems = [f"{where}: {name}: {problem}" for name, entry in data.items() for problem in _problems(entry)]
    if problems:
        raise StepAnswerError("\n".join(problems))
    return StepAnswers({str(name): _read_answer(entry, folder) for name, entry in data.items()})


def _problems(entry: Mapping[str, Any]) -> Iterator[str]:
    for key, value in entry.items():
        if key not in _FORMS:
            yield f"unknown key {key!r}; known are {', '.join(_FORMS)}"
        elif value is not None and not _FORMS[key][0](value):
            yield f"{key} must be {_FORMS[key][1]}, not {value!r}"
    if not any(entry.get(key) is not None for key in ("succeed", "fail", "run")):
        yield "it needs succeed, fail or run"
    if entry.get("succeed") is not None and entry.get("run") is not None:
        yield "it has both succeed and run; keep one of them"
    for key, needed in _NEEDS.items():
        if entry.get(key) and entry.get(needed) is None:
            yield f"{key} is for {needed} only"


# Keys that have an effect with another one only.
_NEEDS = {
    "times": "fail",
    "exception": "fail",
    "source": "run",
    "environment": "run",
    "inputs": "run",
    "property_files": "succeed",
    "outputs": "succeed",
}


def _is_text_map(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for pair in value.items() for item in pair)


def _is_command(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) and word for word in value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


_FORMS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "succeed": (lambda value: isinstance(value, dict), "a section of properties by their path"),
    "property_files": (_is_text_map, "a section of files by the name of the property file"),
    "outputs": (_is_text_map, "a section of files or folders by the path of a property"),
    "fail": (_is_text, "text"),
    "times": (_is_count, "a whole number of at least 1"),
    "exception": (_is_text, "an exception type such as SageMaker.CAPACITY_ERROR"),
    "run": (_is_command, "a list of words"),
    "source": (_is_text, "the path of a folder"),
    "environment": (_is_text_map, "a section of text"),
    "inputs": (_is_text_map, "a section of paths by the name of the input"),
}


def _read_answer(entry: Mapping[str, Any], folder: Path) -> StepAnswer:
    given = {key: value for key, value in entry.items() if value is not None}
    for key in ("property_files", "outputs", "inputs"):
        if key in given:
            given[key] = {name: folder / path for name, path in given[key].items()}
    if "run" in given:
        given["run"] = tuple(given["run"])
        given["source"] = folder / given.get("source", ".")
    return StepAnswer(**given)
