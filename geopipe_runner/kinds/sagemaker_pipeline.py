"""The SageMaker pipeline: CreatePipeline, or UpdatePipeline if the definition, role or description differs.

A pipeline that is being deleted counts as absent. Deletion waits for its end, and creation waits for the name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..aws.not_found import ignore_not_found, none_if_not_found
from ..aws.poll import StateTable, TimedOut
from ..aws.retry import EXECUTION_STILL_ENDING, PIPELINE_STILL_GOING, ROLE_NOT_READY
from ..config.model import Config
from ..deployment import Deployment
from ..errors import AwsError
from .base import (
    Artifacts,
    Attributes,
    Change,
    Kind,
    Observed,
    Resource,
    Section,
    our_tags,
    tag_list,
    tag_map,
    touches,
)

if TYPE_CHECKING:
    from ..aws.account import Account
    from ..aws.clients import Aws


_GOING = StateTable("pipeline", frozenset({"Active", "Deleting"}), frozenset({"gone"}), frozenset())
_EVERY = 1.0
_WITHIN = 180.0


@dataclass(frozen=True)
class PipelineSpec:
    name: str
    arn: str
    role_arn: str
    description: str
    definition: Mapping[str, Any]
    tags: Mapping[str, str]


class SageMakerPipeline(Kind[PipelineSpec]):
    """CreatePipeline, UpdatePipeline, AddTags."""

    name = "sagemaker_pipeline"
    label = "pipeline"
    deletion_takes_time = True
    has_executions = True
    serves_executions = True
    shapes_results = True
    paint = "pipeline"
    emulator_pages = "pipelines"
    permissions = (
        "sagemaker:CreatePipeline",
        "sagemaker:DescribePipeline",
        "sagemaker:UpdatePipeline",
        "sagemaker:DeletePipeline",
        "sagemaker:ListTags",
        "sagemaker:AddTags",
        "iam:PassRole",
    )

    def resources(self, deployment: Deployment, artifacts: Artifacts) -> Iterator[Resource]:
        config = deployment.config
        spec = PipelineSpec(
            name=config.pipeline.name,
            arn=deployment.account.arn("sagemaker", f"pipeline/{config.pipeline.name.lower()}"),
            role_arn=deployment.sagemaker_role_arn,
            description=config.pipeline.description,
            definition=artifacts.definition or {},
            tags=deployment.tags,
        )
        roles = ("sagemaker_role", "sagemaker_policy") if config.iam.sagemaker_role.managed else ()
        # Its executions call the function, send to the queue and wait for callbacks. So these are deleted after it.
        deletion_dependencies = (
            *(function.key for function in deployment.functions),
            *(queue.key for queue in deployment.queues if queue.dead_letter),
            *(mapping.key for mapping in deployment.mappings),
        )
        yield Resource(self, "pipeline", spec.name, "pipeline", spec, roles, deletion_dependencies)

    def orphan_from_arn(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.arn("sagemaker", "pipeline/")
        if not arn.startswith(prefix) or "/execution/" in arn:
            return None
        name = arn.removeprefix(prefix)
        spec = PipelineSpec(name, arn, "", "", {}, deployment.tags)
        return Resource(self, f"left-behind-pipeline-{name}", name, "pipeline", spec)

    def sections(self, config: Config) -> Iterator[Section]:
        yield Section("introduction", "Now we can create and execute our pipeline.", block=3)
        yield Section("pipeline", "Setting up the pipeline.", block=4)

    def describe_result(self, resource: Resource, identity: str, result: str) -> str:
        return f"Pipeline set up with ARN {identity} ({result})."

    def arn(self, account: Account, resource: Resource) -> str:
        return str(resource.spec.arn)

    def console_page(self, account: Account, resource: Resource) -> str:
        # Pipelines are shown in Studio only, whose address depends on the user's domain.
        return f"sagemaker/home?region={account.region}#/studio"

    def desired(self, spec: PipelineSpec) -> Attributes:
        return {
            "definition": normalize_definition(spec.definition),
            "role": spec.role_arn,
            "description": spec.description,
            "tags": dict(spec.tags),
        }

    def observe(self, aws: Aws, spec: PipelineSpec) -> Observed | None:
        client = aws.client("sagemaker")
        pipeline = none_if_not_found(lambda: client.describe_pipeline(PipelineName=spec.name))
        if pipeline is None or pipeline.get("PipelineStatus") == "Deleting":
            return None
        tags = tag_map(client.list_tags(ResourceArn=pipeline["PipelineArn"])["Tags"])
        attributes = {
            "definition": normalize_definition(json.loads(pipeline["PipelineDefinition"])),
            "role": pipeline["RoleArn"],
            "description": pipeline.get("PipelineDescription", ""),
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(pipeline["PipelineArn"], attributes, tags)

    def create(self, aws: Aws, spec: PipelineSpec) -> str:
        client = aws.client("sagemaker")

        def make() -> str:
            return create_pipeline(client, spec)

        return aws.retrier.call(PIPELINE_STILL_GOING, lambda: aws.retrier.call(ROLE_NOT_READY, make))

    def update(self, aws: Aws, spec: PipelineSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        client = aws.client("sagemaker")
        if touches(changes, "definition", "role", "description"):
            pipeline = client.describe_pipeline(PipelineName=spec.name)
            # Not documented: whether SageMaker keeps these when they are left out.
            kept = {
                key: pipeline[key] for key in ("PipelineDisplayName", "ParallelismConfiguration") if pipeline.get(key)
            }
            aws.retrier.call(ROLE_NOT_READY, lambda: update_pipeline(client, spec, kept))
        if touches(changes, "tags"):
            client.add_tags(ResourceArn=observed.identity, Tags=tag_list(spec.tags))

    def delete(self, aws: Aws, spec: PipelineSpec, observed: Observed) -> None:
        client = aws.client("sagemaker")
        ignore_not_found(lambda: aws.retrier.call(EXECUTION_STILL_ENDING, lambda: delete_pipeline(client, spec.name)))

    def wait_until_gone(self, aws: Aws, spec: PipelineSpec) -> None:
        client = aws.client("sagemaker")

        def state() -> str:
            pipeline = none_if_not_found(lambda: client.describe_pipeline(PipelineName=spec.name))
            return str(pipeline["PipelineStatus"]) if pipeline else "gone"

        try:
            aws.retrier.poll(state, _GOING.is_final, every=_EVERY, within=_WITHIN)
        except TimedOut as timeout:
            raise AwsError(f"Pipeline {spec.name} is still {timeout.last} after {_WITHIN:.0f} s.") from None


# snippet-start:[python.example_code.sagemaker.CreatePipeline]
def create_pipeline(sagemaker_client: Any, spec: PipelineSpec) -> str:
    """Create the pipeline and return its ARN. SageMaker must be able to assume the role already."""
    response = sagemaker_client.create_pipeline(
        PipelineName=spec.name,
        PipelineDescription=spec.description,
        PipelineDefinition=json.dumps(spec.definition),
        RoleArn=spec.role_arn,
        Tags=[{"Key": key, "Value": value} for key, value in spec.tags.items()],
    )
    return str(response["PipelineArn"])


# snippet-end:[python.example_code.sagemaker.CreatePipeline]


# snippet-start:[python.example_code.sagemaker.UpdatePipeline]
def update_pipeline(sagemaker_client: Any, spec: PipelineSpec, kept: Mapping[str, Any]) -> None:
    """Give an existing pipeline this definition, role and description; running executions keep the old ones.

    `kept` are other settings of the pipeline, which stay as they are.
    """
    sagemaker_client.update_pipeline(
        PipelineName=spec.name,
        PipelineDescription=spec.description,
        PipelineDefinition=json.dumps(spec.definition),
        RoleArn=spec.role_arn,
        **kept,
    )


# snippet-end:[python.example_code.sagemaker.UpdatePipeline]


# snippet-start:[python.example_code.sagemaker.DeletePipeline]
def delete_pipeline(sagemaker_client: Any, name: str) -> None:
    """Delete the pipeline. SageMaker refuses while one of its executions runs."""
    sagemaker_client.delete_pipeline(PipelineName=name)


# snippet-end:[python.example_code.sagemaker.DeletePipeline]


def normalize_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition as a tree by step and parameter name, so that a difference says where it is."""
    tree = dict(definition)
    for section in ("Parameters", "Steps"):
        if tree.get(section):
            tree[section] = {entry["Name"]: _step(entry) for entry in tree[section]}
    return tree


def _step(entry: Mapping[str, Any]) -> dict[str, Any]:
    normal = {key: value for key, value in entry.items() if key != "Name"}
    if normal.get("OutputParameters"):
        normal["OutputParameters"] = {o["OutputName"]: o["OutputType"] for o in normal["OutputParameters"]}
    if normal.get("DependsOn"):
        normal["DependsOn"] = sorted(normal["DependsOn"])
    return normal
