"""One run of the pipeline: start or resume it, follow it to its end, explain a failure, show the results."""

from __future__ import annotations

from ..aws.errors import AWS_ERRORS, credentials_expired, reason
from ..aws.poll import TimedOut
from ..context import Context
from ..errors import AwsError, ExecutionFailed, Failure, RefusedError, UsageError
from ..events import (
    ExecutionEnded,
    ExecutionSeen,
    ExecutionShown,
    ExecutionStarted,
    Note,
    ResultsRead,
    StudioInstructions,
)
from ..jobs.registry import job_of
from ..pipeline import definition as definitions
from ..pipeline import execution, execution_input, failure
from ..pipeline.execution import ExecutionInput, ExecutionView, StepView
from ..pipeline.run_id import is_run_id, new_run_id
from ..pipeline.structure_checks import every_step
from ..reconcile.model import Action, Plan
from ..report.text.messages import clock
from ..results import parquet, read
from ..results.features import read_features
from . import diagnose, job_status, locking, waiting
from .find import with_steps
from .stop import stop_one

_FIRST_PAUSE = 10.0
# Seconds that may be spent on why an execution has not ended in time: AWS may not respond at all.
_EXPLAINED_WITHIN = 30.0


def find_resumable(context: Context, plan: Plan) -> ExecutionView | None:
    """Returns the unfinished execution to resume. This comes before anything is changed that it uses.

    An execution of ours that an earlier command was stopping is stopped completely.

    Raises:
        RefusedError: another execution has not ended, and neither an option nor the user allows a second one.
    """
    pipeline = plan.step("pipeline")
    if context.options.start_new or pipeline is None or pipeline.action is Action.CREATE:
        return None
    definition = context.blueprint.artifacts.definition or {}
    is_same = not any(step.writes and step.resource.kind.shapes_results for step in plan)
    others = []
    for view in list(execution.unfinished(context.aws, context.config.pipeline.name)):
        if view.status == "Stopping" and is_run_id(view.run_id):
            stop_one(context, view)
            continue
        parameters = execution_input.parameters(context.blueprint.deployment, definition, view.run_id)
        if is_same and execution.is_same_work(context.aws, view, definition, parameters):
            return view
        others.append(view)
    if others and not _may_start_another(context, others):
        raise RefusedError(
            f"{len(others)} other execution(s) of this pipeline have not ended: "
            + ", ".join(f"{other.arn} ({other.status})" for other in others),
            "Pass --new to start another execution next to them, or stop them first.",
        )
    return None


def run_pipeline(context: Context, unfinished: ExecutionView | None) -> None:
    """Execute, or resume `unfinished`, and show the results. Raises ExecutionFailed with everything known about why."""
    run_id = unfinished.run_id if unfinished else new_run_id()
    ended = _run(context, run_id, unfinished)
    deadline = context.aws.retrier.time.clock() + context.config.iam.propagation_timeout
    pause = _FIRST_PAUSE
    while not ended.succeeded:
        failed = execution.view(context.aws, ended.arn, with_steps=True)
        if not _only_early(context, failed) or context.aws.retrier.time.clock() + pause > deadline:
            raise diagnose.error(context, failed)
        context.report.emit(
            Note(f"A new role or policy has not reached all of AWS yet. A new execution starts in {pause:.0f} s.")
        )
        context.aws.retrier.time.sleep(pause)
        pause *= 2  # each try is paid for
        run_id = new_run_id()
        ended = _run(context, run_id, None)
    _require_valid_rows(context, show_results(context, run_id))
    context.report.emit(StudioInstructions(context.config.pipeline.name, context.config.region))


def follow_to_end(context: Context, view: ExecutionView) -> None:
    """Follow an execution to its end and show its results. Raises ExecutionFailed with everything known about why."""
    ended = _run(context, view.run_id, view)
    if not ended.succeeded:
        raise diagnose.error(context, with_steps(context, ended))
    _require_valid_rows(context, show_results(context, view.run_id))
    context.report.emit(StudioInstructions(context.config.pipeline.name, context.config.region))


def _may_start_another(context: Context, others: list[ExecutionView]) -> bool:
    if not context.options.interactive:
        return False
    for other in others:
        since = f", started {clock(other.started.isoformat())}" if other.started else ""
        context.report.emit(Note(f"Execution {other.arn} is {other.status}{since}."))
    locking.wait(context)
    return context.report.ask("It differs from this run. Start another execution next to it? (y/n)")


def _run(context: Context, run_id: str, found: ExecutionView | None) -> ExecutionView:
    arn = found.arn if found else _start(context, run_id)
    context.state.running = arn
    asked = _asked_before(context, arn) if found else _asked(context, run_id)
    context.report.emit(ExecutionStarted(arn, run_id, found is not None, asked))
    ended = _follow(context, arn)
    context.state.running = ""
    context.report.emit(ExecutionEnded(ended))
    return ended


def _only_early(context: Context, failed: ExecutionView) -> bool:
    """Whether a step failed for a right that this command granted a moment ago and IAM has yet to spread."""
    outcomes = context.state.progress.outcomes.values()
    granted = any(outcome.step.writes and outcome.step.resource.kind.changes_rights for outcome in outcomes)
    return granted and any(failure.may_be_too_early(step) or _never_ran(context, step) for step in failed.steps)


def _never_ran(context: Context, step: StepView) -> bool:
    """Whether a step of our function failed for an unknown reason, and the function was never invoked for it."""
    steps = every_step((context.blueprint.artifacts.definition or {}).get("Steps", []))
    arn = next((str(found.get("FunctionArn")) for _, found in steps if found["Name"] == step.name), "")
    function = context.blueprint.deployment.function_at(arn)
    if function is None or not failure.has_unknown_cause(step):
        return False
    return not execution.was_invoked(context.aws, function.log_group, step)


def _start(context: Context, run_id: str) -> str:
    return execution.start(context.aws, context.config.pipeline.name, run_id, _asked(context, run_id).parameters)


def _asked(context: Context, run_id: str) -> ExecutionInput:
    definition = context.blueprint.artifacts.definition or {}
    parameters = execution_input.parameters(context.blueprint.deployment, definition, run_id)
    return ExecutionInput(parameters, definitions.outline(definition))


def _asked_before(context: Context, arn: str) -> ExecutionInput:
    """What an execution of others hides from this caller is missing in the report only."""
    try:
        return execution.asked(context.aws, arn)
    except AWS_ERRORS:
        return ExecutionInput()


def _follow(context: Context, arn: str) -> ExecutionView:
    settings = context.config.execution
    try:
        return execution.follow(
            context.aws,
            arn,
            every=settings.poll_interval,
            within=settings.timeout,
            with_steps=context.options.with_steps,
            seen=lambda view: context.report.emit(ExecutionSeen(view, job_status.job_state(context, view))),
        )
    except TimedOut:
        raise _too_long(context, arn) from None
    except AWS_ERRORS as error:
        if not credentials_expired(error):
            raise
        raise CredentialsExpired(
            f"The AWS credentials expired while waiting: {error}",
            f"The execution {arn} continues. Renew them and run the same command again: it resumes there.",
        ) from None


def _too_long(context: Context, arn: str) -> ExecutionFailed:
    lines = [f"The execution {arn} has not ended after {context.config.execution.timeout:g} s; it continues."]
    step = None
    try:
        view, reasons = execution.read_within(_EXPLAINED_WITHIN, lambda: _explain_wait(context, arn))
        step = next((step.name for step in view.steps if step.ended is None), None)
        lines += reasons
    except (TimedOut, *AWS_ERRORS) as error:
        why = "no response" if isinstance(error, TimedOut) else reason(error)
        lines.append(f"(what it waits for could not be read: {why})")
    cause = Failure("execution-timeout", lines[0], step)
    return ExecutionFailed("\n".join(lines), cause.advice, cause)


def _explain_wait(context: Context, arn: str) -> tuple[ExecutionView, tuple[str, ...]]:
    view = execution.view(context.aws, arn, with_steps=True)
    return view, waiting.explain(context, view)


class CredentialsExpired(AwsError):  # noqa: N818 - the name of an event
    """The credentials are no longer valid. The execution continues."""


def show_results_of(context: Context, view: ExecutionView) -> None:
    """Show the results of an execution that has ended, and save them where that is asked for.

    Raises:
        UsageError: it cannot have left any.
    """
    if not view.succeeded or not is_run_id(view.run_id):
        why = "was not started by geopipe" if view.succeeded else f"is {view.status}"
        raise UsageError(f"Execution {view.arn} {why}, so it has no results.")
    asked = execution.asked(context.aws, view.arn) if context.options.output_dir else None
    context.report.emit(ExecutionShown(with_steps(context, view), (), execution_input=asked))
    show_results(context, view.run_id)


def show_results(context: Context, run_id: str) -> read.Results | None:
    """Show a run's results and save them where that is configured. Raises AwsError when some are missing."""
    config, folder = context.config, context.options.output_dir
    if not config.bucket.name:
        context.report.emit(Note("The configuration has no bucket, so there are no results to show."))
        return None
    job, rows = job_of(config.job), config.output.preview_rows
    prefix = job.output_prefix(context.blueprint.deployment, run_id)
    try:
        files = read.find(context.aws, config.bucket.name, prefix, job.results)
    except read.NoResultsError:
        if job.results.needed:
            raise
        context.report.emit(Note(f"There is no CSV file below s3://{config.bucket.name}/{prefix}: no results to show."))
        return None
    if job.results.table:
        points = job.points(config.job)
        results = read_features(context.aws, files, job.results.table, rows, points, folder, context.watch)
    elif folder is None:
        results = read.show(context.aws, files, job.results, rows)
    else:
        results = read.save(context.aws, files, job.results, rows, folder, job.points(config.job), context.watch)
    context.report.emit(ResultsRead(results))
    if folder is not None and not parquet.available():
        context.report.emit(Note(parquet.HOW_TO_GET))
    return results


def _require_valid_rows(context: Context, results: read.Results | None) -> None:
    """Raise ExecutionFailed for a result of which no row, or too small a share of the rows, can be used."""
    if results is None or not results.rows or results.valid is None:
        return
    share, allowed = 1 - results.valid / results.rows, context.config.job.max_invalid_share
    if results.valid and share <= allowed:
        return
    expected = job_of(context.config.job).results
    number = "none" if not results.valid else f"only {results.valid:,}"
    what = (
        f"The execution succeeded, but {number} of its {results.rows:,} result rows has "
        f"{expected.valid!r} in the column {expected.status_column} (no-valid-rows)."
    )
    if results.valid:
        what += f" job.max_invalid_share allows {allowed:.2%} invalid rows; this result has {share:.2%}."
    failure = Failure("no-valid-rows", what)
    raise ExecutionFailed(what, failure.advice, failure)
