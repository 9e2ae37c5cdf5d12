"""botocore's service models, loaded once per process and shared by the wire protocol, the call ledger and our clients.

Loading models is half the cost of a client, so nothing else in the emulator makes a loader of its own.
"""

from __future__ import annotations

import functools

from botocore.loaders import Loader
from botocore.model import ServiceModel


@functools.cache
def shared_loader() -> Loader:
    return Loader()


@functools.cache
def service_model(name: str) -> ServiceModel:
    """The model in botocore's data folder `name` (not always the SigV4 name)."""
    return ServiceModel(shared_loader().load_service_model(name, "service-2"), name)


def unshared_model(name: str) -> ServiceModel:
    """A copy of its own: botocore's S3 clients rewrite the request paths of the model they were made from."""
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)
