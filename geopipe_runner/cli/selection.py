"""Which deployments a command line names: files, patterns, folders, and the entries of `deployments` in a file.

A problem with one file is a problem of its deployments, and not of the others. What makes the selection itself unclear
is refused as a whole.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from ..config import Config, ConfigFile
from ..config.local_files import LocalFiles
from ..config.messages import nearest, shortened
from ..config.source import YAML_SUFFIXES, what_to_name, yaml_files_in
from ..errors import ConfigError, UsageError
from ..path_checks import is_folder, is_there

_PATTERN = "*?["
_NO_YAML_FILES = "There are no files in {} or below that end with .yaml or .yml"


@dataclass(frozen=True)
class SelectedDeployment:
    """One deployment of the command line. `file` is None where the file cannot be read, for the reason `error`."""

    path: Path
    file: ConfigFile | None
    entry: str | None = None
    error: ConfigError | None = None

    def load(self, files: LocalFiles | None = None) -> Config:
        """Returns its configuration. `files` are those of all that are loaded now. Raises ConfigError."""
        if self.file is None:
            raise self.error or AssertionError("without a file, there is an error")
        return self.file.load(self.entry, files)

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.path} ({self.entry})" if self.entry else str(self.path)


@dataclass(frozen=True)
class DeploymentSelection:
    """The deployments that a command line names, in its order."""

    deployments: tuple[SelectedDeployment, ...]
    is_set: bool
    """Whether a set was named: several files, a pattern, a folder, or a file with several deployments. It may have one
    member."""


def select(parsed: argparse.Namespace, *, files: bool, several: bool = True) -> DeploymentSelection:
    """Returns what the command line names. `files`: the files that a configuration names must exist.

    `several`: the command takes several deployments, and has `--all`.

    Raises:
        ConfigError: `--only` matches nothing, and a file cannot be read.
        UsageError: a name is that of a folder, one of several files does not exist, or a pattern, a folder or `--only`
            matches nothing.
    """
    paths = [*_paths(parsed, several)]
    is_set = len(paths) > 1 or len(parsed.configs) != 1 or _is_pattern(parsed.configs[0])
    found = [deployment for path in paths for deployment in _read(path, files, parsed.settings)]
    if parsed.all:
        bases = {base for deployment in found if deployment.file for base in deployment.file.bases}
        found = [deployment for deployment in found if deployment.path.resolve() not in bases]
    entries = [deployment for deployment in found if deployment.entry]
    if parsed.only:
        found = _only(found, parsed.only, str(parsed.saved_plan.path) if parsed.saved_plan else "--only")
        is_set = is_set or len(found) > 1
    else:
        is_set = is_set or bool(entries)
    return DeploymentSelection(tuple(found), is_set)


def choose_one(selection: DeploymentSelection, command: str) -> SelectedDeployment:
    """Returns the only deployment, for a command about one. Raises UsageError where more are named."""
    first, *others = selection.deployments
    if not others:
        return first
    names = shortened([deployment.entry or str(deployment.path) for deployment in selection.deployments])
    hint = f"Choose one with --only, such as --only {first.entry}." if first.entry else "Name one of these files."
    raise UsageError(f"`{command}` is about one deployment, and these are named: {names}.", hint)


def _paths(parsed: argparse.Namespace, several: bool) -> Iterator[Path]:
    """Yields every file once, in the order of the command line."""
    missing = [word for word in parsed.configs if not _is_pattern(word) and not is_there(word)]
    if missing and (len(parsed.configs) > 1 or parsed.all):  # the problem of the only file is that of a configuration
        path = Path(missing[0])
        raise UsageError(f"There is no file {missing[0]!r}.", _sentence(what_to_name(path.parent, path.name)))
    for word in filter(is_folder, parsed.configs):
        raise UsageError(f"{word} is a folder, not a configuration.", _instead_of_folder(word, several))
    seen: set[Path] = set()
    for path in (*(path for word in parsed.configs for path in _expand(word, several)), *_files_below(parsed.all)):
        if path.resolve() not in seen:
            seen.add(path.resolve())
            yield path


def _is_pattern(word: str) -> bool:
    return any(character in word for character in _PATTERN) and not is_there(word)


def _expand(word: str, several: bool) -> list[Path]:
    if not _is_pattern(word):
        return [Path(word)]
    import glob  # only patterns need it

    found = sorted(glob.glob(word, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    paths = [Path(name) for name in found if Path(name).is_file()]
    if found and not paths:
        what = f"{word!r} matches folders only, such as {found[0]}."
        raise UsageError(what, _instead_of_folder(found[0], several))
    if not paths:
        raise UsageError(f"No file matches {word!r}.", _sentence(what_to_name(Path(word).parent)))
    return paths


def _instead_of_folder(folder: str, several: bool) -> str:
    """Returns what to name instead of a folder: all of its configurations, or one of them."""
    files = [Path(folder, name) for name in yaml_files_in(Path(folder))]
    files = files or [*islice(_yaml_files_below(Path(folder)), 1)]  # the first one that is found, in a large folder too
    if not files:
        return f"{_NO_YAML_FILES.format(folder)}."
    if several:
        all_of_them = f"--all {shlex.quote(folder)} for every configuration in the folder and below"
        return f"Name a file, such as {files[0]}, or pass {all_of_them}."
    return f"Name a file: {shortened([str(path) for path in files])}."


def _files_below(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        found = sorted(_yaml_files_below(folder))
        if not found and is_folder(folder):
            raise UsageError(f"{_NO_YAML_FILES.format(folder)}.", "Name a folder of configurations after --all.")
        if not found and is_there(folder):
            raise UsageError(f"{folder} is not a folder.", "Name the file without --all.")
        if not found:
            raise UsageError(f"There is no folder {folder}.", "Name a folder of configurations after --all.")
        yield from found


def _yaml_files_below(folder: Path) -> Iterator[Path]:
    """Yields the YAML files in a folder and below. Hidden ones are not for us."""
    for parent, folders_inside, names in os.walk(folder):
        folders_inside[:] = [name for name in folders_inside if not name.startswith(".")]
        yield from (Path(parent, n) for n in names if n.endswith(YAML_SUFFIXES) and not n.startswith("."))


def _sentence(advice: str) -> str:
    """Returns advice about a configuration, which is the end of a line there, as a sentence of its own."""
    return f"{advice[0].upper()}{advice[1:]}."


def _read(path: Path, files: bool, settings: Sequence[str]) -> Iterator[SelectedDeployment]:
    try:
        file = ConfigFile(path, os.environ, files=files, settings=settings)
    except ConfigError as error:
        yield SelectedDeployment(path, None, error=error)
        return
    for name in file.names or (None,):
        yield SelectedDeployment(path, file, name)


def _only(found: Sequence[SelectedDeployment], patterns: Sequence[str], source: str) -> list[SelectedDeployment]:
    """Returns the deployments whose names match one of the patterns. A file without entries has the name in it.

    `source` is where the patterns come from, for messages.

    Raises:
        ConfigError: nothing matches, and a file cannot be read.
        UsageError: nothing matches a pattern.
    """
    names = [deployment.entry or _name_in(deployment) for deployment in found]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            if problems := [problem for d in found if d.error for problem in d.error.problems]:
                raise ConfigError(problems)  # it may be in a file that cannot be read
            near = nearest(pattern, names)
            known = f"The deployments are {shortened([*filter(None, names)])}." if any(names) else "None has a name."
            raise UsageError(
                f"{source}: no deployment is called {pattern!r}.", f'Did you mean "{near}"?' if near else known
            )
    return [
        deployment
        for deployment, name in zip(found, names, strict=True)
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    ]


def _name_in(deployment: SelectedDeployment) -> str:
    return deployment.file.written_name if deployment.file else ""
