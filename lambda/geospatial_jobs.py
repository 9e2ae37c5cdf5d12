"""What the jobs of SageMaker geospatial have in common: their states, the callback contract, and calls that repeat.

Vector enrichment and earth observation jobs have the same states and exports, behind operations of different names.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aws import (
    SHORTEST_LONG_CALL_SECONDS,
    SLOWEST_CALL_SECONDS,
    AwsError,
    Client,
    ErrorKind,
    InvocationContext,
    error_kind,
)
from callbacks import (
    Callback,
    MalformedInputError,
    Verdict,
    failure,
    optional_text,
    required_text,
    still_running,
    success,
)

SERVICE = "sagemaker-geospatial"

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_CAN_PASS = (ErrorKind.TRANSIENT, ErrorKind.DENIED)
# A call that conflicts with an earlier attempt is repeated until that one is through: for about seven seconds.
_MAX_CONFLICTS = 8
# How long ago an earlier attempt at the same step can have begun: a function runs for 15 minutes at most.
_LONGEST_FUNCTION_SECONDS = 15 * 60

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class StatusFields:
    """Where a job's description has the status of one phase, which statuses are final, and what to report of it.

    `outputs` has the names of the callback's outputs, and for each the key of the description with its value.
    """

    status: str
    error: str
    error_texts: tuple[str, str]
    succeeded: frozenset[str]
    failed: frozenset[str]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class JobType:
    """One type of job: its name, the key that has its ARN, and its phases."""

    title: str
    arn_key: str
    resource: str
    """What its ARNs have before the id."""
    phases: Mapping[str, StatusFields]

    def arn_of(self, fields: Mapping[str, Any]) -> str:
        """Returns the ARN in an event or in a callback's arguments. Raises MalformedInputError."""
        arn = required_text(fields, self.arn_key)
        pattern = rf"arn:aws[a-z-]*:sagemaker-geospatial:([a-z0-9-]+):[0-9]{{12}}:{self.resource}/[A-Za-z0-9-]+"
        if not re.fullmatch(pattern, arn):
            raise MalformedInputError(f"{self.arn_key} is not an ARN of the type {self.resource}")
        return arn


def region_of(fields: Mapping[str, Any], arn: str) -> str:
    return optional_text(fields, "region") or arn.split(":")[3]


def check_job(
    job_type: JobType, callback: Callback, invocation: InvocationContext, get: Callable[[Client, str], Any]
) -> Verdict:
    """Returns what to send to the step that waits for a job, or for its export. `get` reads the job's description."""
    arguments = callback.arguments
    arn, phase = job_type.arn_of(arguments), None
    if "phase" in arguments:
        phase = required_text(arguments, "phase").lower()
        if phase not in job_type.phases:
            raise MalformedInputError(f"phase must be {' or '.join(job_type.phases)}, not {phase!r}")
    try:
        job = get(invocation.client(SERVICE, region_of(arguments, arn)), arn)
    except AwsError as error:
        if error_kind(error) in (ErrorKind.NOT_FOUND, ErrorKind.INVALID):
            return failure(f"The {job_type.title} cannot be found: {error}")
        return still_running(f"the status of the {job_type.title} could not be read: {error}")
    return decide(job_type, job, phase)


# snippet-start:[python.example_code.sagemaker.CallbackDecision]
def decide(job_type: JobType, job: Mapping[str, Any], phase: str | None = None) -> Verdict:
    """Returns the verdict on a job's description. Only a status that is known to be final ends a callback.

    Without a phase, an export that shows means that the callback waits for the export: the step that starts an export
    returns, and so lets the callback be sent, only when the export shows.
    """
    phase = phase or ("export" if job.get("ExportStatus") else "job")
    if phase == "export" and not job.get("ExportStatus") and job.get("Status") in job_type.phases["job"].failed:
        phase = "job"  # No export can begin any more, and the job says why.
    fields = job_type.phases[phase]
    status = str(job.get(fields.status) or "")
    if status in fields.succeeded:
        return success(f"{phase} {status}", {name: job.get(key) for name, key in fields.outputs.items()}, status)
    if status in fields.failed:
        text = f"{'The export of the' if phase == 'export' else 'The'} {job_type.title} is {status}"
        return failure(": ".join([text, *_error_texts(job.get(fields.error) or {}, fields.error_texts)]), status)
    return still_running(f"{phase} {status or 'not started'}", status)


# snippet-end:[python.example_code.sagemaker.CallbackDecision]


def _error_texts(details: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    """Yield the texts of an error; the exports of some jobs have one for each thing that they export."""
    yield from (str(details[name]) for name in names if details.get(name))
    for value in details.values():
        if isinstance(value, Mapping):
            yield from _error_texts(value, names)


def client_token(fields: Mapping[str, Any], step: str, invocation: InvocationContext) -> str:
    """Returns the same token for every attempt at one step of one execution, so that no attempt starts a second job.

    Without execution_arn and step, the token is that of the invocation: its own attempts, at least, share it.
    """
    execution = optional_text(fields, "execution_arn") or invocation.request_id
    return hashlib.sha256((execution + (optional_text(fields, "step") or step)).encode()).hexdigest()


def wait_for_export(arn: str, invocation: InvocationContext, shows: Callable[[], bool]) -> None:
    """Wait until an export shows in the job's description.

    Raises:
        TimeoutError: it does not, and the function is running out of time.
    """
    pause = _FIRST_PAUSE_SECONDS
    while not repeat(shows, f"reading the export of {arn}", invocation):
        if not invocation.has_time():
            raise TimeoutError(f"the export of {arn} did not appear before the function ran out of time")
        pause = _backoff(pause, invocation)


def find_job(
    request: Mapping[str, Any],
    compared: Iterable[str],
    pages: Callable[[str], tuple[list[Any], str | None]],
    get: Callable[[str], Mapping[str, Any]],
    invocation: InvocationContext,
) -> str | None:
    """Returns the ARN of the job that an earlier attempt at this request has started; None if that is not certain.

    No operation finds a job by its client token. So this looks for a recent job that has the same values under the
    `compared` keys. Two such jobs can belong to two executions, and then neither is returned. `pages` lists the jobs
    from a page on, and returns the next page.
    """
    earliest = invocation.now() - _LONGEST_FUNCTION_SECONDS
    found: list[str] = []
    page: str | None = ""
    while page is not None and invocation.has_time(SHORTEST_LONG_CALL_SECONDS):
        summaries, page = pages(page)
        for summary in summaries:
            if summary["Name"] == request["Name"] and summary["CreationTime"].timestamp() >= earliest:
                job = get(summary["Arn"])
                found += [str(job["Arn"])] if all(job.get(key) == request[key] for key in compared) else []
    return found[0] if len(found) == 1 and page is None else None


def repeat(
    call: Callable[[], _Result],
    doing: str,
    invocation: InvocationContext,
    find: Callable[[], _Result | None] | None = None,
) -> _Result:
    """Repeat a call, with the same client token, while its error can pass and there is time.

    `find` is for a call that starts something. A conflict then means that an earlier attempt, whose response was lost,
    is starting it or has started it. Repeating the call returns it by its client token; if it never does, `find` looks
    for it. A denial can pass too: AWS needs some seconds until a new role's rights are known everywhere.
    """
    pause, conflicts = _FIRST_PAUSE_SECONDS, 0
    seconds = SHORTEST_LONG_CALL_SECONDS if find else SLOWEST_CALL_SECONDS
    while True:
        try:
            return call()
        except AwsError as error:
            is_conflict = find is not None and error_kind(error) is ErrorKind.CONFLICT
            conflicts += is_conflict
            can_pass = conflicts < _MAX_CONFLICTS if is_conflict else error_kind(error) in _CAN_PASS
            if not can_pass or not invocation.has_time(seconds + pause):
                found = _look_up(find, invocation) if find and is_conflict else None
                if found is None:
                    raise
                invocation.log.info(f"{doing}: an earlier attempt did it")
                return found
            invocation.log.warning(f"{doing} failed and is tried again", error=str(error))
        pause = _backoff(pause, invocation)


def _look_up(find: Callable[[], _Result | None], invocation: InvocationContext) -> _Result | None:
    try:
        return find()
    except AwsError as error:
        invocation.log.warning("an earlier attempt could not be looked up", error=str(error))
        return None


def _backoff(pause: float, invocation: InvocationContext) -> float:
    """Sleep, and return how long to sleep the next time."""
    invocation.sleep(pause)
    return min(pause * 2, _LONGEST_PAUSE_SECONDS)
