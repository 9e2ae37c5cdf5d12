"""The container of a processing job, as the developer guide describes it.

The guide says: inputs and outputs are below /opt/ml/processing, the request is in /opt/ml/config, and the first
kilobyte of /opt/ml/output/message becomes the ExitMessage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ....step_answers import StepAnswer
from .activity import Contract, JobError, JobInput, JobOutput
from .folder import JobFolder

_MESSAGE = "/opt/ml/output/message"
_MESSAGE_LIMIT = 1024


class ProcessingContract(Contract):
    log_group = "/aws/sagemaker/ProcessingJobs"

    def inputs(self, stand_ins: Mapping[str, Path]) -> Iterator[JobInput]:
        for entry in self.arguments.get("ProcessingInputs") or ():
            name = str(entry.get("InputName"))
            source = entry.get("S3Input")
            if isinstance(source, dict):
                yield JobInput(name, str(source.get("S3Uri")), str(source.get("LocalPath", "/opt/ml/processing")))
            elif name in stand_ins and isinstance(dataset := entry.get("DatasetDefinition"), dict):
                yield JobInput(name, "", str(dataset.get("LocalPath", "/opt/ml/processing")))
            else:
                raise JobError(f"input '{name}' does not come from S3; name a stand-in for it in `inputs`")

    def files(self) -> Iterator[tuple[str, object]]:
        request = self.task.body.get("Arguments", {})
        named = {"ProcessingJobArn": self.job_arn, "ProcessingJobName": self.job_name}
        yield "/opt/ml/config/processingjobconfig.json", {**request, **named}
        yield "/opt/ml/config/resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]}

    def folders(self) -> Iterator[str]:
        yield "/opt/ml/output"
        yield "/opt/ml/processing"
        yield from (output.path for output in self._declared_outputs())

    def variables(self, folder: JobFolder, answer: StepAnswer) -> dict[str, str]:
        given = self.arguments.get("Environment") or {}
        return {"PROCESSING_JOB_ARN": self.job_arn, **{name: str(value) for name, value in given.items()}}

    def extra_arguments(self) -> list[str]:
        """Return ContainerArguments: the script that `run` names takes them as it does on AWS."""
        given = (self.arguments.get("AppSpecification") or {}).get("ContainerArguments")
        return [str(word) for word in given or ()]

    def outputs(self, folder: JobFolder) -> Iterator[JobOutput]:
        yield from self._declared_outputs()

    def failure_file(self) -> str:
        return ""

    def describe(self, folder: JobFolder) -> dict[str, Any]:
        message = folder.real(_MESSAGE)
        if not message.is_file():
            return {}
        return {"ExitMessage": message.read_bytes()[:_MESSAGE_LIMIT].decode("utf-8", "replace")}

    def _declared_outputs(self) -> Iterator[JobOutput]:
        config = self.arguments.get("ProcessingOutputConfig") or {}
        for entry in config.get("Outputs") or ():
            target = entry.get("S3Output")
            if not isinstance(target, dict):
                raise JobError(f"output '{entry.get('OutputName')}' does not go to S3, which a local process cannot do")
            yield JobOutput(str(target.get("LocalPath")), str(target.get("S3Uri")))
