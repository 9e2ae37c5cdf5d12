"""Makes the frozen `Config` from values that have passed every check. It decides nothing but types."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

from ..hidden_values import is_secret_name, password_in_url
from . import model
from .aws_rules import role_name
from .document import Document, KeyPath
from .file_rules import has_input, split_s3_uri
from .keys import key_of
from .sections import has_map, has_short_queue, in_short_form, name_of, used
from .values import Values


def build(values: Values, path: Path, document: Document) -> model.Config:
    """Returns the configuration that `document`, read from `path`, says."""
    fields = _fields(model.Config, values, ())
    config = model.Config(path=path, document=document, secrets=_secrets(document), **fields)
    config = dataclasses.replace(config, named_secrets=_named_secrets(document, config.secrets - config.shown_names))
    return _with_stand_ins(config) if config.target == "local" else config


def _with_stand_ins(config: model.Config) -> model.Config:
    """Returns the configuration with the code of `emulator.functions` in place of container images."""

    def offline(key: str, function: model.FunctionConfig) -> model.FunctionConfig:
        code = config.emulator.functions.get(key)
        return dataclasses.replace(function, image_uri=None, **vars(code)) if code else function

    several = config.functions and {key: offline(key, function) for key, function in config.functions.items()}
    return dataclasses.replace(config, function=offline("function", config.function), functions=several)


def _secrets(document: Document) -> frozenset[str]:
    """Returns the values that came from the environment, alone and as part of a longer text.

    Names of resources and the like stay visible wherever they came from: no plan could be read without them.
    """
    hidden: set[str] = set()
    shown: set[str] = set()
    for path, variables in document.environment.items():
        value: Any = document.data
        for part in path:
            value = value[part]
        is_free = path[0] == "tags" or in_short_form(path).startswith(_FREE_VALUES)
        (hidden if is_free else shown).update(variables.values(), [value] if isinstance(value, str) else ())
    return frozenset(hidden - shown)


def _named_secrets(document: Document, secrets: frozenset[str]) -> frozenset[str]:
    """Returns the values from the environment whose variable or key has the name of a secret, and passwords in URLs."""
    found: set[str] = set()
    for path, variables in document.environment.items():
        is_secret = is_secret_name(str(path[-1]))
        for name, value in variables.items():
            password = password_in_url(value)
            if password or is_secret or is_secret_name(name):
                found.update({value, password} if value in secrets else ())
    return frozenset(found - {""})


def _fields(section: Any, values: Values, path: KeyPath) -> dict[str, Any]:
    return {
        field.name: _value(field.type, values, (*path, field.name))
        for field in dataclasses.fields(section)
        if key_of(field) is not None
    }


def _section(section: Any, values: Values, path: KeyPath) -> Any:
    return section(**_fields(section, values, path))


def _value(field_type: Any, values: Values, path: KeyPath) -> Any:
    name = ".".join(map(str, path))
    conversion = _CONVERSIONS.get(in_short_form(path))
    if conversion:
        return conversion(values, name)
    value = values[name]
    section, entry = _sections_of(field_type)
    if entry is not None:
        return None if value is None else {key: _section(entry, values, (*path, key)) for key in value}
    if section is not None:
        return None if value is None else _section(section, values, path)
    # 45.0 is a whole number to JSON schema, and 45 is a number.
    if field_type in (int, float):
        return field_type(value)
    return tuple(value) if isinstance(value, list) else value


@cache
def _sections_of(field_type: Any) -> tuple[Any, Any]:
    """Returns the class of the section that a field holds, and that of each entry of its map; None for neither."""
    options: tuple[Any, ...] = (field_type, *get_args(field_type))
    section = next(filter(dataclasses.is_dataclass, options), None)
    entry: Any = next((get_args(option)[1] for option in options if get_origin(option) is Mapping), None)
    return section, entry if dataclasses.is_dataclass(entry) else None


def _endpoint(values: Values, path: str) -> str | None:
    endpoint = values[path]
    return endpoint.rstrip("/") if endpoint else None


def _role(values: Values, path: str) -> model.RoleConfig:
    role = name_of(values, path)
    by_arn = role.startswith("arn:")
    return model.RoleConfig(name=role_name(role), arn=role if by_arn else None, managed=not by_arn)


def _queues(values: Values, path: str) -> Mapping[str, model.QueueConfig] | None:
    """Returns the queues of the map. Where there is none, and no queue of the short form either, the map is empty."""
    if has_map(values, path):
        return {key: _section(model.QueueConfig, values, (path, key)) for key in values[path]}
    return None if has_short_queue(values) else {}


def _dead_letter_name(values: Values, path: str) -> str:
    if used(values, path.removesuffix(".dead_letter_name")):
        return ""  # its owner's
    return values[path] or f"{name_of(values, path.removesuffix('dead_letter_name') + 'name')}-dlq"


def _input_source(values: Values, path: str) -> Path | model.S3Location | None:
    if not has_input(values):
        return None
    location = split_s3_uri(values[path])
    return model.S3Location(*location) if location else values.path(path)


def _offline_steps(values: Values, path: str) -> Mapping[str, model.OfflineStep]:
    steps = {}
    for name, entry in values[path].items():
        command, place = entry["run"], (*path.split("."), name)
        files = {
            key: {file: values.relative((*place, key, file), written) for file, written in entry[key].items()}
            for key in ("property_files", "outputs", "inputs")
        }
        steps[name] = model.OfflineStep(
            **{
                **entry,
                **files,
                "run": None if command is None else tuple(command),
                "source": values.relative((*place, "source"), entry["source"]),
            }
        )
    return steps


def _stand_ins(values: Values, path: str) -> Mapping[str, model.OfflineFunction]:
    return {
        key: model.OfflineFunction(
            source=tuple(values.paths(f"{path}.{key}.source").values()),
            requirements=values.path(f"{path}.{key}.requirements") if entry["requirements"] else None,
            follow_links=entry["follow_links"],
            handler=entry["handler"],
        )
        for key, entry in values[path].items()
    }


# Where values are the user's own, and the program itself does not need to understand them; also all tags.
_FREE_VALUES = (
    "assume_role.external_id",
    "emulator.steps",
    "function.environment",
    "function.policy_statements",
    "pipeline.description",
    "pipeline.policy_statements",
    "pipeline.parameters",
)

# The keys whose value is not what the file says; those of one function or queue in the short form.
_CONVERSIONS: Mapping[str, Callable[[Values, str], Any]] = {
    "endpoint": _endpoint,
    "iam.lambda_role": _role,
    "iam.sagemaker_role": _role,
    "queue.name": name_of,
    "queue.dead_letter_name": _dead_letter_name,
    "queues": _queues,
    "function.name": name_of,
    "function.source": lambda values, path: tuple(values.paths(path).values()),
    "function.requirements": lambda values, path: values.path(path) if values[path] else None,
    "emulator.functions": _stand_ins,
    "emulator.state_dir": lambda values, path: values.path(path) if values[path] else None,
    "emulator.steps": _offline_steps,
    "pipeline.name": name_of,
    "pipeline.template": lambda values, path: values.path(path),
    "bucket.name": lambda values, path: values[path] or "",
    "input.source": _input_source,
}
