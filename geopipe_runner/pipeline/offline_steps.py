"""What the steps of a definition need to run on the emulator: for some of them, an entry in `emulator.steps`.

Pure. A step that lacks its entry is refused here, before anything is created, with the lines to add.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ..config.document import KeyPath
from ..config.messages import choice, nearest, one_of
from ..config.model import Config, OfflineStep
from ..errors import ConfigError, Problem
from .step_types import STEP_TYPES, Offline
from .structure_checks import Step, every_step

_SECTION: KeyPath = ("emulator", "steps")


def check(config: Config, definition: Mapping[str, Any], known: Collection[str] | None = None) -> None:
    """Check that the emulator can run every step.

    `known` are the names of the steps and types that a running emulator has entries for; None stands for those of the
    configuration.

    Raises:
        ConfigError: it cannot, or the configuration has an entry that fits no step.
    """
    steps = [step for _, step in every_step(definition["Steps"])]
    problems = [*_misplaced(config, steps), *_unfit(config, steps)]
    if config.target == "local":
        problems += _refused(config, steps)
    missing: list[Step] = []
    if config.target == "local" and (config.embedded or known is not None):
        names = config.emulator.steps if known is None else known
        missing = [step for step in steps if _needs_entry(step) and step["Name"] not in names]
        missing = [step for step in missing if step["Type"] not in names]
        problems += [_missing(config, step) for step in missing]
    if problems:
        raise ConfigError(problems, _lines_to_add(missing, in_a_file=known is not None))


def _offline(kind: str) -> Offline | None:
    return STEP_TYPES[kind].offline if kind in STEP_TYPES else None


def need_entries(definition: Mapping[str, Any]) -> bool:
    """Whether the definition has a step that the emulator does not run by itself."""
    return any(_needs_entry(step) for _, step in every_step(definition["Steps"]))


def _needs_entry(step: Step) -> bool:
    return _offline(step["Type"]) in ("entry", "process")


def _missing(config: Config, step: Step) -> Problem:
    what = f"step {step['Name']} is a {step['Type']} step, which only AWS can run"
    return config.problem(_SECTION, what, f"say in emulator.steps.{step['Name']} what it does offline")


def _lines_to_add(steps: Sequence[Step], *, in_a_file: bool) -> str:
    if not steps:
        return ""
    if in_a_file:
        lines = ["Add to the file that the emulator was started with (--steps FILE), and start it again:"]
        return "\n".join([*lines, *(f"  {step['Name']}: {_suggested(step)}" for step in steps)])
    lines = ["Add:", "  emulator:", "    steps:"]
    return "\n".join([*lines, *(f"      {step['Name']}: {_suggested(step)}" for step in steps)])


def _suggested(step: Step) -> str:
    files = step.get("PropertyFiles")
    entries = [entry for entry in files if isinstance(entry, dict)] if isinstance(files, list) else []
    if entries:
        listed = ", ".join(f"{entry.get('PropertyFileName')}: {_file_name(entry)}" for entry in entries)
        return f"{{succeed: {{}}, property_files: {{{listed}}}}}"
    return "{succeed: {}}"


def _file_name(property_file: Mapping[str, Any]) -> str:
    path = property_file.get("FilePath")
    return (
        path.rsplit("/", 1)[-1] if isinstance(path, str) and path else f"{property_file.get('PropertyFileName')}.json"
    )


def _refused(config: Config, steps: Sequence[Step]) -> Iterator[Problem]:
    for step in steps:
        if _offline(step["Type"]) == "none":
            what = f"step {step['Name']} is a {step['Type']} step, which the emulator does not know"
            yield config.problem(("target",), what, "use target aws, or leave the step out")
        elif any(isinstance(entry, dict) for entry in step.get("DependsOn") or ()):
            what = f"step {step['Name']} has a Trigger in DependsOn, which the emulator does not know"
            yield config.problem(("target",), what, "use target aws, or name the steps alone")


def _misplaced(config: Config, steps: Sequence[Step]) -> Iterator[Problem]:
    """Yields the entries for steps that the definition does not have, or that need none."""
    names = {step["Name"]: step["Type"] for step in steps}
    fitting = [name for name, kind in names.items() if _offline(kind) != "emulator"]
    for name in config.emulator.steps:
        kind = names.get(name, name)
        if _offline(kind) == "emulator":
            what = f"emulator.steps.{name} is for {'a' if name in names else 'the type'} {kind}"
            what += " step" if name in names else ""
            yield config.problem((*_SECTION, name), what, "leave it out: the emulator runs such steps by itself")
        elif name not in names and name not in STEP_TYPES:
            what = f"emulator.steps.{name} is neither a step of {config.pipeline.template} nor a type of steps"
            otherwise = f"its steps are {', '.join(fitting)}" if fitting else "none of its steps needs an entry"
            yield config.problem((*_SECTION, name), what, one_of(name, (*fitting, *STEP_TYPES), otherwise))


def _unfit(config: Config, steps: Sequence[Step]) -> Iterator[Problem]:
    """Yields the entries that say something that their step cannot do."""
    runnable = [kind for kind, rules in STEP_TYPES.items() if rules.offline == "process"]
    for step in steps:
        name = step["Name"] if step["Name"] in config.emulator.steps else step["Type"]
        entry = config.emulator.steps.get(name)
        if entry is None or not _needs_entry(step):
            continue
        path = (*_SECTION, name)
        if entry.run is not None and _offline(step["Type"]) != "process":
            what = f"emulator.steps.{name}.run: step {step['Name']} is a {step['Type']} step"
            yield config.problem((*path, "run"), what, f"use succeed; {' and '.join(runnable)} steps can run")
        yield from _unknown_names(config, path, entry, step)


def _unknown_names(config: Config, path: KeyPath, entry: OfflineStep, step: Step) -> Iterator[Problem]:
    for key, given, declared in (
        ("property_files", entry.property_files, _names(step.get("PropertyFiles"), "PropertyFileName")),
        ("inputs", entry.inputs, _input_names(step)),
    ):
        for name in given:
            if name not in declared:
                what = (
                    f"emulator.steps.{path[-1]}.{key}: step {step['Name']} has no {key.replace('_', ' ')[:-1]} {name}"
                )
                near = nearest(name, declared)
                valid = f"did you mean {near}?" if near else f"it has {choice(declared) if declared else 'none'}"
                yield config.problem((*path, key, name), what, valid)


def _input_names(step: Step) -> list[str]:
    arguments = step.get("Arguments", {})
    return [
        *_names(arguments.get("ProcessingInputs"), "InputName"),
        *_names(arguments.get("InputDataConfig"), "ChannelName"),
    ]


def _names(entries: Any, key: str) -> list[str]:
    return [str(entry.get(key)) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
