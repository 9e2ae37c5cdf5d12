"""The EMR and EMRServerless steps. Clusters and applications that the step would create get made-up ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .base import Task
from .job import JobStep, arguments_of


class EmrStep(JobStep):
    name = "EMR"
    required = ("StepConfig",)
    metadata_key = "EMR"
    cached = ("ClusterId", "StepConfig")

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        yield from super().check(body, region)
        arguments = body.get("Arguments", {})
        if (arguments.get("ClusterId") is None) == (arguments.get("ClusterConfig") is None):
            yield "Arguments must have exactly one of ClusterId and ClusterConfig"

    def describe(self, task: Task) -> dict[str, Any]:
        ids = self.metadata(task)[self.metadata_key]
        config = arguments_of(task)["StepConfig"]
        return {
            "ClusterId": ids["ClusterId"],
            "Id": ids["StepId"],
            "Name": ids["StepName"],
            "Config": config.get("HadoopJarStep", {}) if isinstance(config, dict) else {},
            "Status": {"State": "COMPLETED"},
        }

    def metadata(self, task: Task) -> dict[str, Any]:
        suffix = task.job_name.rsplit("-", 1)[-1].upper()
        cluster = arguments_of(task).get("ClusterId") or f"j-{suffix}"
        return {self.metadata_key: {"ClusterId": cluster, "StepId": f"s-{suffix}", "StepName": task.step.name}}


class EmrServerlessStep(JobStep):
    name = "EMRServerless"
    required = ("ExecutionRoleArn", "JobConfig")
    metadata_key = "EMRServerless"
    cached = ("ApplicationId", "JobConfig")

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        yield from super().check(body, region)
        arguments = body.get("Arguments", {})
        if (arguments.get("ApplicationId") is None) == (arguments.get("ApplicationConfig") is None):
            yield "Arguments must have exactly one of ApplicationId and ApplicationConfig"

    def describe(self, task: Task) -> dict[str, Any]:
        ids = self.metadata(task)[self.metadata_key]
        return {
            "ApplicationId": ids["ApplicationId"],
            "JobRunId": ids["JobRunId"],
            "Name": task.step.name,
            "State": "SUCCESS",
        }

    def metadata(self, task: Task) -> dict[str, Any]:
        suffix = task.job_name.rsplit("-", 1)[-1].lower()
        application = arguments_of(task).get("ApplicationId") or f"00{suffix}"
        return {
            self.metadata_key: {"ApplicationId": application, "JobRunId": f"01{suffix}", "JobRunName": task.step.name}
        }
