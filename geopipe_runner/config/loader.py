"""Loads a configuration: files -> texts -> one document -> interpolated -> checked -> `Config`.

All problems are reported together. No AWS call, no import of boto3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import ConfigError
from ..hidden_values import hide
from .builder import build
from .check import check
from .document import Document
from .environment_types import give_types
from .interpolation import Interpolation
from .layers import read_layers
from .model import Config
from .rules import FILE_RULES, RULES, check_rules
from .schema import load_schema
from .values import Values


def load_config(path: Path, environ: Mapping[str, str], files: bool, settings: Sequence[str] = ()) -> Config:
    """Returns the configuration in the file. Without `files`, the files that it names may be missing.

    `settings` are values of the command line, as `key.path=value`. They go before those of the file.

    Raises:
        ConfigError: all problems of the file.
    """
    document, values = read_values(path, environ, settings)
    check_rules(document, values, (*RULES, *FILE_RULES) if files else RULES)
    if document.problems:
        raise ConfigError(document.problems)
    config = build(values, path.absolute(), document)
    hide(config.secrets - config.shown_names)
    return config


def read_values(path: Path, environ: Mapping[str, str], settings: Sequence[str] = ()) -> tuple[Document, Values]:
    """Returns the document, checked against the schema, and its values, which rules read."""
    schema = load_schema()
    document = read_layers(path, settings, schema)
    interpolation = Interpolation(document, environ)
    interpolation.run()
    give_types(document, schema, interpolation.from_environment)
    check(document, schema, interpolation.depends)
    return document, Values(document, schema, path.absolute().parent)
