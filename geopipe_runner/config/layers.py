"""One configuration from several texts: a file, the files that it extends, and what the command line sets.

What stands further up goes first: the command line, then the entry of `deployments` that was chosen, then the rest of
the file, then the file that it extends, and so on. Sections
are merged key by key; any other value replaces the one below it, lists included. Every value keeps its place, so that a
problem names the text that it comes from, and a path is relative to the folder of its file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..path_checks import expand_home, is_there
from .document import Document, KeyPath, TextPart, unreadable
from .messages import quote
from .parser import parse, parse_value
from .schema import Schema
from .source import read_text

EXTENDS = "extends"
DEPLOYMENTS = "deployments"
# Far more levels than anyone can follow.
_MAX_LEVELS = 20


def read_layers(path: Path) -> Document:
    """Returns the document of a file and all that it extends.

    Raises:
        ConfigError: a text cannot be read, or a file extends itself.
    """
    document = _read_file(path, str(path))
    seen = [path.resolve()]
    while (found := _pop_extends(document)) is not None:
        base, fault = found
        if not is_there(base):
            what = f"extends: there is no file {quote(base)}"
            valid = "give the path of a YAML file, relative to this one"
            if "${" in str(base):
                valid += "; nothing is put in place of ${...} here"
            raise ConfigError([document.problem(fault, what, valid)])
        if base.resolve() in seen:
            raise ConfigError([document.problem(fault, f"{quote(base)} extends itself", "leave one `extends` out")])
        if len(seen) == _MAX_LEVELS:
            what = f"more than {_MAX_LEVELS} files extend each other"
            raise ConfigError([document.problem(fault, what, "use fewer")])
        seen.append(base.resolve())
        document = merge(document, _read_file(base, str(base)))
    return document


def with_settings(document: Document, settings: Sequence[str], schema: Schema) -> Document:
    """Returns the document with `settings` (`key.path=value`) on top. Raises ConfigError for one that is no YAML."""
    for text in settings:
        document = merge(_read_setting(text, schema), document)
    return document


def merge(above: Document, below: Document) -> Document:
    """Returns one document of two. Their texts stand one after the other, so that positions stay what they were."""
    shift = len(above.text) + 1
    merged = Document(above.name, f"{above.text}\n{below.text}", environment={**above.environment})
    merged.parts = [*above.parts, *(TextPart(part.name, part.start + shift, part.folder) for part in below.parts)]
    merged.problems = [*above.problems, *below.problems]
    replaced: set[KeyPath] = set()
    merged.data = _merge(above.data, below.data, (), replaced)

    def is_hidden(path: KeyPath) -> bool:
        return any(path[:length] in replaced for length in range(len(path) + 1))

    merged.spans = {path: span.shifted(shift) for path, span in below.spans.items() if not is_hidden(path)}
    merged.spans |= above.spans
    merged.unknown = above.unknown | {path for path in below.unknown if not is_hidden(path)}
    return merged


def _merge(above: Any, below: Any, path: KeyPath, replaced: set[KeyPath]) -> Any:
    if not (isinstance(above, dict) and isinstance(below, dict)):
        replaced.add(path)
        return above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _merge(value, below[key], (*path, key), replaced) if key in below else value
    return merged


def names_of_deployments(document: Document) -> tuple[str, ...]:
    """Returns the names of the entries of `deployments`; none for a configuration of one deployment.

    Raises:
        ConfigError: an entry is not a section, or the entries do not stand alone.
    """
    entries = document.data.get(DEPLOYMENTS)
    if entries is None:
        return ()
    problems = []
    if not isinstance(entries, dict) or not entries:
        position = document.value_position((DEPLOYMENTS,))
        valid = "write `name: {key: value}` below it for each deployment"
        raise ConfigError([document.problem(position, "deployments is not a section with entries", valid)])
    if "deployment" in document.data:
        position = document.key_position(("deployment",))
        valid = "leave it out: the name of each entry of `deployments` is its deployment"
        problems.append(document.problem(position, "deployment does not go with deployments", valid))
    for name, entry in entries.items():
        if entry is not None and not isinstance(entry, dict):
            position = document.value_position((DEPLOYMENTS, name))
            valid = "write the keys that this deployment has of its own, or {}"
            problems.append(document.problem(position, f"the entry {quote(name)} is not a section", valid))
        for key in (EXTENDS, DEPLOYMENTS) if isinstance(entry, dict) else ():
            if key in entry:
                position = document.key_position((DEPLOYMENTS, name, key))
                valid = "write it at the top of the file"
                problems.append(document.problem(position, f"{key} cannot be in an entry of deployments", valid))
    if problems:
        raise ConfigError(problems)
    return tuple(entries)


def select_deployment(document: Document, name: str) -> Document:
    """Returns the document of one entry of `deployments`: what the entry says, on top of the rest of the file."""
    place: KeyPath = (DEPLOYMENTS, name)
    # Copies, because what is interpolated is filled in where it stands.
    entry = deepcopy(document.data[DEPLOYMENTS][name]) or {}
    rest = deepcopy({key: value for key, value in document.data.items() if key != DEPLOYMENTS})
    own = {path[2:]: span for path, span in document.spans.items() if path[:2] == place and len(path) > 2}
    if "deployment" not in entry:
        entry = {"deployment": name, **entry}
        key = document.spans[place]
        own["deployment",] = replace(key, start=key.key_start, end=key.key_start + len(name), written=name, plain=False)
    replaced: set[KeyPath] = set()
    selected = Document(document.name, document.text, problems=[*document.problems], parts=document.parts)
    selected.data = _merge(entry, rest, (), replaced)

    def is_hidden(path: KeyPath) -> bool:
        return path[:1] == (DEPLOYMENTS,) or any(path[:length] in replaced for length in range(len(path) + 1))

    selected.spans = {path: span for path, span in document.spans.items() if not is_hidden(path)} | own
    selected.unknown = {path for path in document.unknown if not is_hidden(path)}
    selected.unknown |= {path[2:] for path in document.unknown if path[:2] == place and len(path) > 2}
    return selected


def _read_file(path: Path, name: str) -> Document:
    document = parse(name, read_text(path, name))
    document.parts = [TextPart(name, 0, path.absolute().parent)]
    return document


def _pop_extends(document: Document) -> tuple[Path, Any] | None:
    """Takes `extends` out of a document, and returns the file and the position of its name; None if there is none."""
    if EXTENDS not in document.data:
        return None
    path: KeyPath = (EXTENDS,)
    written, position = document.data.pop(EXTENDS), document.value_position(path)
    folder = document.folder_of(path)
    document.spans = {place: span for place, span in document.spans.items() if place[0:1] != path}
    document.unknown.discard(path)
    if written is None:
        return None
    if not isinstance(written, str) or not written:
        valid = "name one YAML file, relative to this one"
        raise ConfigError([document.problem(position, "extends is not the path of a file", valid)])
    return Path(os.path.normpath((folder or Path()) / expand_home(written))), position


def _read_setting(text: str, schema: Schema) -> Document:
    """Returns the document of `key.path=value`. The schema says whether the value is text."""
    name = f"--set {text}"
    written_key, equals, value = text.partition("=")
    keys = tuple(written_key.split("."))
    if not equals or not all(keys):
        raise unreadable("--set", f"{quote(text)} is not key.path=value", "write for instance --set job.workers=4")
    if keys[0] in (EXTENDS, DEPLOYMENTS):
        raise unreadable(name, f"{keys[0]} can only be in a file", "write it into the configuration")
    document = parse_value(name, value, keys, len(written_key) + 1, as_text=_is_text(schema, keys, value))
    document.parts = [TextPart(name, 0, Path.cwd())]
    return document


def schema_at(schema: Schema, path: KeyPath) -> Schema:
    """Returns the part of the schema for the value at `path`; {} where it has none."""
    for name in path:
        inner = schema.get("items") if isinstance(name, int) else schema.get("properties", {}).get(name)
        if inner is None and isinstance(schema.get("additionalProperties"), dict):
            inner = schema["additionalProperties"]
        if inner is None and "oneOf" in schema:
            inner = schema["oneOf"][1].get("items") if isinstance(name, int) else None
        if inner is None:
            return {}
        schema = inner
    return schema


def types_of(schema: Schema) -> set[str]:
    """Returns the JSON types that a part of the schema allows; words of a list are text unless all are numbers."""
    if "oneOf" in schema:
        return {name for branch in schema["oneOf"] for name in types_of(branch)}
    if "enum" in schema:
        words = {type(word) for word in schema["enum"]}
        return {{str: "string", int: "integer", float: "number", bool: "boolean"}.get(word, "null") for word in words}
    named = schema.get("type", [])
    return {named} if isinstance(named, str) else set(named)


def _is_text(schema: Schema, path: KeyPath, value: str) -> bool:
    """Whether the value is text as it stands: the schema wants text, and no YAML was meant."""
    types = types_of(schema_at(schema, path))
    if "string" not in types or types & {"number", "integer", "boolean"}:
        return False
    return not value.startswith(("'", '"', "[", "{")) and not (value == "null" and "null" in types)
