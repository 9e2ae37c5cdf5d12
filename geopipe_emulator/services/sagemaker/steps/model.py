"""The Model and RegisterModel steps: what the service keeps of a trained model."""

from __future__ import annotations

import threading
from typing import Any

from ....service import Environment
from ....state.records import RecordTable
from .base import Task
from .job import JobStep, arguments_of


class ModelStep(JobStep):
    name = "Model"
    operation = "CreateModel"
    required = ("ExecutionRoleArn",)
    resource = "model/{name}"
    metadata_key = "Model"
    name_argument = "ModelName"

    def job_name(self, task: Task) -> str:
        return super().job_name(task).lower()

    def describe(self, task: Task) -> dict[str, Any]:
        return {**arguments_of(task), "ModelName": self.job_name(task), "ModelArn": self.arn(task)}


class RegisterModelStep(JobStep):
    """Creates the next version in a group of model packages. Versions count from 1."""

    name = "RegisterModel"
    operation = "CreateModelPackage"
    required = ("ModelPackageGroupName", "InferenceSpecification")
    # The service refuses these, although its own request has them (aws/sagemaker-python-sdk 3472 and 4994).
    refused = ("ModelPackageName", "AdditionalModelDataSources")
    resource = "model-package/{name}"
    metadata_key = "RegisterModel"

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._versions: dict[str, int] = {}
        self._latest: RecordTable[str, int] = environment.tables.open("model package version")
        self._version_lock = threading.Lock()

    def job_name(self, task: Task) -> str:
        return f"{arguments_of(task)['ModelPackageGroupName']}/{self._version(task)}".lower()

    def _version(self, task: Task) -> int:
        """Return the version of this attempt: the job's name identifies it."""
        group = f"{task.region}/{arguments_of(task)['ModelPackageGroupName']}"
        with self._version_lock:
            if task.job_name not in self._versions:
                self._latest[group] = self._latest.get(group, 0) + 1
                self._versions[task.job_name] = self._latest[group]
            return self._versions[task.job_name]

    def describe(self, task: Task) -> dict[str, Any]:
        return {
            "ModelApprovalStatus": "PendingManualApproval",
            **arguments_of(task),
            "ModelPackageArn": self.arn(task),
            "ModelPackageVersion": self._version(task),
            "ModelPackageStatus": "Completed",
        }
