"""The Tuning step. Its properties have the best training jobs too, which AWS lists with the best one first."""

from __future__ import annotations

from typing import Any

from ..paths import PathError, find, parse_path
from .base import Task
from .job import JobStep, arguments_of

# The service lists this many training jobs at most.
_LISTED = 50


class TuningStep(JobStep):
    name = "Tuning"
    operation = "CreateHyperParameterTuningJob"
    required = ("HyperParameterTuningJobConfig",)
    resource = "hyper-parameter-tuning-job/{name}"
    prefix = "HyperParameterTuningJob"
    metadata_key = "TuningJob"
    cached = (
        "HyperParameterTuningJobConfig",
        "TrainingJobDefinition.AlgorithmSpecification",
        "TrainingJobDefinition.HyperParameterRanges",
        "TrainingJobDefinition.InputDataConfig",
        "TrainingJobDefinition.StaticHyperParameters",
        "TrainingJobDefinition.TuningObjective",
        "TrainingJobDefinitions",
    )

    def describe(self, task: Task) -> dict[str, Any]:
        jobs = [self._training_job(task, number) for number in range(1, _job_count(task) + 1)]
        return {**super().describe(task), "BestTrainingJob": jobs[0], "TrainingJobSummaries": jobs}

    def _training_job(self, task: Task, number: int) -> dict[str, Any]:
        name = f"{self.job_name(task)}-{number:03d}"
        partition, _, region, account = self.arn(task).split(":")[1:5]
        return {
            "TrainingJobName": name,
            "TrainingJobArn": f"arn:{partition}:sagemaker:{region}:{account}:training-job/{name}",
            "TrainingJobStatus": "Completed",
        }


def _job_count(task: Task) -> int:
    path = parse_path("HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs")
    try:
        count = int(find(arguments_of(task), path))
    except (PathError, ValueError, TypeError):
        count = 1
    return max(1, min(count, _LISTED))
