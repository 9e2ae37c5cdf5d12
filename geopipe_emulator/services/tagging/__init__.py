"""The Resource Groups Tagging API: lists the resources of the account with their tags, which the services know."""

from .api import TaggingService

__all__ = ["TaggingService"]
