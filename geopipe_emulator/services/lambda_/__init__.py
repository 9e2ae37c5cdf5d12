"""Emulates Lambda: an uploaded zip runs under AWS's own runtime, in its own processes."""

from .api import FunctionsService

__all__ = ["FunctionsService"]
