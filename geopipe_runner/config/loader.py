"""Loads configurations: files -> texts -> one document each -> interpolated -> checked -> `Config`.

All problems are reported together. No AWS call, no import of boto3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import ConfigError
from ..hidden_values import hide
from .builder import build
from .check import check
from .document import Document
from .environment_types import give_types
from .interpolation import Interpolation
from .layers import names_of_deployments, read_layers, select_deployment, with_settings
from .local_files import LocalFiles
from .model import Config
from .rules import FILE_RULES, RULES, check_rules
from .schema import load_schema
from .values import Values


class ConfigFile:
    """One file with all that it extends: a configuration, or one for each entry of its `deployments`."""

    def __init__(self, path: Path, environ: Mapping[str, str], *, files: bool, settings: Sequence[str] = ()) -> None:
        """Read the texts. Without `files`, the files that a configuration names may be missing.

        `settings` are values of the command line, as `key.path=value`. They go before those of the file.

        Raises:
            ConfigError: a text cannot be read, or is no configuration.
        """
        self.path = path
        self._environ = environ
        self._rules = (*RULES, *FILE_RULES) if files else RULES
        self._settings = settings
        self._layers = read_layers(path)
        self.names = names_of_deployments(self._layers)
        """The names of the entries of `deployments`; none for a configuration of one deployment."""

    @property
    def bases(self) -> tuple[Path, ...]:
        """Returns the files that it extends, without links in their paths."""
        return tuple(Path(part.name).resolve() for part in self._layers.parts[1:])

    @property
    def written_name(self) -> str:
        """Returns the `deployment` of a file without entries, as it is written; "" if it is not text."""
        name = self._layers.data.get("deployment")
        return name if isinstance(name, str) else ""

    def load(self, name: str | None = None, files: LocalFiles | None = None) -> Config:
        """Returns the configuration of the entry with that name, or the only one.

        `files` are those of all configurations that are loaded now: what several of them name is read once.

        Raises:
            ConfigError: all problems of the file.
        """
        layers = self._layers if name is None else select_deployment(self._layers, name)
        document, values = _checked(layers, self.path, self._environ, self._settings, files)
        check_rules(document, values, self._rules)
        if document.problems:
            raise ConfigError(document.problems)
        config = replace(build(values, self.path.absolute(), document), entry=name or "")
        hide(config.secrets - config.shown_names)
        return config


def read_values(path: Path, environ: Mapping[str, str], settings: Sequence[str] = ()) -> tuple[Document, Values]:
    """Returns the document, checked against the schema, and its values, which rules read."""
    return _checked(read_layers(path), path, environ, settings)


def _checked(
    layers: Document,
    path: Path,
    environ: Mapping[str, str],
    settings: Sequence[str],
    files: LocalFiles | None = None,
) -> tuple[Document, Values]:
    schema = load_schema()
    document = with_settings(layers, settings, schema)
    interpolation = Interpolation(document, environ)
    interpolation.run()
    give_types(document, schema, interpolation.from_environment)
    check(document, schema, interpolation.depends)
    return document, Values(document, schema, path.absolute().parent, files=files)
