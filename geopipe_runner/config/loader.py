"""The way of a configuration: file -> text -> document -> interpolated -> checked -> `Config`.

Every problem that can be found is found in one go. No AWS call, no import of boto3.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import ConfigError
from .builder import build
from .check import check
from .document import Document
from .interpolation import Interpolation
from .model import Config
from .parser import parse
from .rules import FILE_RULES, RULES, check_rules
from .schema import load_schema
from .source import read_text
from .values import Values


def load_config(path: Path, environ: Mapping[str, str], files: bool) -> Config:
    """The configuration in the file, or a ConfigError with all that is wrong with it.

    Without `files`, those it names need not be there.
    """
    document, values = read_values(path, environ)
    check_rules(document, values, (*RULES, *FILE_RULES) if files else RULES)
    if document.problems:
        raise ConfigError(document.problems)
    return build(values, path.absolute(), document)


def read_values(path: Path, environ: Mapping[str, str]) -> tuple[Document, Values]:
    """The document, checked against the schema, and its values, for rules to look at."""
    name = str(path)
    document = parse(name, read_text(path, name))
    schema = load_schema()
    interpolation = Interpolation(document, environ)
    interpolation.run()
    check(document, schema, interpolation.depends)
    return document, Values(document, schema, path.absolute().parent)
