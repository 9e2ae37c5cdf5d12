"""The Processing step: a container that reads files below /opt/ml/processing and writes its outputs there."""

from __future__ import annotations

from ....step_answers import StepAnswer
from .base import Activity, Task
from .job import JobStep


class ProcessingStep(JobStep):
    name = "Processing"
    operation = "CreateProcessingJob"
    required = ("ProcessingResources", "AppSpecification", "RoleArn")
    resource = "processing-job/{name}"
    prefix = "ProcessingJob"
    metadata_key = "ProcessingJob"
    job_variable = "ProcessingJobName"
    cached = ("AppSpecification", "Environment", "ProcessingInputs")
    can_run = True

    def open_job(self, task: Task, answer: StepAnswer) -> Activity:
        if not answer.run:
            return super().open_job(task, answer)
        # Imported only now: most emulators run no such job.
        from ..containers.processing import ProcessingContract

        return self.open_container(ProcessingContract(task, self.job_name(task), self.arn(task)), answer)
