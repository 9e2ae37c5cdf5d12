"""Rules about what the configuration points at: files on this machine, and the input in S3 (without asking S3)."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from .aws_rules import bucket_name_problem
from .code_files import (
    MAX_CODE_BYTES,
    MAX_CODE_FILES,
    code_files,
    code_problems,
    file_sizes,
    largest_folders,
    safely,
)
from .document import MAX_PROBLEMS, KeyPath, KeyProblem
from .messages import one_of, quote
from .sections import begins_empty, functions, managed, stand_ins
from .values import Values

# Reading the names of a larger module takes seconds.
_MAX_MODULE_BYTES = 2_000_000
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_S3_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*[^/])")


def template_exists(values: Values) -> Iterator[KeyProblem]:
    yield from _readable_file(values, "pipeline.template", "the path of a pipeline template")


def function_source_exists(values: Values) -> Iterator[KeyProblem]:
    for function in _with_code(values):
        name = f"{function}.source"
        for key, source in values.paths(name).items():
            if not safely(source.is_dir) and not safely(source.is_file):
                if ".".join(map(str, key)) == name:
                    what = f"there is no folder {quote(source)}"
                    yield _missing(values, name, what, "the path of a folder with code")
                else:
                    what = f"{name}: there is no folder or file {quote(source)}"
                    yield KeyProblem(key, what, "give the path of a folder or file with code")


def function_requirements_exist(values: Values) -> Iterator[KeyProblem]:
    for function in _with_code(values):
        name = f"{function}.requirements"
        if values[name] is None:
            continue
        file = values.path(name)
        # An empty one is fine: it names no packages.
        if not safely(file.is_file):
            yield from _readable_file(values, name, "the path of a requirements file of pip")
        elif not os.access(file, os.R_OK):
            what = f"{name}: {quote(file)} may not be read"
            yield KeyProblem(name, what, "change its permissions, or use another file")


def function_code_can_be_packed(values: Values) -> Iterator[KeyProblem]:
    for function in _with_code(values):
        for key, source in _existing_sources(values, function).items():
            for what, valid in values.files.once(_code_problems, source, values[f"{function}.follow_links"]):
                yield KeyProblem(key, f"{function}.source: {what}", valid)


def function_code_fits(values: Values) -> Iterator[KeyProblem]:
    for function in _with_code(values):
        code, name = _code(values, function), f"{function}.source"
        too_many = next((key for key, files in code.items() if len(files) > MAX_CODE_FILES), None)
        if too_many:
            yield KeyProblem(too_many, f"{name} has more than {MAX_CODE_FILES:,} files", "give a folder of code")
            continue
        sizes = values.files.once(file_sizes, tuple(file for files in code.values() for file in files))
        size = sum(sizes.values())
        if size > MAX_CODE_BYTES:
            what = f"the files of {name} have {size:,} bytes"
            valid = f"Lambda allows {MAX_CODE_BYTES:,}; leave out what it does not need. {largest_folders(sizes)}"
            yield KeyProblem(name, what, valid.removesuffix("."))


def function_sources_are_apart(values: Values) -> Iterator[KeyProblem]:
    """Refuses two files with one name in the zip: one of them would be missing without notice."""
    for function in _with_code(values):
        first: dict[str, Path] = {}
        sources = _existing_sources(values, function)
        for key, files in _code(values, function).items():
            if any(first.get(name) == path for name, path in files):
                valid = "name it once"
                if values["job.kind"] == "map_rows":
                    valid = "name your own code only: with job.kind map_rows, geopipe's function is always there"
                yield KeyProblem(key, f"{function}.source has the files of {quote(sources[key])} twice", valid)
                continue
            for name, path in sorted(files):
                if name in first:
                    what = f"{function}.source has {quote(name)} twice: {quote(first[name])} and {quote(path)}"
                    yield KeyProblem(key, what, "rename one of the files, or leave one of the sources out")
                first.setdefault(name, path)


def _with_code(values: Values) -> list[str]:
    """Returns the sections of the functions whose code comes from this machine."""
    own = [name for name in managed(values, functions(values)) if values[f"{name}.image_uri"] is None]
    return [*own, *stand_ins(values).values()]


def _code(values: Values, function: str) -> dict[KeyPath, tuple[tuple[str, Path], ...]]:
    """Returns the files of each source, up to the first one too many."""
    follow_links = values[f"{function}.follow_links"]
    return {
        key: values.files.once(_code_files, source, follow_links)
        for key, source in _existing_sources(values, function).items()
    }


def _code_files(source: Path, follow_links: bool) -> tuple[tuple[str, Path], ...]:
    return tuple(islice(code_files(source, follow_links), MAX_CODE_FILES + 1))


def _code_problems(source: Path, follow_links: bool) -> tuple[tuple[str, str], ...]:
    return tuple(islice(code_problems(source, follow_links), MAX_PROBLEMS + 1))


def _existing_sources(values: Values, function: str) -> dict[KeyPath, Path]:
    paths = values.paths(f"{function}.source")
    return {key: path for key, path in paths.items() if safely(path.is_dir) or safely(path.is_file)}


def handler_exists(values: Values) -> Iterator[KeyProblem]:
    for function in _with_code(values):
        yield from _handler_exists(values, function)


def _handler_exists(values: Values, section: str) -> Iterator[KeyProblem]:
    name = f"{section}.handler"
    sources, handler = [*values.paths(f"{section}.source").values()], values[name]
    if not all(safely(source.is_dir) or safely(source.is_file) for source in sources):
        return
    module = handler.rsplit(".", 1)[0].replace(".", "/")
    folders = [source for source in sources if safely(source.is_dir)]
    candidates = [folder / name for folder in folders for name in (f"{module}.py", f"{module}/__init__.py")]
    candidates += [source for source in sources if source.name == f"{module}.py"]
    path = name if values.written(name) else f"{section}.source"
    file = next((candidate for candidate in candidates if safely(candidate.is_file)), None)
    if file is None:
        places = ", ".join(map(quote, sources))
        what = f"{name} {quote(handler)}: there is no {module}.py in {places}"
        yield KeyProblem(path, what, _modules(sources, "name a function of one of the modules there"))
        return
    function, names = handler.rsplit(".", 1)[-1], values.files.once(top_level_names, file)
    if names is not None and function not in names:
        what = f"{name} {quote(handler)}: {file.name} has no {quote(function)}"
        yield KeyProblem(path, what, one_of(function, sorted(names), "name a function that is there"))


def transform_exists(values: Values) -> Iterator[KeyProblem]:
    """The module of kind `map_rows` is one of the user's own, at the top of the zip."""
    if values["job.kind"] != "map_rows" or not values["job.transform"]:
        return
    # The key of a source that geopipe adds is not one of the file.
    module = values["job.transform"]
    sources = [
        path for key, path in _existing_sources(values, "function").items() if len(key) == 2 or isinstance(key[2], int)
    ]
    candidates = [source / f"{module}.py" for source in sources if safely(source.is_dir)]
    candidates += [source for source in sources if source.name == f"{module}.py"]
    file = next((candidate for candidate in candidates if safely(candidate.is_file)), None)
    if file is None:
        what = f"job.transform: there is no {module}.py in {', '.join(map(quote, sources))}"
        yield KeyProblem("job.transform", what, _modules(sources, "name one of the modules there"))
        return
    names = values.files.once(top_level_names, file)
    if names is not None and "transform" not in names:
        what = f"job.transform: {file.name} has no function `transform`"
        yield KeyProblem("job.transform", what, "write `def transform(rows)` there, which returns one dict per row")


def top_level_names(module: Path) -> set[str] | None:
    """Returns what a module defines or imports; None where only running it could show that."""
    try:
        if module.stat().st_size > _MAX_MODULE_BYTES:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the user's code, which is not ours to judge
            tree = ast.parse(module.read_bytes())
    # It may be written for a later Python than this one. Python also gives up on code that is nested too deeply, such
    # as thousands of `elif`.
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names = set(_names(tree))
    return None if "*" in names else names


def _names(module: ast.Module) -> Iterator[str]:
    """Yields every name in an assignment, and what is defined in blocks such as if and try."""
    nodes: list[ast.AST] = [module]
    while nodes:
        for child in ast.iter_child_nodes(nodes.pop()):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield child.name
            elif isinstance(child, ast.Import | ast.ImportFrom):
                yield from ((alias.asname or alias.name).split(".")[0] for alias in child.names)
            elif isinstance(child, ast.Name):
                yield child.id
            else:
                nodes.append(child)


def _modules(sources: Iterable[Path], advice: str) -> str:
    files = (path for source in sources for path in ([source] if source.is_file() else source.glob("*.py")))
    names = sorted(path.stem for path in files if path.suffix == ".py")[:10]
    if not names:
        return "choose a folder with Python modules"
    return f"{advice}: {', '.join(names)}"


def input_exists(values: Values) -> Iterator[KeyProblem]:
    if has_input(values) and not is_uri(values["input.source"]):
        yield from _readable_file(values, "input.source", "the path of a CSV file or s3://bucket/key")


def s3_input_has_a_key(values: Values) -> Iterator[KeyProblem]:
    source = values["input.source"]
    if not is_uri(source):
        return
    location = split_s3_uri(source)
    problem = bucket_name_problem(location[0]) if location else None
    if location is None or problem or len(location[1].encode()) > 1024:
        what = f"input.source {quote(source)} does not name an object in S3"
        yield KeyProblem("input.source", what, "use s3://bucket/key, or the path of a local file")


def s3_input_is_reachable(values: Values) -> Iterator[KeyProblem]:
    if is_uri(values["input.source"]) and begins_empty(values):
        what = "input.source is in S3, but the emulator that this configuration starts is empty"
        yield KeyProblem("input.source", what, "use a local file, or the endpoint of an emulator that has the object")


def s3_input_is_not_cleaned_up(values: Values) -> Iterator[KeyProblem]:
    bucket, key = split_s3_uri(values["input.source"]) or ("", "")
    for prefix in (values["input.prefix"], values["output.prefix"], code_prefix(values["deployment"])):
        if bucket == values["bucket.name"] and key.startswith(prefix):
            what = f"input.source lies under {quote(prefix)} of our own bucket, where cleanup would delete it"
            yield KeyProblem("input.source", what, "use another bucket or prefix for one of them")


def local_input_has_a_bucket(values: Values) -> Iterator[KeyProblem]:
    if values["input.source"] and not is_uri(values["input.source"]) and not values["bucket.name"]:
        what = "input.source is a local file, but there is no bucket to upload it to"
        yield KeyProblem("input.source", what, "set bucket.name, or use an object in S3")


def has_input(values: Values) -> bool:
    """Whether the job reads an input. Work of the user's own has one only if it is named."""
    return bool(values["input.source"]) or values["job.kind"] != "custom"


def code_prefix(deployment: str) -> str:
    """Returns the place in the bucket of zips that are too large to go to Lambda directly."""
    return f"geopipe/{deployment}/functions/"


def is_uri(source: str | None) -> bool:
    return source is not None and bool(_URI.match(source))


def split_s3_uri(source: str | None) -> tuple[str, str] | None:
    """Returns bucket and key of `s3://bucket/key`; None for anything else."""
    match = _S3_URI.fullmatch(source or "")
    return (match[1], match[2]) if match else None


def _readable_file(values: Values, path: str, expected: str) -> Iterator[KeyProblem]:
    file = values.path(path)
    if safely(file.exists) and not safely(file.is_file) and not safely(file.is_dir):
        yield _missing(values, path, f"{quote(file)} is not a file", expected)
    elif not safely(file.is_file):
        yield _missing(values, path, f"there is no file {quote(file)}", expected)
    elif not os.access(file, os.R_OK):
        yield KeyProblem(path, f"{path}: {quote(file)} may not be read", "change its permissions, or use another file")
    elif file.stat().st_size == 0:
        yield _missing(values, path, f"{quote(file)} is empty", expected)


def _missing(values: Values, path: str, what: str, expected: str) -> KeyProblem:
    if not values.written(path) or values[path] is None:
        # A package holds the program only; an example's template, code and input come with the source.
        why = "null" if values.written(path) else "left out"
        return KeyProblem(path, f"{path} is {why}, and geopipe's own is not here: {what}", f"set it to {expected}")
    relative = not Path(values[path]).is_absolute()
    where = ", relative to the configuration file" if relative else ""
    return KeyProblem(path, f"{path}: {what}", f"give {expected}{where}")
