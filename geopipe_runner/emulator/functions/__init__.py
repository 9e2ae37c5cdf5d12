"""Lambda, emulated: the zip a caller uploads runs under AWS's own runtime, in processes of its own."""

from .api import FunctionsService

__all__ = ["FunctionsService"]
