"""Everything around a deployment that can keep a run from working, each with what to do. Nothing is changed.

What the configuration says has been checked by then, as for every command. The checks here go from this machine to the
account: packages, environment, endpoint, credentials, clock, permissions, service, quotas. One that fails does not end
the others, but without a connection the later ones are skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..aws.connection_watch import ConnectionWatch
from ..aws.error_codes import is_denied, is_not_found
from ..aws.errors import AWS_ERRORS, as_aws_error, reason
from ..aws.parallel import in_parallel
from ..context import Context
from ..errors import GeopipeError, InterruptedByUser
from ..events import CheckDone, Note
from ..jobs.registry import job_of
from ..kinds.base import Resource
from ..reconcile import orphans
from . import local_checks
from .connection import connect
from .quotas import check_quotas
from .session import Session
from .simulation import check_writes

if TYPE_CHECKING:
    pass

# AWS refuses requests that are signed more than five minutes away from its own time.
_REFUSED_SKEW = 300.0
_NOTICED_SKEW = 60.0
_LISTED = "docs/reference/permissions.md lists what the caller needs."


def examine(session: Session) -> bool:
    """Check everything, report each check, and return whether there is no problem."""
    counts: Counter[str] = Counter()

    def report(check: CheckDone) -> None:
        counts[check.status] += 1
        session.report.emit(check)

    session.check()
    for check in _local_checks(session):
        report(check)
    if counts["problem"]:
        report(CheckDone("account", "skipped", "Not examined, because of the problem above.", ""))
    else:
        _examine_account(session, report)
    parts = [f"{counts[status]} {status}{'s' if counts[status] > 1 else ''}" for status in ("problem", "warning")]
    found = [part for part in parts if not part.startswith("0")]
    session.report.emit(Note(f"{' and '.join(found)}." if found else "No problem found."))
    return not counts["problem"]


def _local_checks(session: Session) -> Iterator[CheckDone]:
    yield from local_checks.check_packages(session.config)
    yield from local_checks.check_environment(session.config)
    endpoint = local_checks.check_endpoint(session.config)
    if endpoint:
        yield endpoint


def _examine_account(session: Session, report: Callable[[CheckDone], None]) -> None:
    watch = ConnectionWatch()
    try:
        with session.open_endpoint() as endpoint, connect(session, endpoint, watch) as context:
            report(CheckDone("credentials", "ok", _credentials_found(session, watch)))
            report(_check_clock(watch))
            account = context.aws.account
            finding = f"{account.account_id} in {account.region}, as {account.caller_arn}."
            report(CheckDone("account", "ok", finding))
            checks = (_check_permissions, _check_searches, check_writes, _check_service, check_quotas)
            for check in checks:
                for found in check(context):
                    report(found)
    except InterruptedByUser:
        raise
    except GeopipeError as error:
        topic = "account" if watch.responded else "endpoint" if watch.method else "credentials"
        if watch.responded:
            report(_check_clock(watch))
        report(CheckDone(topic, "problem", error.message, error.hint))


def _credentials_found(session: Session, watch: ConnectionWatch) -> str:
    if session.config.target == "local":
        return "The emulator takes any."
    role = session.config.assume_role
    if role:
        return f"Found. They assume {role.role_arn}."
    profile = f" of profile {session.config.profile}" if session.config.profile else ""
    return f"Found ({watch.method}{profile})."


def _check_clock(watch: ConnectionWatch) -> CheckDone:
    if watch.ahead is None:
        return CheckDone("clock", "skipped", "The response had no date to compare with.")
    seconds = abs(watch.ahead)
    if seconds < _NOTICED_SKEW:
        return CheckDone("clock", "ok", "It agrees with the endpoint's.")
    finding = f"The clock of this machine is {seconds:,.0f} s {'ahead' if watch.ahead > 0 else 'behind'}."
    advice = "Set the clock, for instance with NTP: AWS refuses requests that are five minutes off."
    return CheckDone("clock", "problem" if seconds >= _REFUSED_SKEW else "warning", finding, advice)


# Permissions


def _check_permissions(context: Context) -> Iterator[CheckDone]:
    """Read every resource of the deployment, its executions and logs, as plan, status and logs do."""
    aws, config = context.aws, context.config
    reads: dict[str, Callable[[], Any]] = {
        resource.key: partial(resource.kind.observe, aws, resource.spec) for resource in context.blueprint.resources
    }
    sagemaker, logs = aws.client("sagemaker"), aws.client("logs")
    executions = partial(sagemaker.list_pipeline_executions, PipelineName=config.pipeline.name, MaxResults=1)
    others = {"executions": ("executions", executions)}
    for group in context.blueprint.deployment.log_groups:
        others[f"log {group}"] = ("logs", partial(logs.filter_log_events, logGroupName=group, limit=1))
    reads |= {key: read for key, (_, read) in others.items()}
    with aws.read_only():
        results = in_parallel({key: partial(_attempt, read) for key, read in reads.items()})
    readable: list[str] = []
    resources = sorted(context.blueprint.resources, key=lambda resource: resource.kind.label.lower())
    for label, group_of_kind in groupby(resources, key=lambda resource: resource.kind.label):
        failed = [*_failed_reads(label, group_of_kind, results)]
        readable += [] if failed else [label]
        yield from failed
    if readable:
        existing = sum(not isinstance(results[r.key], BaseException | None) for r in resources)
        finding = f"May be read: {', '.join(readable)}. Of {len(resources)} resources, {existing} exist."
        yield CheckDone("permissions", "ok", finding)
    for key, (what, _) in others.items():
        if isinstance(results[key], BaseException):
            yield _failed_read(what, results[key])


def _attempt(read: Callable[[], Any]) -> Any:
    """Return what a read returns, or the error that it ends with; None where nothing exists."""
    try:
        return read()
    except AWS_ERRORS as error:
        return None if is_not_found(error) else error


def _failed_reads(label: str, resources: Iterator[Resource], results: dict[str, Any]) -> Iterator[CheckDone]:
    """Yield each error once. What is only used need not be readable."""
    errors: dict[str, tuple[Resource, BaseException]] = {}
    for resource in resources:
        result = results[resource.key]
        if isinstance(result, BaseException) and not (resource.is_used and is_denied(result)):
            errors.setdefault(str(result), (resource, result))
    for resource, error in errors.values():
        yield _failed_read(f"{label} {resource.name}", error)


def _failed_read(what: str, error: Any) -> CheckDone:
    known = as_aws_error(error)
    if is_denied(error):
        advice = f"Allow it, unless {what} belongs to another account; then choose another name. {_LISTED}"
        return CheckDone("permissions", "problem", f"{what}: {known.message}", advice)
    return CheckDone("permissions", "problem", f"{what} cannot be read: {known.message}", known.hint)


def _check_searches(context: Context) -> Iterator[CheckDone]:
    """Search for orphans, as a plan does."""
    try:
        orphans.search(context.aws, context.blueprint)
    except orphans.NotAllowedToSearchError as error:
        finding = f"{error.operation} is not allowed, so orphans of earlier configurations cannot be found."
        yield CheckDone("permissions", "warning", finding, "Allow it on all resources.")
    except AWS_ERRORS as error:
        yield CheckDone("permissions", "warning", f"Orphans cannot be searched for: {reason(error)}")


# The service of the job


def _check_service(context: Context) -> Iterator[CheckDone]:
    job = job_of(context.config.job)
    with context.aws.read_only():
        found = job.check_account(context.aws)
    if found.refusal:
        finding, _, advice = found.refusal.partition("; ")
        yield CheckDone("service", "problem", finding, advice[:1].upper() + advice[1:])
    elif found.warning:
        yield CheckDone("service", "warning", found.warning)
    else:
        name = f"{job.name}, provider {job.provider}" if job.provider else job.name
        yield CheckDone("service", "ok", f"No reason found why this account cannot run the job ({name}).")
