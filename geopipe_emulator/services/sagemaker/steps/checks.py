"""The QualityCheck and ClarifyCheck steps: a processing job that computes baselines and compares with older ones.

The developer guide says that baselines are always calculated, and that RegisterNewBaseline makes them those used for
drift checks. Otherwise the supplied ones are used. The names of the files are those of Model Monitor and Clarify.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..paths import PathError, find
from .base import Task
from .processing import ProcessingStep

_FIELDS = ("CheckType", "SkipCheck", "RegisterNewBaseline", "ModelPackageGroupName")


class _CheckStep(ProcessingStep):
    # What is compared, by the member that names it, and the file that the job writes.
    baselines: ClassVar[dict[str, str]]
    required_fields = ("CheckType",)
    job_variable = ""
    can_run = False

    def describe(self, task: Task) -> dict[str, Any]:
        return {**super().describe(task), **self._baselines(task)}

    def metadata(self, task: Task) -> dict[str, Any]:
        fields = {key: task.body[key] for key in _FIELDS if task.body.get(key) is not None}
        return {self.metadata_key: {**fields, **self._baselines(task), "CheckJobArn": self.arn(task)}}

    def _baselines(self, task: Task) -> dict[str, Any]:
        registers = task.body.get("RegisterNewBaseline") is True
        used: dict[str, Any] = {}
        for what, file in self.baselines.items():
            calculated = f"{_first_output(task)}/{file}"
            supplied = task.body.get(f"SuppliedBaseline{what}")
            used[f"CalculatedBaseline{what}"] = calculated
            used[f"BaselineUsedForDriftCheck{what}"] = calculated if registers or not supplied else supplied
        return used


class QualityCheckStep(_CheckStep):
    name = "QualityCheck"
    metadata_key = "QualityCheck"
    baselines: ClassVar[dict[str, str]] = {"Constraints": "constraints.json", "Statistics": "statistics.json"}
    cached_fields = (*_FIELDS, "SuppliedBaselineConstraints", "SuppliedBaselineStatistics")


class ClarifyCheckStep(_CheckStep):
    name = "ClarifyCheck"
    metadata_key = "ClarifyCheck"
    baselines: ClassVar[dict[str, str]] = {"Constraints": "analysis.json"}
    cached_fields = (*_FIELDS, "SuppliedBaselineConstraints")


def _first_output(task: Task) -> str:
    try:
        path = ("Arguments", "ProcessingOutputConfig", "Outputs", 0, "S3Output", "S3Uri")
        return str(find(task.body, path)).rstrip("/")
    except PathError:
        return ""
