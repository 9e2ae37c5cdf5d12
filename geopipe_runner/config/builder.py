"""Makes the frozen `Config` out of values that have passed every check. It decides nothing but forms."""

from __future__ import annotations

from pathlib import Path

from . import model
from .aws_rules import role_name
from .document import Document
from .file_rules import split_s3_uri
from .values import Values


def build(values: Values, path: Path, document: Document) -> model.Config:
    """The configuration that `document`, read from `path`, comes to."""
    endpoint = values["endpoint"]
    cleanup = values["cleanup"]
    return model.Config(
        path=path,
        deployment=values["deployment"],
        target=values["target"],
        endpoint=endpoint.rstrip("/") if endpoint else None,
        region=values["region"],
        account_id=values["account_id"],
        profile=values["profile"],
        assume_role=model.AssumeRole(**values["assume_role"]) if values["assume_role"] else None,
        tags=values["tags"],
        iam=_iam(values),
        queue=_queue(values),
        bucket=model.BucketConfig(**values["bucket"]),
        function=_function(values),
        pipeline=model.PipelineConfig(**{**values["pipeline"], "template": values.path("pipeline.template")}),
        job=model.JobConfig(**values["job"]),
        input=model.InputConfig(source=_source(values), prefix=values["input.prefix"]),
        output=_output(values),
        execution=_execution(values),
        cleanup=tuple(cleanup) if isinstance(cleanup, list) else cleanup,
        emulator=model.EmulatorConfig(**values["emulator"]),
        document=document,
    )


def _iam(values: Values) -> model.IamConfig:
    return model.IamConfig(
        scope=values["iam.scope"],
        permissions_boundary=values["iam.permissions_boundary"],
        lambda_role=_role(values["iam.lambda_role"]),
        sagemaker_role=_role(values["iam.sagemaker_role"]),
        propagation_timeout=float(values["iam.propagation_timeout"]),
    )


def _role(given: str) -> model.RoleConfig:
    by_arn = given.startswith("arn:")
    return model.RoleConfig(name=role_name(given), arn=given if by_arn else None, managed=not by_arn)


def _queue(values: Values) -> model.QueueConfig:
    return model.QueueConfig(
        name=values["queue.name"],
        dead_letter_name=values["queue.dead_letter_name"] or f"{values['queue.name']}-dlq",
        visibility_timeout=int(values["queue.visibility_timeout"]),
        max_receive_count=int(values["queue.max_receive_count"]),
    )


def _function(values: Values) -> model.FunctionConfig:
    numbers = {
        name: int(values[f"function.{name}"]) for name in ("timeout", "memory", "log_retention_days", "batch_size")
    }
    statements = tuple(values["function.policy_statements"])
    source = values.path("function.source")
    return model.FunctionConfig(**{**values["function"], **numbers, "source": source, "policy_statements": statements})


def _source(values: Values) -> Path | model.S3Location:
    location = split_s3_uri(values["input.source"])
    return model.S3Location(*location) if location else values.path("input.source")


def _output(values: Values) -> model.OutputConfig:
    return model.OutputConfig(prefix=values["output.prefix"], preview_rows=int(values["output.preview_rows"]))


def _execution(values: Values) -> model.ExecutionConfig:
    return model.ExecutionConfig(
        poll_interval=float(values["execution.poll_interval"]),
        timeout=float(values["execution.timeout"]),
        callback_deadline=int(values["execution.callback_deadline"]),
    )
