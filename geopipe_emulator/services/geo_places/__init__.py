"""Amazon Location Places: reverse geocoding with GeoNames data."""

from .api import PlacesService

__all__ = ["PlacesService"]
