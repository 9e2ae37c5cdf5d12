"""The bytes of `gazetteer.bin`: what the builder writes and the reader expects, in one place.

Places lie in the order of the leaves of a balanced k-d tree over the unit sphere, so that leaf boundaries follow from
the counts alone and a leaf's names lie together. Coordinates are degrees × 100,000 (GeoNames gives five decimals);
unit vectors are computed when read, which keeps the file small and loading quick.

All numbers are little-endian. After the header come, without padding: latitude and longitude of each place (int32),
its division's row (uint16), the names' start for each leaf (uint32), the cut of each inner node (float64) and its axis
(uint8), the divisions ("country ISO-3 <tab> region" lines) and the names (one a line).
"""

from __future__ import annotations

import math
import struct

MAGIC = b"geoplace"
VERSION = 1
HEADER = struct.Struct("<8sHHIII")
"""Magic, version, depth of the tree, places, bytes of divisions, bytes of names."""

DEGREES = 100_000
"""Stored coordinate units per degree."""

Vector = tuple[float, float, float]


def unit_vector(latitude: float, longitude: float) -> Vector:
    """The point of the unit sphere at these degrees: whoever is nearest in a straight line is so by great circle."""
    phi, theta = math.radians(latitude), math.radians(longitude)
    across = math.cos(phi)
    return across * math.cos(theta), across * math.sin(theta), math.sin(phi)


def first_place(leaf: int, places: int, depth: int) -> int:
    """The index of the first place of `leaf`, in a tree of 2**depth leaves that differ by at most one place."""
    return (leaf * places) >> depth


def leaf_of(place: int, places: int, depth: int) -> int:
    """The leaf that holds `place`: the inverse of `first_place`."""
    return (((place + 1) << depth) - 1) // places
