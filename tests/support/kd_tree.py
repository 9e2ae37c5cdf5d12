"""The nearest place by a k-d tree: an oracle for the search by cells. It shares nothing with it but the places."""

from __future__ import annotations

from geopipe_gazetteer.gazetteer import DEGREES, Gazetteer, first_place, unit_vector


class KdTree:
    """Searches the tree that lies in `gazetteer.bin`."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self._gazetteer = gazetteer
        self._leaves: dict[int, list[tuple[float, float, float, int]]] = {}

    def nearest(self, latitude: float, longitude: float) -> int:
        """Returns the index of the nearest place; of places equally near, the lowest index."""
        x, y, z = query = unit_vector(latitude, longitude)
        axes, cuts = self._gazetteer.axes, self._gazetteer.cuts
        best, best_index = 9.0, -1
        waiting = [(0.0, 0)]
        while waiting:
            bound, node = waiting.pop()
            if bound > best:
                continue
            while node < len(cuts):
                offset = query[axes[node]] - cuts[node]
                near = 2 * node + (1 if offset < 0 else 2)
                waiting.append((offset * offset, 4 * node + 3 - near))
                node = near
            for px, py, pz, index in self._leaf(node - len(cuts)):
                dx, dy, dz = px - x, py - y, pz - z
                distance = dx * dx + dy * dy + dz * dz
                if distance < best or (distance == best and index < best_index):
                    best, best_index = distance, index
        return best_index

    def _leaf(self, leaf: int) -> list[tuple[float, float, float, int]]:
        if leaf not in self._leaves:
            places = self._gazetteer
            start, end = (first_place(leaf + i, len(places), places.depth) for i in (0, 1))
            self._leaves[leaf] = [
                (*unit_vector(places.latitudes[i] / DEGREES, places.longitudes[i] / DEGREES), i)
                for i in range(start, end)
            ]
        return self._leaves[leaf]
