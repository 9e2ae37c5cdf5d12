"""When a command holds the lock of its deployment: from its plan to its end, if it changes anything.

With `--force-unlock` it holds the lock also where nothing is to be changed, so that no lock is left afterwards.

A plan decides whether the bucket is there, and ours to write into. The lock is taken right after the plan was made. In
a first run it is taken as soon as the bucket exists, before anything else is created.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..context import Context
from ..reconcile.model import Action, Plan, PlannedChange


def hold(context: Context, plan: Plan) -> None:
    """Begin to take the lock, if the bucket exists. `wait` waits for it, and so does the first call that writes."""
    bucket = _bucket_of(plan)
    if context.lock is not None and bucket is not None and _is_usable(context, bucket):
        context.lock.begin()


def hold_in_new_bucket(context: Context) -> None:
    """Take the lock in the bucket that was just created.

    Raises:
        LockedError: another command was faster.
        AwsError: S3 could not be asked.
    """
    if context.lock is not None:
        context.lock.begin(in_new_bucket=True)
        context.lock.require()


def wait(context: Context) -> None:
    """Wait until the lock is held, where one is taken.

    Raises:
        LockedError: another command holds it.
        AwsError: S3 could not be asked.
    """
    if context.lock is not None:
        context.lock.require()


def will_create_bucket(context: Context, plan: Plan) -> bool:
    """Whether the bucket that the lock is for does not exist yet."""
    bucket = _bucket_of(plan)
    return context.lock is not None and bucket is not None and bucket.action is Action.CREATE


def before_bucket_goes(context: Context) -> None:
    """The bucket is deleted next, and the lock with it."""
    if context.lock is not None:
        context.lock.stop_renewing()


def forget_deleted(context: Context, plan: Plan) -> None:
    """After the deletions of a plan: there is no lock to release if its bucket is gone."""
    bucket = _bucket_of(plan)
    if context.lock is None or bucket is None or bucket.action is not Action.DELETE:
        return
    if bucket.key not in context.state.progress.existing:
        context.lock.forget()


@contextmanager
def released_at_end(context: Context) -> Iterator[None]:
    """Release the lock however the block ends."""
    try:
        yield
    finally:
        if context.lock is not None:
            context.lock.release()


def _bucket_of(plan: Plan) -> PlannedChange | None:
    return next((step for step in plan if step.resource.kind.holds_lock), None)


def _is_usable(context: Context, bucket: PlannedChange) -> bool:
    if bucket.observed is None or bucket.action is Action.REFUSE:
        return False
    is_ours = bucket.observed.owner == context.config.deployment
    return is_ours or bucket.resource.is_used or bucket.action is Action.ADOPT
