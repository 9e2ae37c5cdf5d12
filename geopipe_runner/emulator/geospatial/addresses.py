"""From points to the address columns of the output, whichever search suits the number of points.

This is where large inputs leave the standard library: numpy and scipy are imported for those alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .gazetteer import Gazetteer, Place

if TYPE_CHECKING:
    from .bulk_search import BulkSearch

VALID = "Valid Data"
ADDRESS_COLUMNS = tuple(
    f"reverse_geo.{name}"
    for name in (
        "address_number",
        "country",
        "label",
        "municipality",
        "neighborhood",
        "postal_code",
        "region",
        "status",
    )
)
BULK_FROM = 20_000
"""Points at once from which importing numpy and scipy (0.4 to 0.7 s) pays: without them a point takes 13 to 60 µs."""


class AddressBook:
    """Looks points up in a gazetteer. One per job: it keeps the address of every place it met."""

    def __init__(self, gazetteer: Gazetteer, bulk_from: int = BULK_FROM) -> None:
        self._gazetteer = gazetteer
        self._bulk_from = bulk_from
        self._bulk: BulkSearch | None = None
        self._known: dict[int, list[str]] = {}

    def addresses(self, latitudes: Sequence[float], longitudes: Sequence[float]) -> list[list[str]]:
        """The address columns of each point, in order. Equal points share a list: do not change it."""
        return [self._known.get(index) or self._learn(index) for index in self._nearest(latitudes, longitudes)]

    def _nearest(self, latitudes: Sequence[float], longitudes: Sequence[float]) -> list[int]:
        if len(latitudes) < self._bulk_from:
            return [self._gazetteer.nearest(*point) for point in zip(latitudes, longitudes, strict=True)]
        if self._bulk is None:
            from .bulk_search import BulkSearch

            self._bulk = BulkSearch(self._gazetteer)
        return self._bulk.nearest(latitudes, longitudes)

    def _learn(self, index: int) -> list[str]:
        address = self._known[index] = address_of(self._gazetteer.place(index))
        return address


def address_of(place: Place) -> list[str]:
    """The columns of a good row. GeoNames knows no streets, neighborhoods or postal codes: those stay empty."""
    label = ", ".join(part for part in (place.name, place.region, place.country) if part)
    return ["", place.country, label, place.name, "", "", place.region, VALID]


def no_address(reason: str) -> list[str]:
    """The columns of a row whose point cannot be used."""
    return [*[""] * (len(ADDRESS_COLUMNS) - 1), f"Invalid Data: {reason}"]
