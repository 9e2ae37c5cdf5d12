"""SageMaker Pipelines: definitions are checked, executions really run, step by step."""

from .api import PipelinesService

__all__ = ["PipelinesService"]
