"""Provider `map_rows`: a function of the user's own, `transform(rows)`, which adds columns to each row.

It is in the module that the setting `Transform` names. It gets some rows as a list of mappings from column name to
text. It returns one item for each, in order: a mapping with the result columns, or None for a row that it cannot
process.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from part_rows import csv_text
from providers import WorkContext

READS: Literal["points", "tables"] = "tables"
ROWS_AT_A_TIME = 10_000


def columns(settings: Mapping[str, Any]) -> Sequence[str]:
    return tuple(str(name) for name in settings.get("Columns", ()))


def largest_part(settings: Mapping[str, Any], rows: int) -> int:
    return 0


def invalid(reason: str, settings: Mapping[str, Any]) -> str:
    return csv_text([""] * len(columns(settings)))


def process(rows: Sequence[Mapping[str, str]], work: WorkContext) -> Sequence[str]:
    """Returns the results.

    Raises:
        ValueError: `transform` returned something else than one item for each row.
    """
    names = columns(work.settings)
    module = str(work.settings.get("Transform", ""))
    results = list(importlib.import_module(module).transform(list(rows)))
    if len(results) != len(rows):
        raise ValueError(f"{module}.transform returned {len(results)} items for {len(rows)} rows")
    return [_text(result, names, module) for result in results]


def _text(result: Mapping[str, Any] | None, names: Sequence[str], module: str) -> str:
    if result is None:
        return csv_text([""] * len(names))
    if not isinstance(result, Mapping):
        raise ValueError(f"{module}.transform returned {result!r} for a row; it must be a mapping or None")
    unknown = sorted(set(result) - set(names))
    if unknown:
        raise ValueError(f"{module}.transform returned the column {unknown[0]!r}; job.columns has {', '.join(names)}")
    return csv_text(["" if result.get(name) is None else str(result[name]) for name in names])
