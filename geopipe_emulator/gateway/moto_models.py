"""Lets moto read the short models of the services that it serves, and each file once.

moto makes a loader for each service, and another one to ask botocore for the regions of each. Every loader of botocore
searches the folders of all services first.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.core import base_backend, loaders, utils

from geopipe_models import ShortModels

from ..clients import isolated_session


class _MotoModelLoader(ShortModels, loaders.Loader):  # type: ignore[misc]  # moto has no types here
    """moto's loader, which adds its own extras to a model, with short models."""

    def other_services(self) -> Any:
        return loaders.create_loader()


@functools.cache
def _short_loader() -> _MotoModelLoader:
    return _MotoModelLoader([loaders.moto_root])


def use_short_models() -> None:
    """Make them moto's in this process."""
    utils.create_loader = _short_loader
    session = functools.cache(isolated_session)
    base_backend.AccountSpecificBackend.get_session = staticmethod(session)
