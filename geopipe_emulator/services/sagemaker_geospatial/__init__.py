"""SageMaker geospatial: vector enrichment jobs that reverse geocode CSV files with GeoNames data."""

from .api import GeospatialService

__all__ = ["GeospatialService"]
