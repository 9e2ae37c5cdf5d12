"""Rules about `emulator.steps`: what pipeline steps do that the emulator does not run by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .code_files import safely
from .document import KeyPath, KeyProblem
from .messages import quote
from .spelling_rules import changed_spelling
from .values import Values

_PATH = ("emulator", "steps")
# Keys that have an effect with another one only.
_NEEDS = {
    "times": ("fail",),
    "exception": ("fail",),
    "source": ("run",),
    "environment": ("run",),
    "inputs": ("run",),
    "property_files": ("succeed",),
    "outputs": ("succeed",),
}


def steps_say_what_they_do(values: Values) -> Iterator[KeyProblem]:
    for name, entry in values.entries("emulator.steps").items():
        path = (*_PATH, name)
        said = [key for key in ("succeed", "fail", "run") if entry[key] is not None]
        if not said:
            what = f"emulator.steps.{name} says nothing"
            yield KeyProblem(path, what, "give it succeed, fail or run; `{succeed: {}}` is the shortest", at_key=True)
        if "succeed" in said and "run" in said:
            what = f"emulator.steps.{name} has both succeed and run"
            yield KeyProblem((*path, "run"), what, "leave one of them out", at_key=True)
        for key, needed in _NEEDS.items():
            if values.written(".".join((*path, key))) and entry[key] not in (None, {}) and not set(needed) & set(said):
                what = f"emulator.steps.{name}.{key} is for {needed[0]} only"
                yield KeyProblem((*path, key), what, f"leave it out, or add {needed[0]}", at_key=True)


def step_properties_keep_their_text(values: Values) -> Iterator[KeyProblem]:
    for name, entry in values.entries("emulator.steps").items():
        for key, value in (entry["succeed"] or {}).items():
            yield from _changed_spellings(values, (*_PATH, name, "succeed", key), value)


def _changed_spellings(values: Values, path: KeyPath, value: Any) -> Iterator[KeyProblem]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _changed_spellings(values, (*path, key), inner)
    yield from changed_spelling(values, path, value)


def step_files_exist(values: Values) -> Iterator[KeyProblem]:
    for name, entry in values.entries("emulator.steps").items():
        path = (*_PATH, name)
        if entry["run"] is not None:
            folder = values.relative((*path, "source"), entry["source"])
            if not safely(folder.is_dir):
                yield KeyProblem(
                    (*path, "source"),
                    f"emulator.steps.{name}.source: there is no folder {quote(folder)}",
                    "give the path of the folder in which run starts, relative to the configuration file",
                )
        for key in ("property_files", "outputs", "inputs"):
            for file_name, written in entry[key].items():
                file = values.relative((*path, key, file_name), written)
                if not safely(file.is_file) and not (key != "property_files" and safely(file.is_dir)):
                    yield KeyProblem(
                        (*path, key, file_name),
                        f"emulator.steps.{name}.{key}.{file_name}: there is no file {quote(file)}",
                        "give its path, relative to the configuration file",
                    )
