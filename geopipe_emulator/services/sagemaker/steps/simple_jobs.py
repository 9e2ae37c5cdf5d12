"""Step types whose jobs need no more than a name, an ARN and a line here.

The required arguments are those of the service's requests. The Bedrock requests and that of EMR Serverless are checked
by the services themselves, so nothing is required of them here.
"""

from __future__ import annotations

from typing import Any

from .job import JobStep


def _job(name: str, prefix: str, resource: str, **attributes: Any) -> type[JobStep]:
    """Return a step type. Its attributes are those of JobStep; its metadata key is its name unless it is given."""
    attributes = {"metadata_key": name, **attributes}
    bases = (JobStep,)
    step_type: type[JobStep] = type(
        f"{name}Step", bases, {"name": name, "prefix": prefix, "resource": resource, **attributes}
    )
    return step_type


SIMPLE_JOBS: tuple[type[JobStep], ...] = (
    _job(
        "Transform",
        "TransformJob",
        "transform-job/{name}",
        metadata_key="TransformJob",
        operation="CreateTransformJob",
        required=("ModelName", "TransformInput", "TransformOutput", "TransformResources"),
        cached=("DataProcessing", "Environment", "ModelName", "TransformInput"),
    ),
    _job(
        "EndpointConfig",
        "EndpointConfig",
        "endpoint-config/{name}",
        operation="CreateEndpointConfig",
        required=("ProductionVariants",),
        name_argument="EndpointConfigName",
        cached=("ProductionVariants", "DataCaptureConfig", "AsyncInferenceConfig", "ExplainerConfig"),
    ),
    _job(
        "Endpoint",
        "Endpoint",
        "endpoint/{name}",
        operation="CreateEndpoint",
        required=("EndpointConfigName",),
        name_argument="EndpointName",
        status="InService",
        cached=("EndpointName", "EndpointConfigName"),
    ),
    _job(
        "InferenceComponent",
        "InferenceComponent",
        "inference-component/{name}",
        operation="CreateInferenceComponent",
        required=("EndpointName",),
        name_argument="InferenceComponentName",
        status="InService",
    ),
    _job("BedrockCustomModel", "Job", "model-customization-job/{name}", service="bedrock"),
    _job("BedrockCustomModelDeployment", "CustomModelDeployment", "custom-model-deployment/{name}", service="bedrock"),
    _job("BedrockModelImport", "Job", "model-import-job/{name}", service="bedrock"),
    _job("BedrockProvisionedModelThroughput", "ProvisionedModel", "provisioned-model/{name}", service="bedrock"),
    _job(
        "Job",
        "Job",
        "job/{name}",
        required=("RoleArn", "JobCategory", "JobConfigSchemaVersion", "JobConfigDocument"),
        cached=("JobCategory", "JobConfigSchemaVersion", "JobConfigDocument"),
    ),
)
