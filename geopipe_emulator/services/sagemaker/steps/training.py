"""The Training step: a container that reads channels of data and leaves a model."""

from __future__ import annotations

from typing import Any

from ....step_answers import StepAnswer
from .base import Activity, Task
from .job import JobStep, arguments_of


class TrainingStep(JobStep):
    name = "Training"
    operation = "CreateTrainingJob"
    required = ("RoleArn", "OutputDataConfig")
    resource = "training-job/{name}"
    prefix = "TrainingJob"
    metadata_key = "TrainingJob"
    job_variable = "TrainingJobName"
    can_run = True
    cached = (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    )

    def open_job(self, task: Task, answer: StepAnswer) -> Activity:
        if not answer.run:
            return super().open_job(task, answer)
        # Imported only now: most emulators run no such job.
        from ..containers.training import TrainingContract

        return self.open_container(TrainingContract(task, self.job_name(task), self.arn(task)), answer)

    def describe(self, task: Task) -> dict[str, Any]:
        model = f"{output_path(task)}/{self.job_name(task)}/output/model.tar.gz"
        return {
            **super().describe(task),
            "SecondaryStatus": "Completed",
            "ModelArtifacts": {"S3ModelArtifacts": model},
        }


def output_path(task: Task) -> str:
    """Return the S3 URI below which a training job leaves its results, without a slash at the end."""
    output = arguments_of(task).get("OutputDataConfig")
    return str(output.get("S3OutputPath", "") if isinstance(output, dict) else "").rstrip("/")
