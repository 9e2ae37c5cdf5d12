"""The same nearest place for many points at once, with numpy and scipy.

Importing them costs more than searching tens of thousands of points without them, so only large inputs come here. It
answers exactly as `Gazetteer.nearest` does: a point whose two nearest places are too close to call is asked there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from .gazetteer import Gazetteer
from .layout import DEGREES

Vectors = npt.NDArray[np.float64]

TOO_CLOSE = 1e-9
"""Difference of two distances (in radii of the Earth: 6 mm) far above rounding, far below a real difference."""


class BulkSearch:
    """A k-d tree over every place's unit vector."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self._gazetteer = gazetteer
        latitudes = np.array(gazetteer.latitudes, dtype=np.float64) / DEGREES
        longitudes = np.array(gazetteer.longitudes, dtype=np.float64) / DEGREES
        self._tree = cKDTree(unit_vectors(latitudes, longitudes))

    def nearest(self, latitudes: Sequence[float], longitudes: Sequence[float]) -> list[int]:
        """The index of the nearest place of each point, in the order of the points."""
        vectors = unit_vectors(np.array(latitudes, dtype=np.float64), np.array(longitudes, dtype=np.float64))
        distances, indices = self._tree.query(vectors, k=2, workers=-1)
        found: list[int] = indices[:, 0].tolist()
        for point in np.flatnonzero(distances[:, 1] - distances[:, 0] < TOO_CLOSE).tolist():
            found[point] = self._gazetteer.nearest(latitudes[point], longitudes[point])
        return found


def unit_vectors(latitudes: Vectors, longitudes: Vectors) -> Vectors:
    """`layout.unit_vector` of each pair, as rows."""
    phi, theta = np.radians(latitudes), np.radians(longitudes)
    across = np.cos(phi)
    return np.column_stack((across * np.cos(theta), across * np.sin(theta), np.sin(phi)))
