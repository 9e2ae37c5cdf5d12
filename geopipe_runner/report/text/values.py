"""The values of a configuration as lines, with their origins to the right."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ...config.origins import ValueWithOrigin

# Longer values do not push the origins of the others to the right.
_WIDEST = 60


def config_lines(values: Sequence[ValueWithOrigin]) -> Iterator[str]:
    """Yield `key: value  # origin`, which is YAML that `--set` takes too."""
    shown = [f"{entry.key}: {_text(entry.value)}" for entry in values]
    width = min(_WIDEST, max(map(len, shown), default=0))
    for text, entry in zip(shown, values, strict=True):
        yield f"{text:<{width}}  # {entry.origin}"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
