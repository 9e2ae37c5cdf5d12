"""botocore's service models, loaded once per process and shared by the wire protocols, the gateway and our clients.

Loading models is half the cost of a client, so nothing else in the emulator has a loader of its own.
"""

from __future__ import annotations

import functools

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from geopipe_models import model_loader


@functools.cache
def shared_loader() -> Loader:
    """Returns the one loader of this process."""
    loader: Loader = model_loader()
    return loader


@functools.cache
def service_model(name: str) -> ServiceModel:
    """Returns the model in botocore's data folder `name`, which is not always the signing name."""
    return ServiceModel(shared_loader().load_service_model(name, "service-2"), name)


def unshared_model(name: str) -> ServiceModel:
    """Returns a copy: botocore's S3 clients rewrite the request paths of their model."""
    return ServiceModel(model_loader().load_service_model(name, "service-2"), name)


def rest_model(service: str) -> ServiceModel | None:
    """Returns the model of a service whose requests name operations by their paths; None for any other."""
    if service == "s3":
        return unshared_model(service)
    try:
        model = service_model(service)
    except UnknownServiceError:
        return None
    return model if model.metadata["protocol"].startswith("rest-") else None


def has_operation(service: str, operation: str) -> bool | None:
    """Whether the AWS service has an operation that a request names.

    None where requests name none, as in REST protocols, and where botocore has no model under the signing name.
    """
    model = find_model(service)
    if model is None or model.metadata["protocol"].startswith("rest-"):
        return None
    return operation in model.operation_names


def find_model(service: str) -> ServiceModel | None:
    """Returns the model of the service with this signing name; None where botocore has none under that name."""
    try:
        return service_model(service)
    except UnknownServiceError:
        return None
