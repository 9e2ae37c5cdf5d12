"""Which columns a job reads, and what to say when the header does not have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from .text_format import UnusableInputError

_LONGITUDES = ("longitude", "lon", "lng", "long", "x", "xcoord", "x_coord", "coord_x", "point_x", "lon_dd", "longitud")
_LATITUDES = ("latitude", "lat", "y", "ycoord", "y_coord", "coord_y", "point_y", "lat_dd", "latitud")
_MOST_NAMES = 12


@dataclass(frozen=True)
class Columns:
    """The names of the columns that the job reads, as the configuration has them."""

    longitude: str
    latitude: str
    others: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By configuration key: columns without coordinates."""

    @property
    def names(self) -> tuple[str, str]:
        return self.longitude, self.latitude

    def find(self, file: str, header: list[str], following: list[tuple[int, list[str]]]) -> tuple[int, int]:
        """Returns the positions of the two columns of coordinates.

        Blanks around a name in the header do not count. `following` are the next records with their line numbers.

        Raises:
            UnusableInputError: a column is missing, or there is more than one of it.
        """
        stripped = [column.strip() for column in header]
        keys = {"job.longitude_column": self.longitude.strip(), "job.latitude_column": self.latitude.strip()}
        keys |= {key: name.strip() for key, name in self.others.items()}
        for key, name in keys.items():
            if stripped.count(name) > 1:
                what = f"{file} has {stripped.count(name)} columns named {name!r}"
                raise UnusableInputError(what, "rename all but one of them", key)
        missing = [key for key, name in keys.items() if name not in stripped]
        if missing:
            names = " and ".join(repr(keys[key]) for key in missing)
            shown = ", ".join(repr(column) for column in header[:_MOST_NAMES])
            more = f" and {len(header) - _MOST_NAMES} more" if len(header) > _MOST_NAMES else ""
            what = (
                f"{file} has no column{'s' if len(missing) > 1 else ''} {names}, so the job would fail; "
                f"it has {shown}{more}"
            )
            raise UnusableInputError(what, self._advice(missing, stripped, following), missing[0])
        return stripped.index(keys["job.longitude_column"]), stripped.index(keys["job.latitude_column"])

    def _advice(self, missing: list[str], header: list[str], following: list[tuple[int, list[str]]]) -> str:
        for line, record in following:
            if {name.strip() for name in self.names} <= {cell.strip() for cell in record}:
                return f"the column names are in line {line}: delete the lines above it"
        if header and all(_is_number(column) for column in header[:2]):
            return "the first line holds values: add a header line with column names"
        by_key = {
            "job.longitude_column": (self.longitude, _LONGITUDES),
            "job.latitude_column": (self.latitude, _LATITUDES),
        }
        similar = {key: _similar(name, header, usual) for key, (name, usual) in by_key.items() if key in missing}
        settings = {key: name for key, name in similar.items() if name}
        if settings:
            names = " and ".join(map(repr, settings.values()))
            return f"did you mean {names}? Set {' and '.join(f'{key}: {name}' for key, name in settings.items())}"
        return f"set {' and '.join(missing)} to columns that it has"


def _similar(name: str, columns: list[str], usual: tuple[str, ...]) -> str:
    by_lower_case = {column.casefold(): column for column in reversed(columns)}
    close = get_close_matches(name.casefold(), list(by_lower_case), 1, cutoff=0.8)
    for candidate in (name.strip().casefold(), *usual, *close):
        if candidate in by_lower_case:
            return by_lower_case[candidate]
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
