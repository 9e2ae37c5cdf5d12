"""The Resource Groups Tagging API: what in this account carries which tags, asked of the services themselves."""

from .api import TaggingService

__all__ = ["TaggingService"]
