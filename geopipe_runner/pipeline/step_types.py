"""The step types of SageMaker Pipelines, and what a definition may say in a step of each.

Pure data. The shapes are those of SageMaker's API: the Arguments of a job step are the request that creates the job,
and a Get reads the response that describes it. The SageMaker SDK (2.257 and 3.27) has the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# What every step may have, and what some types have besides.
COMMON_KEYS = (
    "Arguments",
    "CacheConfig",
    "DependsOn",
    "Description",
    "DisplayName",
    "Name",
    "OutputParameters",
    "PropertyFiles",
    "RetryPolicies",
    "Type",
)
_CHECK_KEYS = (
    "CheckType",
    "FailOnViolation",
    "ModelPackageGroupName",
    "RegisterNewBaseline",
    "SkipCheck",
    "SuppliedBaselineConstraints",
    "SuppliedBaselineStatistics",
)


Offline = Literal["emulator", "entry", "process", "none"]


@dataclass(frozen=True)
class StepRules:
    """A step type, as SageMaker checks it.

    - `required` are the members that Arguments need, as a pipeline has them: SageMaker makes the names of jobs itself.
    - `alternatives` are members of which Arguments need one; `is_exclusive` says that they must not have two.
    - `request` is the shape of Arguments; "" where they are free, or where botocore does not know them.
    - `not_taken` are members of the request, at any depth, that SageMaker refuses in a pipeline.
    - `keys` are those of the step, besides the common ones, and `required_keys` those of them that it needs.
    - `has_outputs` says that the step declares OutputParameters, which a Get reads.
    - `response` is the shape that a Get reads, in the model of `service`; "" where it is not known.
    - `entries` are lists of the request whose entries a Get reads by a name: the path, and the member with the name.
    - `properties` can be read as well. Each has a shape, or "" for any value.
    - `offline` says how the emulator runs such steps: by itself, by an entry in `emulator.steps`, by an entry that may
      also run a local process, or not.
    """

    required: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    is_exclusive: bool = False
    request: str = ""
    not_taken: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    required_keys: tuple[str, ...] = ()
    has_outputs: bool = False
    response: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, str] = field(default_factory=dict)
    service: str = "sagemaker"
    offline: Offline = "entry"


_PROCESSING = ("AppSpecification", "ProcessingResources", "RoleArn")

STEP_TYPES: Mapping[str, StepRules] = {
    "AutoML": StepRules(
        required=("InputDataConfig", "OutputDataConfig", "RoleArn"),
        request="CreateAutoMLJobRequest",
        response="DescribeAutoMLJobResponse",
        properties={"BestCandidateProperties": ""},
    ),
    "BedrockCustomModel": StepRules(),
    "BedrockCustomModelDeployment": StepRules(),
    "BedrockModelImport": StepRules(),
    "BedrockProvisionedModelThroughput": StepRules(),
    "Callback": StepRules(keys=("SqsQueueUrl",), has_outputs=True, offline="emulator"),
    "ClarifyCheck": StepRules(
        required=_PROCESSING,
        request="CreateProcessingJobRequest",
        keys=_CHECK_KEYS,
        required_keys=("CheckType",),
        properties={"BaselineUsedForDriftCheckConstraints": "", "CalculatedBaselineConstraints": ""},
    ),
    "Cleanup": StepRules(required=("Resources",), offline="none"),
    "Condition": StepRules(required=("Conditions",), offline="emulator"),
    "EMR": StepRules(
        required=("StepConfig",),
        alternatives=("ClusterConfig", "ClusterId"),
        is_exclusive=True,
        response="Step",
        properties={"ClusterId": ""},
        service="emr",
    ),
    "EMRServerless": StepRules(
        required=("ExecutionRoleArn", "JobConfig"),
        alternatives=("ApplicationConfig", "ApplicationId"),
        is_exclusive=True,
    ),
    "Endpoint": StepRules(
        required=("EndpointConfigName",), request="CreateEndpointInput", response="DescribeEndpointOutput"
    ),
    "EndpointConfig": StepRules(
        required=("ProductionVariants",),
        request="CreateEndpointConfigInput",
        response="DescribeEndpointConfigOutput",
    ),
    "Fail": StepRules(offline="emulator"),
    "ForEach": StepRules(required=("ForEachBody", "IterableItems"), offline="none"),
    "InferenceComponent": StepRules(
        required=("EndpointName",),
        request="CreateInferenceComponentInput",
        response="DescribeInferenceComponentOutput",
    ),
    "Job": StepRules(required=("JobCategory", "JobConfigDocument", "JobConfigSchemaVersion", "RoleArn")),
    "Lambda": StepRules(keys=("FunctionArn",), has_outputs=True, offline="emulator"),
    "Lineage": StepRules(
        properties={"ActionArns": "", "ArtifactArns": "", "Associations": "", "ContextArns": ""},
    ),
    "Model": StepRules(
        required=("ExecutionRoleArn",),
        alternatives=("Containers", "PrimaryContainer"),
        request="CreateModelInput",
        response="DescribeModelOutput",
    ),
    "Processing": StepRules(
        required=_PROCESSING,
        request="CreateProcessingJobRequest",
        response="DescribeProcessingJobResponse",
        entries={"ProcessingInputs": "InputName", "ProcessingOutputConfig.Outputs": "OutputName"},
        offline="process",
    ),
    "QualityCheck": StepRules(
        required=_PROCESSING,
        request="CreateProcessingJobRequest",
        keys=_CHECK_KEYS,
        required_keys=("CheckType",),
        properties={
            "BaselineUsedForDriftCheckConstraints": "",
            "BaselineUsedForDriftCheckStatistics": "",
            "CalculatedBaselineConstraints": "",
            "CalculatedBaselineStatistics": "",
        },
    ),
    "RegisterModel": StepRules(
        required=("InferenceSpecification", "ModelPackageGroupName"),
        request="CreateModelPackageInput",
        # aws/sagemaker-python-sdk 3472 and 4994
        not_taken=("AdditionalModelDataSources", "ModelPackageName"),
        response="DescribeModelPackageOutput",
    ),
    "Training": StepRules(
        required=("OutputDataConfig", "RoleArn"),
        request="CreateTrainingJobRequest",
        response="DescribeTrainingJobResponse",
        entries={"InputDataConfig": "ChannelName"},
        offline="process",
    ),
    "Transform": StepRules(
        required=("ModelName", "TransformInput", "TransformOutput", "TransformResources"),
        request="CreateTransformJobRequest",
        response="DescribeTransformJobResponse",
    ),
    "Tuning": StepRules(
        required=("HyperParameterTuningJobConfig",),
        request="CreateHyperParameterTuningJobRequest",
        response="DescribeHyperParameterTuningJobResponse",
        properties={"TrainingJobSummaries": "HyperParameterTrainingJobSummaries"},
    ),
}


def list_entries(step: Mapping[str, Any], path: str, member: str) -> list[str] | None:
    """Returns the names of the entries in a list of the Arguments; None where they are not all written out.

    A step without the list has no entries: SageMaker adds none.
    """
    value: Any = step.get("Arguments", {})
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else value
    if value is not None and not isinstance(value, list):
        return None
    names = [entry.get(member) if isinstance(entry, dict) else None for entry in value or ()]
    written = [name for name in names if isinstance(name, str)]
    return written if len(written) == len(names) else None
