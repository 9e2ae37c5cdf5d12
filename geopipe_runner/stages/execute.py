"""One run of the pipeline: resumed or started, followed to its end, explained when it fails, its results shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..aws.failures import AWS_ERRORS, credentials_expired
from ..aws.polling import TimedOut
from ..errors import AwsError, ExecutionFailed, RefusedError
from ..jobs import JOBS
from ..jobs.reverse_geocoding import output_prefix
from ..pipeline import execution, request, results
from ..pipeline.execution import ExecutionView
from ..pipeline.run import new_run_id
from ..report.events import ExecutionEnded, ExecutionSeen, ExecutionStarted, Note, ResultsRead, StudioInstructions
from .session import Session

_LOG_LINES = 15
_RIGHTS = frozenset({"iam_role", "iam_policy"})
_DENIED = re.compile(r"AccessDenied|not authorized|could not assume|cannot be assumed", re.IGNORECASE)
_PROPAGATION_PAUSE = 10.0


def run_pipeline(session: Session) -> None:
    """Execute and show the results. Raises ExecutionFailed with everything known about why."""
    definition = session.blueprint.deployment.artifacts.definition or {}
    found = _resumable(session, definition)
    run_id = found.run_id if found else new_run_id()
    ended = _run(session, definition, run_id, found)
    deadline = session.aws.retrier.time.clock() + session.config.iam.propagation_timeout
    while not ended.succeeded:
        failed = execution.view(session.aws, ended.arn, with_steps=True)
        if not _only_early(session, failed, deadline):
            raise explain(session, failed)
        session.report.tell(Note("A new role or policy is not known everywhere yet; the execution is run again."))
        session.aws.retrier.time.sleep(_PROPAGATION_PAUSE)
        run_id = new_run_id()
        ended = _run(session, definition, run_id, None)
    _show_results(session, run_id)
    session.report.tell(StudioInstructions(session.config.pipeline.name, session.config.region))


def explain(session: Session, view: ExecutionView) -> ExecutionFailed:
    """Why an execution did not succeed: its steps, the job, the function's last words."""
    lines = [f"Pipeline execution {view.arn} ended {view.status}."]
    if view.failure:
        lines.append(f"Reason: {view.failure}")
    for step in view.steps:
        if step.status == "Failed":
            lines.append(f"Step {step.name} failed: {step.failure}")
    job = JOBS[session.config.job.kind].failure(session.aws, view.outputs)
    if job:
        lines.append(job)
    log_group = session.config.function.log_group
    logged = execution.log_lines(session.aws, log_group, view.started, _LOG_LINES)
    if logged:
        lines.append(f"Last lines of {log_group}:")
        lines += [f"    {line}" for line in logged]
    return ExecutionFailed("\n".join(lines), "Mend the cause and run the same command again.")


def _resumable(session: Session, definition: Mapping[str, object]) -> ExecutionView | None:
    """The unfinished execution to go on with. Raises RefusedError beside a different one, unless told otherwise."""
    if session.options.start_new:
        return None
    others = []
    for found in execution.unfinished(session.aws, session.config.pipeline.name):
        wanted = request.parameters(session.blueprint.deployment, definition, found.run_id)
        if execution.is_same_work(session.aws, found, definition, wanted):
            return found
        others.append(found)
    if others and not _start_beside(session, others):
        raise RefusedError(
            f"{len(others)} other execution(s) of this pipeline have not ended: "
            + ", ".join(f"{other.arn} ({other.status})" for other in others),
            "Pass --new to start another one beside them, or stop them first.",
        )
    return None


def _start_beside(session: Session, others: list[ExecutionView]) -> bool:
    if not session.options.interactive:
        return False
    for other in others:
        session.report.tell(Note(f"Execution {other.arn} is {other.status}, started {other.started}."))
    return session.report.ask("It does something else than this run would. Start another one beside it? (y/n)")


def _run(session: Session, definition: Mapping[str, object], run_id: str, found: ExecutionView | None) -> ExecutionView:
    arn = found.arn if found else _start(session, run_id, definition)
    session.state.execution_arn, session.state.finished = arn, False
    session.report.tell(ExecutionStarted(arn, run_id, resumed=found is not None))
    ended = _follow(session, arn)
    session.state.finished = True
    session.report.tell(ExecutionEnded(ended))
    return ended


def _only_early(session: Session, failed: ExecutionView, deadline: float) -> bool:
    """Whether a step failed for a right that this command granted a moment ago and IAM has yet to spread."""
    outcomes = session.state.progress.outcomes.values()
    granted = any(outcome.step.writes and outcome.step.resource.kind.name in _RIGHTS for outcome in outcomes)
    denied = any(_DENIED.search(step.failure) for step in failed.steps if step.status == "Failed")
    return granted and denied and session.aws.retrier.time.clock() < deadline


def _start(session: Session, run_id: str, definition: Mapping[str, object]) -> str:
    parameters = request.parameters(session.blueprint.deployment, definition, run_id)
    return execution.start(session.aws, session.config.pipeline.name, run_id, parameters)


def _follow(session: Session, arn: str) -> ExecutionView:
    settings = session.config.execution
    try:
        return execution.follow(
            session.aws,
            arn,
            every=settings.poll_interval,
            within=settings.timeout,
            with_steps=session.options.with_steps,
            seen=lambda view: session.report.tell(ExecutionSeen(view)),
        )
    except TimedOut:
        raise ExecutionFailed(
            f"The execution {arn} has not ended after {settings.timeout:g} s; it goes on.",
            "Run the same command again to wait on, or raise execution.timeout.",
        ) from None
    except AWS_ERRORS as error:
        if not credentials_expired(error):
            raise
        raise CredentialsExpired(
            f"The AWS credentials expired while waiting: {error}",
            f"The execution {arn} goes on. Renew them and run the same command again: it resumes there.",
        ) from None


class CredentialsExpired(AwsError):  # noqa: N818 - the name of an event
    """We may not look any more; what runs, runs on."""


def _show_results(session: Session, run_id: str) -> None:
    config = session.config
    job = JOBS[config.job.kind]
    prefix = output_prefix(session.blueprint.deployment, run_id)
    keys = results.find(session.aws, config.bucket.name, prefix, job.results)
    read = results.read(
        session.aws, config.bucket.name, keys, job.results, config.output.preview_rows, session.options.output_dir
    )
    session.report.tell(ResultsRead(read))
