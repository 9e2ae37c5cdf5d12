"""SageMaker geospatial: vector enrichment jobs that reverse geocode CSV files for real, from GeoNames data."""

from .api import GeospatialService

__all__ = ["GeospatialService"]
