"""Rules about what the configuration points at: files on this machine, and the input in S3 (without asking S3)."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from .aws_rules import bucket_name_fault
from .values import Finding, Values
from .wording import one_of, quote

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_S3_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*[^/])")


def template_exists(values: Values) -> Iterator[Finding]:
    yield from _readable_file(values, "pipeline.template", "the path of a pipeline template")


def function_source_exists(values: Values) -> Iterator[Finding]:
    folder = values.path("function.source")
    if not _safely(folder.is_dir):
        what = f"there is no folder {quote(folder)}"
        yield _missing(values, "function.source", what, "the path of a folder with code")


def handler_exists(values: Values) -> Iterator[Finding]:
    folder, handler = values.path("function.source"), values["function.handler"]
    module = handler.rsplit(".", 1)[0].replace(".", "/")
    candidates = (folder / f"{module}.py", folder / module / "__init__.py")
    if not _safely(folder.is_dir):
        return
    path = "function.handler" if values.written("function.handler") else "function.source"
    found = next((candidate for candidate in candidates if _safely(candidate.is_file)), None)
    if found is None:
        what = f"function.handler {quote(handler)}: there is no {module}.py in {quote(folder)}"
        yield Finding(path, what, _modules(folder))
        return
    function, there = handler.rsplit(".", 1)[-1], top_level_names(found)
    if there is not None and function not in there:
        what = f"function.handler {quote(handler)}: {found.name} has no {quote(function)}"
        yield Finding(path, what, one_of(function, sorted(there), "name a function that is there"))


def top_level_names(module: Path) -> set[str] | None:
    """What a module defines or imports; None where that cannot be told without running it."""
    try:
        tree = ast.parse(module.read_bytes())
    except (OSError, SyntaxError, ValueError):  # it may be written for a later Python than this one
        return None
    names = set(_names(tree))
    return None if "*" in names else names


def _names(node: ast.AST) -> Iterator[str]:
    """Of assignments every name that stands there; of blocks such as if and try what stands in them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child.name
        elif isinstance(child, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in child.names)
        elif isinstance(child, ast.Name):
            yield child.id
        else:
            yield from _names(child)


def _modules(folder: Path) -> str:
    names = sorted(path.stem for path in folder.glob("*.py"))[:10]
    if not names:
        return "choose a folder with Python modules"
    return f"name a function of one of the modules there: {', '.join(names)}"


def input_exists(values: Values) -> Iterator[Finding]:
    if not is_uri(values["input.source"]):
        yield from _readable_file(values, "input.source", "the path of a CSV file or s3://bucket/key")


def s3_input_has_a_key(values: Values) -> Iterator[Finding]:
    source = values["input.source"]
    if not is_uri(source):
        return
    location = split_s3_uri(source)
    fault = bucket_name_fault(location[0]) if location else None
    if location is None or fault or len(location[1].encode()) > 1024:
        what = f"input.source {quote(source)} does not name an object in S3"
        yield Finding("input.source", what, "use s3://bucket/key, or the path of a local file")


def s3_input_is_reachable(values: Values) -> Iterator[Finding]:
    if is_uri(values["input.source"]) and values["target"] == "local" and values["endpoint"] is None:
        what = "input.source is in S3, but the emulator that this configuration starts is empty"
        yield Finding("input.source", what, "use a local file, or the endpoint of an emulator that has the object")


def s3_input_is_not_cleaned_up(values: Values) -> Iterator[Finding]:
    bucket, key = split_s3_uri(values["input.source"]) or ("", "")
    for prefix in (values["input.prefix"], values["output.prefix"]):
        if bucket == values["bucket.name"] and key.startswith(prefix):
            what = f"input.source lies under {quote(prefix)} of our own bucket, where cleanup would delete it"
            yield Finding("input.source", what, "use another bucket or prefix for one of them")


def is_uri(source: str) -> bool:
    return bool(_URI.match(source))


def split_s3_uri(source: str) -> tuple[str, str] | None:
    """Bucket and key of `s3://bucket/key`."""
    match = _S3_URI.fullmatch(source)
    return (match[1], match[2]) if match else None


def _readable_file(values: Values, path: str, expected: str) -> Iterator[Finding]:
    file = values.path(path)
    if not _safely(file.is_file):
        yield _missing(values, path, f"there is no file {quote(file)}", expected)
    elif not os.access(file, os.R_OK):
        yield Finding(path, f"{path}: {quote(file)} may not be read", "change its permissions, or use another file")
    elif file.stat().st_size == 0:
        yield _missing(values, path, f"{quote(file)} is empty", expected)


def _missing(values: Values, path: str, what: str, expected: str) -> Finding:
    if not values.written(path):
        # A package holds the program only; an example's template, code and input come with the source.
        return Finding(path, f"{path} is left out, and geopipe's own is not here: {what}", f"set it to {expected}")
    relative = not Path(values[path]).is_absolute()
    where = ", relative to the configuration file" if relative else ""
    return Finding(path, f"{path}: {what}", f"give {expected}{where}")


def _safely(test: object) -> bool:
    """Some names cannot even be asked about: too long, or in a folder we may not enter."""
    try:
        return bool(test()) if callable(test) else False
    except (OSError, ValueError):
        return False
