"""One run of the pipeline: resumed or started, followed to its end, explained when it fails, its results shown."""

from __future__ import annotations

from ..aws.failures import AWS_ERRORS, credentials_expired
from ..aws.polling import TimedOut
from ..errors import AwsError, ExecutionFailed, RefusedError
from ..failure_codes import Failure
from ..jobs import JOBS
from ..pipeline import definition as definitions
from ..pipeline import execution, failure, parquet, request, results
from ..pipeline.execution import Asked, ExecutionView
from ..pipeline.run import is_run_id, new_run_id
from ..reconcile.model import Action, Plan
from ..report.events import ExecutionEnded, ExecutionSeen, ExecutionStarted, Note, ResultsRead, StudioInstructions
from ..report.wording import clock
from . import explaining, watching
from .stopping import stop_one
from .work import Work

_RIGHTS = frozenset({"iam_role", "iam_policy"})
_FIRST_PAUSE = 10.0
_SHAPES_THE_RUN = frozenset({"input", "function", "pipeline"})


def find_resumable(work: Work, plan: Plan) -> ExecutionView | None:
    """The unfinished execution to go on with, looked for before anything is changed under it.

    One of ours that a command before was stopping is seen to its end. Raises RefusedError beside a different one,
    unless told otherwise.
    """
    pipeline = plan.step("pipeline")
    if work.options.start_new or pipeline is None or pipeline.action is Action.CREATE:
        return None
    definition = work.blueprint.deployment.artifacts.definition or {}
    same = not any(step.writes and step.key in _SHAPES_THE_RUN for step in plan)
    others = []
    for found in list(execution.unfinished(work.aws, work.config.pipeline.name)):
        if found.status == "Stopping" and is_run_id(found.run_id):
            stop_one(work, found)
            continue
        wanted = request.parameters(work.blueprint.deployment, definition, found.run_id)
        if same and execution.is_same_work(work.aws, found, definition, wanted):
            return found
        others.append(found)
    if others and not _start_beside(work, others):
        raise RefusedError(
            f"{len(others)} other execution(s) of this pipeline have not ended: "
            + ", ".join(f"{other.arn} ({other.status})" for other in others),
            "Pass --new to start another one beside them, or stop them first.",
        )
    return None


def run_pipeline(work: Work, found: ExecutionView | None) -> None:
    """Execute, or go on with `found`, and show the results. Raises ExecutionFailed with everything known about why."""
    run_id = found.run_id if found else new_run_id()
    ended = _run(work, run_id, found)
    deadline = work.aws.retrier.time.clock() + work.config.iam.propagation_timeout
    pause = _FIRST_PAUSE
    while not ended.succeeded:
        failed = execution.view(work.aws, ended.arn, with_steps=True)
        if not _only_early(work, failed) or work.aws.retrier.time.clock() + pause > deadline:
            raise explaining.error(work, failed)
        work.report.tell(
            Note(f"A new role or policy is not known everywhere yet; the execution is run again in {pause:.0f} s.")
        )
        work.aws.retrier.time.sleep(pause)
        pause *= 2  # each try is paid for
        run_id = new_run_id()
        ended = _run(work, run_id, None)
    show_results(work, run_id)
    work.report.tell(StudioInstructions(work.config.pipeline.name, work.config.region))


def go_on_with(work: Work, found: ExecutionView) -> None:
    """Follow an execution to its end and show its results. Raises ExecutionFailed with everything known about why."""
    ended = _run(work, found.run_id, found)
    if not ended.succeeded:
        raise explaining.error(work, execution.view(work.aws, ended.arn, with_steps=True))
    show_results(work, found.run_id)
    work.report.tell(StudioInstructions(work.config.pipeline.name, work.config.region))


def _start_beside(work: Work, others: list[ExecutionView]) -> bool:
    if not work.options.interactive:
        return False
    for other in others:
        since = f", started {clock(other.started.isoformat())}" if other.started else ""
        work.report.tell(Note(f"Execution {other.arn} is {other.status}{since}."))
    return work.report.ask("It does something else than this run would. Start another one beside it? (y/n)")


def _run(work: Work, run_id: str, found: ExecutionView | None) -> ExecutionView:
    arn = found.arn if found else _start(work, run_id)
    work.state.running = arn
    asked = _asked_before(work, arn) if found else _asked(work, run_id)
    work.report.tell(ExecutionStarted(arn, run_id, found is not None, asked))
    ended = _follow(work, arn)
    work.state.running = ""
    work.report.tell(ExecutionEnded(ended))
    return ended


def _only_early(work: Work, failed: ExecutionView) -> bool:
    """Whether a step failed for a right that this command granted a moment ago and IAM has yet to spread."""
    outcomes = work.state.progress.outcomes.values()
    granted = any(outcome.step.writes and outcome.step.resource.kind.name in _RIGHTS for outcome in outcomes)
    denied = any(failure.denied(step) for step in failed.steps if step.status == "Failed")
    return granted and denied


def _start(work: Work, run_id: str) -> str:
    return execution.start(work.aws, work.config.pipeline.name, run_id, _asked(work, run_id).parameters)


def _asked(work: Work, run_id: str) -> Asked:
    definition = work.blueprint.deployment.artifacts.definition or {}
    parameters = request.parameters(work.blueprint.deployment, definition, run_id)
    return Asked(parameters, definitions.outline(definition))


def _asked_before(work: Work, arn: str) -> Asked:
    """What somebody else's execution may hide from us is missing in the report, and nowhere else."""
    try:
        return execution.asked(work.aws, arn)
    except AWS_ERRORS:
        return Asked()


def _follow(work: Work, arn: str) -> ExecutionView:
    settings = work.config.execution
    try:
        return execution.follow(
            work.aws,
            arn,
            every=settings.poll_interval,
            within=settings.timeout,
            with_steps=work.options.with_steps,
            seen=lambda view: work.report.tell(ExecutionSeen(view, watching.job_state(work, view))),
        )
    except TimedOut:
        raise _too_long(work, arn) from None
    except AWS_ERRORS as error:
        if not credentials_expired(error):
            raise
        raise CredentialsExpired(
            f"The AWS credentials expired while waiting: {error}",
            f"The execution {arn} goes on. Renew them and run the same command again: it resumes there.",
        ) from None


def _too_long(work: Work, arn: str) -> ExecutionFailed:
    what = f"The execution {arn} has not ended after {work.config.execution.timeout:g} s; it goes on."
    running = [step.name for step in execution.steps(work.aws, arn) if step.ended is None]
    told = Failure("execution-timeout", what, running[0] if running else None)
    return ExecutionFailed(what, told.advice, told)


class CredentialsExpired(AwsError):  # noqa: N818 - the name of an event
    """We may not look any more; what runs, runs on."""


def show_results(work: Work, run_id: str) -> None:
    """Show a run's results and, where that is asked for, save them. Raises AwsError when some are missing."""
    config, folder = work.config, work.options.output_dir
    job, rows = JOBS[config.job.kind], config.output.preview_rows
    prefix = job.output_prefix(work.blueprint.deployment, run_id)
    try:
        files = results.find(work.aws, config.bucket.name, prefix, job.results)
    except results.NoResultsError:
        if job.results.needed:
            raise
        work.report.tell(Note(f"There is no CSV file below s3://{config.bucket.name}/{prefix}: no results to show."))
        return
    if folder is None:
        work.report.tell(ResultsRead(results.show(work.aws, files, job.results, rows)))
        return
    points = job.points(config.job)
    saved = results.save(work.aws, files, job.results, rows, folder, points, work.watch)
    work.report.tell(ResultsRead(saved))
    if not parquet.available():
        work.report.tell(Note(parquet.HOW_TO_GET))
