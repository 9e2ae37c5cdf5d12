"""The pipeline's two Lambda steps: start a job, export its results.

Each returns flat strings, exactly the outputs that the pipeline declares. Waiting for a job is the callbacks' work;
the one wait here ends as soon as an export shows, which is what lets a callback tell an export from a finished job.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import payloads
from faults import AwsError, Fault, fault_of
from invocation import Invocation
from jobs import ExportRequest, JobFamily, Phase, StartRequest, job_arn, region_of

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0

_Answer = TypeVar("_Answer")


# snippet-start:[python.example_code.sagemaker.LambdaSteps]
def start_job(family: JobFamily, fields: Mapping[str, Any], invocation: Invocation) -> dict[str, str]:
    """Start the job that the event describes."""
    request = StartRequest(
        name=payloads.text(fields, family.key("name")),
        role=payloads.text(fields, "role"),
        job_config=payloads.job_config(fields, family.key("config")),
        input_config=payloads.input_config(fields, family.key("input_config")),
        client_token=_client_token(fields, "start", invocation),
    )
    client = invocation.client(family.service, region_of(fields))
    arn = _insist(lambda: family.start(client, request), f"starting the {family.title}", invocation)
    return _outputs(family, arn, "job started", invocation)


def export_job(family: JobFamily, fields: Mapping[str, Any], invocation: Invocation) -> dict[str, str]:
    """Start the export of a finished job's results, and see it begun."""
    arn = job_arn(family, fields)
    request = ExportRequest(
        arn=arn,
        role=payloads.text(fields, "role"),
        output_config=payloads.output_config(fields, family.key("export_config")),
        client_token=_client_token(fields, "export", invocation),
    )
    client = invocation.client(family.service, region_of(fields, arn))
    _insist(lambda: family.export(client, request), f"exporting the {family.title}", invocation)

    def export_shows() -> bool:
        return bool(family.read(family.get(client, arn)).statuses[Phase.EXPORT])

    _await(export_shows, f"the export of {arn}", invocation)
    return _outputs(family, arn, "export started", invocation)


# snippet-end:[python.example_code.sagemaker.LambdaSteps]


def _outputs(family: JobFamily, arn: str, message: str, invocation: Invocation) -> dict[str, str]:
    invocation.log.info(message, job=arn)
    return {"statusCode": "200", family.key("arn"): arn}


def _client_token(fields: Mapping[str, Any], step: str, invocation: Invocation) -> str:
    """The same for every attempt at one step of one execution, so that no attempt starts a second job.

    A definition that does not say which execution and step it is leaves us the invocation: its attempts at least.
    """
    execution = payloads.optional_text(fields, "execution_arn") or invocation.request_id
    whole = execution + (payloads.optional_text(fields, "step") or step)
    return hashlib.sha256(whole.encode()).hexdigest()


def _insist(call: Callable[[], _Answer], doing: str, invocation: Invocation) -> _Answer:
    """Repeat a call with the same client token while its failure is a passing one and there is time."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return call()
        except AwsError as error:
            if fault_of(error) is not Fault.PASSING or not invocation.has_time():
                raise
            invocation.log.warning(f"{doing} is tried again", error=str(error))
        pause = _rest(pause, invocation)


def _await(shows: Callable[[], bool], what: str, invocation: Invocation) -> None:
    """Return once it shows; a step that returned before would have its callback take the job for the export."""
    pause = _FIRST_PAUSE_SECONDS
    while not _insist(shows, f"looking for {what}", invocation):
        if not invocation.has_time():
            raise TimeoutError(f"{what} did not show before the function's time was up")
        pause = _rest(pause, invocation)


def _rest(pause: float, invocation: Invocation) -> float:
    """Sleep, and say how long to sleep the next time."""
    invocation.sleep(pause)
    return min(pause * 2, _LONGEST_PAUSE_SECONDS)
