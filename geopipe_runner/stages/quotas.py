"""What a deployment needs, compared with what IAM and Lambda say about the account. Nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from ..aws.error_codes import ClientError, is_refusal
from ..aws.errors import AWS_ERRORS, reason
from ..context import Context
from ..events import CheckDone

# What Lambda leaves to functions without reserved concurrency.
_UNRESERVED = 100


def check_quotas(context: Context) -> Iterator[CheckDone]:
    """Compare roles, policies and concurrent executions."""
    with context.aws.read_only():
        yield from _known("IAM roles and policies", partial(_iam_quotas, context))
        yield from _known("Lambda concurrency", partial(_lambda_quotas, context))


def count_finding(what: str, used: int, quota: int, needed: int) -> CheckDone:
    """Return whether `needed` more of them fit into a quota. Pure."""
    text = f"IAM {what.lower()}: {used:,} of {quota:,} in use."
    if used + needed <= quota:
        return CheckDone("quotas", "ok", text)
    advice = f"Delete unused {what.lower()}, or ask for more in Service Quotas."
    return CheckDone("quotas", "warning", f"{text} A new deployment needs {needed}.", advice)


def concurrency_finding(total: int, free: int, reserved: int, workers: int) -> CheckDone:
    """Return whether an account has the concurrent executions that a configuration reserves or uses. Pure.

    `total` is the account's limit, and `free` what no function has reserved, possibly this deployment's own.
    """
    text = f"Lambda concurrency: {free:,} of {total:,} not reserved"
    advice = "Ask for more concurrent executions in Service Quotas"
    if reserved and total - reserved < _UNRESERVED:
        finding = f"{text}; the configuration reserves {reserved:,}, and {_UNRESERVED} must stay."
        return CheckDone("quotas", "problem", finding, f"{advice}, or lower function.reserved_concurrency.")
    if workers > free:
        finding = f"{text}; the job has {workers:,} workers, so that some wait for others."
        return CheckDone("quotas", "warning", finding, f"{advice}, or lower job.workers.")
    return CheckDone("quotas", "ok", f"{text}.")


def _known(what: str, compare: Callable[[], Iterator[CheckDone]]) -> Iterator[CheckDone]:
    try:
        yield from compare()
    except AWS_ERRORS as error:
        if isinstance(error, ClientError) and not is_refusal(error):
            finding = f"{what}: not known, because the endpoint does not say."
        else:
            finding = f"{what}: not known. {reason(error)}"
        yield CheckDone("quotas", "skipped", finding)


def _iam_quotas(context: Context) -> Iterator[CheckDone]:
    summary = context.aws.client("iam").get_account_summary()["SummaryMap"]
    needed = Counter(resource.kind.name for resource in context.blueprint.resources if not resource.is_used)
    for what, kind in (("Roles", "iam_role"), ("Policies", "iam_policy")):
        yield count_finding(what, summary[what], summary[f"{what}Quota"], needed[kind])


def _lambda_quotas(context: Context) -> Iterator[CheckDone]:
    limit = context.aws.client("lambda").get_account_settings()["AccountLimit"]
    reserved = sum(function.reserved_concurrency or 0 for function in context.config.every_function.values())
    workers = max((m.maximum_concurrency or 0 for m in context.blueprint.deployment.mappings), default=0)
    yield concurrency_finding(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"], reserved, workers)
