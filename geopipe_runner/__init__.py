"""geopipe: reconcile, run and clean up geospatial SageMaker pipelines from one YAML file."""

__version__ = "0.1.0"
