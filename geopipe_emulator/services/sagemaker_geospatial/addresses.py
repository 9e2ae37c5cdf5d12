"""The address columns that a Vector Enrichment Job adds to a row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from geopipe_gazetteer.gazetteer import NearestPlaces, Place

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


class AddressBook:
    """Returns the address columns of points as CSV text. One per job: it keeps the text of every place it met."""

    def __init__(self, places: NearestPlaces) -> None:
        self._places = places
        self._texts: dict[int, str] = {}

    def addresses(self, points: Iterable[tuple[float, float]]) -> list[str]:
        """Returns the columns of each point (latitude, longitude; in degrees), in order."""
        texts, learn = self._texts, self._learn
        return [texts.get(index) or learn(index) for index in self._places.nearest_of_each(points)]

    def _learn(self, index: int) -> str:
        text = self._texts[index] = csv_text(address_of(self._places.gazetteer.place(index)))
        return text


def address_of(place: Place) -> list[str]:
    """Returns the columns of a valid row. GeoNames knows no streets, neighborhoods or postal codes: those are empty."""
    return ["", place.country, place.label, place.name, "", "", place.region, VALID]


def no_address(reason: str) -> str:
    """Returns the columns of a row whose point cannot be used."""
    return csv_text([*[""] * (len(ADDRESS_COLUMNS) - 1), f"Invalid Data: {reason}"])


def csv_text(cells: Sequence[str]) -> str:
    """Returns cells as CSV without a line end.

    The writer is asked for CR LF and loses it again: asked for a line feed, some versions of Python leave a CR in a
    cell unquoted, which breaks the row.
    """
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator="\r\n").writerow(cells)
    return sink.getvalue()[:-2]
