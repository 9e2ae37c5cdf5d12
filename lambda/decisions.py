"""What to answer a callback: a pure function of what is known, total over every combination of states.

Success and failure are final, so both need a state that is known to be final. Everything else, states nobody has seen
yet included, is "not yet": the deadline bounds how long that can go on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from jobs import JobFamily, JobState, Phase


class Outcome(Enum):
    SUCCESS = "success"
    FAILURE = "failure"
    NOT_YET = "not yet"


@dataclass(frozen=True)
class Decision:
    """The answer, and why; `status` is the state of the job it rests on.

    `stop_job` asks for the job to be stopped first: nobody waits for it any more.
    """

    outcome: Outcome
    reason: str
    status: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    stop_job: bool = False


def not_yet(reason: str, status: str = "") -> Decision:
    return Decision(Outcome.NOT_YET, reason, status)


def failure(reason: str, status: str = "") -> Decision:
    return Decision(Outcome.FAILURE, reason, status)


def give_up(reason: str, status: str = "") -> Decision:
    """A failure that the job did not ask for, so the job is stopped as well."""
    return Decision(Outcome.FAILURE, reason, status, stop_job=True)


# snippet-start:[python.example_code.sagemaker.CallbackDecision]
def decide(family: JobFamily, job: JobState, phase: Phase | None = None) -> Decision:
    """The answer for a job in this state.

    Without a phase, an export that shows means that the export is what the callback waits for: the step that starts
    an export returns, and so lets its callback be sent, only when the export shows.
    """
    if phase is None:
        phase = Phase.EXPORT if job.statuses[Phase.EXPORT] else Phase.JOB
    if phase is Phase.EXPORT and not job.statuses[phase] and _failed(family, Phase.JOB, job):
        phase = Phase.JOB  # No export can begin any more; the job says why.
    wait, status = family.waits[phase], job.statuses[phase]
    if status in wait.succeeded:
        return Decision(Outcome.SUCCESS, f"{phase.value} {status}", status, {wait.output: status})
    if _failed(family, phase, job):
        return failure(_reason(family, phase, job), status)
    return not_yet(f"{phase.value} {status or 'not begun'}", status)


# snippet-end:[python.example_code.sagemaker.CallbackDecision]


def _failed(family: JobFamily, phase: Phase, job: JobState) -> bool:
    return job.statuses[phase] in family.waits[phase].failed


def _reason(family: JobFamily, phase: Phase, job: JobState) -> str:
    subject = "The export of the" if phase is Phase.EXPORT else "The"
    error = job.errors[phase]
    return f"{subject} {family.title} is {job.statuses[phase]}" + (f": {error}" if error else "")
