"""Who can process the rows of a part: one module each, chosen by the setting `Provider`.

A provider module has

    READS                        "points" for rows as (latitude, longitude), "tables" for rows as mappings from column
                                 name to text
    ROWS_AT_A_TIME               how many rows it gets at a time
    columns(settings)            the names of the result columns
    largest_part(settings, rows) the rows of the largest part it wants of an input with about `rows`; 0 for any number
    process(rows, work)          the results of some rows, in order: each is the text of the result columns as CSV
    invalid(reason, settings)    the result columns of a row whose point cannot be used
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

_MODULES = {
    "gazetteer": "gazetteer_provider",
    "amazon_location": "amazon_location",
    "map_rows": "map_rows",
}


class WorkContext(Protocol):
    """What a provider gets besides the rows."""

    settings: Mapping[str, Any]
    known: dict[str, str]
    """What the provider may keep from one call to the next, also when another worker continues the part."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class Provider(Protocol):
    """A module that processes rows."""

    READS: Literal["points", "tables"]
    ROWS_AT_A_TIME: int

    def columns(self, settings: Mapping[str, Any]) -> Sequence[str]: ...

    def largest_part(self, settings: Mapping[str, Any], rows: int) -> int: ...

    def process(self, rows: Sequence[Any], work: WorkContext) -> Sequence[str]: ...

    def invalid(self, reason: str, settings: Mapping[str, Any]) -> str: ...


class ProviderRefusedError(Exception):
    """The provider refuses this account or request for good: no other part would succeed either."""


def provider_of(settings: Mapping[str, Any]) -> Provider:
    """Returns the provider that the settings name.

    Raises:
        ValueError: there is no such provider.
    """
    name = str(settings.get("Provider", ""))
    if name not in _MODULES:
        raise ValueError(f"Provider is {name!r}; known are {', '.join(_MODULES)}")
    provider: Any = importlib.import_module(_MODULES[name])
    chosen: Provider = provider
    return chosen
