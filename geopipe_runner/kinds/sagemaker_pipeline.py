"""The SageMaker pipeline: CreatePipeline, or UpdatePipeline where definition, role or description differ.

A pipeline that is being deleted counts as gone: deleting waits until it is, and making one waits for its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..aws.gone import ignore_gone, none_if_gone
from ..aws.polling import StateTable, TimedOut
from ..aws.retry import EXECUTION_STILL_ENDING, PIPELINE_STILL_GOING, ROLE_NOT_READY
from ..errors import AwsError
from .base import (
    Attributes,
    Change,
    Deployment,
    Kind,
    Observed,
    Resource,
    our_tags,
    tag_list,
    tag_map,
    touches,
)

if TYPE_CHECKING:
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

    def resources(self, deployment: Deployment) -> Iterator[Resource]:
        config = deployment.config
        spec = PipelineSpec(
            name=config.pipeline.name,
            arn=deployment.account.arn("sagemaker", f"pipeline/{config.pipeline.name.lower()}"),
            role_arn=deployment.sagemaker_role_arn,
            description=config.pipeline.description,
            definition=deployment.artifacts.definition or {},
            tags=deployment.tags,
        )
        roles = ("sagemaker_role", "sagemaker_policy") if config.iam.sagemaker_role.managed else ()
        # Its executions call the function, send to the queue and wait for what comes back: these may not go before it.
        uses = ("function", "queue", "mapping", "dead_letter_mapping")
        yield Resource(self, "pipeline", spec.name, "pipeline", spec, roles, uses)

    def left_behind(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.arn("sagemaker", "pipeline/")
        if not arn.startswith(prefix) or "/execution/" in arn:
            return None
        name = arn.removeprefix(prefix)
        spec = PipelineSpec(name, arn, "", "", {}, deployment.tags)
        return Resource(self, f"left-behind-pipeline-{name}", name, "pipeline", spec)

    def desired(self, spec: PipelineSpec) -> Attributes:
        return {
            "definition": normalise_definition(spec.definition),
            "role": spec.role_arn,
            "description": spec.description,
            "tags": dict(spec.tags),
        }

    def observe(self, aws: Aws, spec: PipelineSpec) -> Observed | None:
        client = aws.client("sagemaker")
        found = none_if_gone(lambda: client.describe_pipeline(PipelineName=spec.name))
        if found is None or found.get("PipelineStatus") == "Deleting":
            return None
        tags = tag_map(client.list_tags(ResourceArn=found["PipelineArn"])["Tags"])
        attributes = {
            "definition": normalise_definition(json.loads(found["PipelineDefinition"])),
            "role": found["RoleArn"],
            "description": found.get("PipelineDescription", ""),
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(found["PipelineArn"], attributes, tags)

    def create(self, aws: Aws, spec: PipelineSpec) -> str:
        client = aws.client("sagemaker")

        def make() -> str:
            return create_pipeline(client, spec)

        return aws.retrier.call(PIPELINE_STILL_GOING, lambda: aws.retrier.call(ROLE_NOT_READY, make))

    def update(self, aws: Aws, spec: PipelineSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        client = aws.client("sagemaker")
        if touches(changes, "definition", "role", "description"):
            aws.retrier.call(ROLE_NOT_READY, lambda: update_pipeline(client, spec))
        if touches(changes, "tags"):
            client.add_tags(ResourceArn=observed.identity, Tags=tag_list(spec.tags))

    def delete(self, aws: Aws, spec: PipelineSpec, observed: Observed) -> None:
        client = aws.client("sagemaker")
        ignore_gone(lambda: aws.retrier.call(EXECUTION_STILL_ENDING, lambda: delete_pipeline(client, spec.name)))
        _await_gone(aws, spec.name)


# snippet-start:[python.example_code.sagemaker.CreatePipeline]
def create_pipeline(sagemaker_client: Any, spec: PipelineSpec) -> str:
    """Create the pipeline and answer its ARN. SageMaker must be able to take on the role already."""
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
def update_pipeline(sagemaker_client: Any, spec: PipelineSpec) -> None:
    """Give an existing pipeline this definition, role and description; executions under way keep the old ones."""
    sagemaker_client.update_pipeline(
        PipelineName=spec.name,
        PipelineDescription=spec.description,
        PipelineDefinition=json.dumps(spec.definition),
        RoleArn=spec.role_arn,
    )


# snippet-end:[python.example_code.sagemaker.UpdatePipeline]


# snippet-start:[python.example_code.sagemaker.DeletePipeline]
def delete_pipeline(sagemaker_client: Any, name: str) -> None:
    """Delete the pipeline. SageMaker refuses while one of its executions runs."""
    sagemaker_client.delete_pipeline(PipelineName=name)


# snippet-end:[python.example_code.sagemaker.DeletePipeline]


def _await_gone(aws: Aws, name: str) -> None:
    client = aws.client("sagemaker")

    def state() -> str:
        found = none_if_gone(lambda: client.describe_pipeline(PipelineName=name))
        return str(found["PipelineStatus"]) if found else "gone"

    try:
        aws.retrier.poll(state, _GOING.terminal, every=_EVERY, within=_WITHIN)
    except TimedOut as timeout:
        raise AwsError(f"Pipeline {name} is still {timeout.last} after {_WITHIN:.0f} s.") from None


def normalise_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
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
