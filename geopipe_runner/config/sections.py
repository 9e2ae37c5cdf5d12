"""The functions and queues of a configuration as rules and the builder read them, in the short form or as maps.

A section is named by its path: `function` and `queue`, or `functions.prepare` and `queues.approvals`.
"""

from __future__ import annotations

from .document import KeyPath
from .values import Values

# What a name that is left out has after the name of the deployment. A key has no hyphen, so that the names of two
# deployments never meet.
_SUFFIXES = {
    "function.name": "function",
    "queue.name": "queue",
    "pipeline.name": "pipeline",
    "iam.lambda_role": "lambda-role",
    "iam.sagemaker_role": "sagemaker-role",
}
_MAPS = {"functions": "function", "queues": "queue"}


def functions(values: Values) -> list[str]:
    """Returns the sections of all functions, without those in which something is wrong."""
    return _sections(values, "functions") if has_map(values, "functions") else ["function"]


def queues(values: Values) -> list[str]:
    """Returns the sections of all queues, without those in which something is wrong."""
    if has_map(values, "queues"):
        return _sections(values, "queues")
    return ["queue"] if has_short_queue(values) else []


def has_map(values: Values, name: str) -> bool:
    """Whether the file has the map `functions` or `queues`."""
    return values.written(name) and values.get(name) is not None


def has_short_queue(values: Values) -> bool:
    """Whether there is the one queue of the short form. Next to `functions`, it has to be written."""
    return not has_map(values, "queues") and (values.written("queue") or not has_map(values, "functions"))


def queue_of(values: Values, function: str) -> str | None:
    """Returns the section of the queue that a function receives messages from; None if there is none."""
    key = values[f"{function}.queue"]
    if key is None:
        return "queue" if function == "function" and has_short_queue(values) else None
    return section_of_queue(values, key)


def section_of_queue(values: Values, key: str) -> str | None:
    """Returns the section of the queue with this key; None if there is none."""
    if has_map(values, "queues"):
        return f"queues.{key}" if key in values.get("queues") else None
    return "queue" if key == "queue" and has_short_queue(values) else None


def used(values: Values, section: str) -> str | None:
    """Returns the path of the ARN or URL of a function or queue that is only used; None for one that is managed."""
    keys = ("arn",) if section.partition(".")[0] in ("function", "functions") else ("arn", "url")
    return next((f"{section}.{key}" for key in keys if values[f"{section}.{key}"]), None)


def managed(values: Values, sections: list[str]) -> list[str]:
    """Returns those of the sections whose functions or queues are not only used."""
    return [section for section in sections if used(values, section) is None]


def stand_ins(values: Values) -> dict[str, str]:
    """Returns the sections of the code that stands in for images offline, by the section of the function."""
    if values["target"] != "local":
        return {}
    keys = values.entries("emulator.functions")
    return {name: f"emulator.functions.{key_of(name)}" for name in functions(values) if key_of(name) in keys}


def key_of(section: str) -> str:
    """Returns the key of a function or queue, which is the name of the section in the short form."""
    return section.rpartition(".")[2]


def name_of(values: Values, path: str) -> str:
    """Returns the name at `path`, or the one that derives from the deployment where it is left out.

    The name of what is only used is in its ARN or URL.
    """
    section, _, key = path.rpartition(".")
    place = used(values, section) if key == "name" and section != "pipeline" else None
    if place:
        return str(values[place]).replace("/", ":").rpartition(":")[2]
    written = values[path]
    return str(written) if written else f"{values['deployment']}-{_suffix(path)}"


def in_short_form(path: KeyPath) -> str:
    """Returns the path that a key of one function or queue has in the short form: `function.source`."""
    if len(path) > 1 and path[0] in _MAPS:
        path = (_MAPS[str(path[0])], *path[2:])
    return ".".join(map(str, path))


def _sections(values: Values, name: str) -> list[str]:
    return [f"{name}.{key}" for key in values.entries(name)]


def _suffix(path: str) -> str:
    return _SUFFIXES[path] if path in _SUFFIXES else path.split(".")[1]


def begins_empty(values: Values) -> bool:
    """Whether the command starts an emulator whose account is empty."""
    kept = values["endpoint"] is not None or values["emulator.state_dir"] is not None
    return values["target"] == "local" and not kept
