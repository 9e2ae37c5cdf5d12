"""The columns of a reverse geocoded row, as Vector Enrichment Jobs name them."""

from collections.abc import Mapping
from typing import Any

from part_rows import csv_text

VALID = "Valid Data"
NAMES = ("address_number", "country", "label", "municipality", "neighborhood", "postal_code", "region", "status")
ADDRESS_COLUMNS = tuple(f"reverse_geo.{name}" for name in NAMES)


def address_text(address: Mapping[str, Any], status: str = VALID) -> str:
    """Returns the columns as CSV. `address` has the names without `reverse_geo.`; absent ones are empty."""
    return csv_text([address.get(name) or "" for name in NAMES[:-1]] + [status])


def invalid_text(reason: str) -> str:
    """Returns the columns of a row whose point cannot be used."""
    return address_text({}, f"Invalid Data: {reason}")
