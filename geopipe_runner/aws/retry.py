"""Why a call may be repeated: named causes, each with its own time limit.

A cause is matched by error code, and by text only where AWS uses one code for several things (`error_codes`). Each wait
is announced once per cause. The original error comes out when the time is up. Throttling, 5xx and timeouts are
botocore's own business (standard mode, set in `clients`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from . import error_codes as codes
from . import poll as polling
from .clock import Clock, Time
from .recent_changes import RecentChanges

T = TypeVar("T")


@dataclass(frozen=True)
class Cause:
    """A passing state of AWS, recognized by `codes` and, where given, `message`.

    `message_after_change` is the wider pattern that holds while this command's own changes of rights or tags may not
    be effective everywhere. With `only_after_change` the cause holds at no other time. Waits grow from `first` to
    `longest` seconds. `within` is the limit, in seconds, unless the configuration sets it (`is_propagation`).
    """

    name: str
    explanation: str
    codes: frozenset[str]
    message: re.Pattern[str] | None = None
    message_after_change: re.Pattern[str] | None = None
    only_after_change: bool = False
    is_propagation: bool = False
    first: float = 1.0
    longest: float = 10.0
    within: float = 120.0

    def matches(self, error: BaseException, *, changed: bool = False) -> bool:
        """Whether `error` is this cause. `changed`: this command has just written rights or tags."""
        text = str(error)
        if codes.error_code(error) not in self.codes or (self.only_after_change and not changed):
            return False
        if codes.is_final_denial(text):
            return False
        patterns = [self.message, self.message_after_change if changed else None]
        known = [pattern for pattern in patterns if pattern]
        return not known or any(pattern.search(text) for pattern in known)


# IAM is eventually consistent without a "ready" signal: usually seconds, minutes have been reported. What SageMaker
# says to CreatePipeline and StartPipelineExecution is not known, so any fault found with a role counts after a change.
ROLE_NOT_READY = Cause(
    name="role not ready",
    explanation="the new role has not reached all of AWS yet",
    codes=codes.INVALID,
    message=codes.ROLE_TEXT,
    message_after_change=codes.ROLE_SUBJECT_TEXT,
    is_propagation=True,
    within=300.0,
)
# A caller's right may depend on tags of the pipeline, which SageMaker needs a moment to act on.
NOT_YET_ALLOWED = Cause(
    name="not yet allowed",
    explanation="new tags and permissions have not reached all of AWS yet",
    codes=codes.DENIED,
    only_after_change=True,
    is_propagation=True,
    within=300.0,
)
UPDATE_IN_PROGRESS = Cause(
    name="update in progress",
    explanation="an earlier change of the function is still in progress",
    codes=frozenset({"ResourceConflictException"}),
    message=codes.UPDATE_IN_PROGRESS_TEXT,
)
# Terraform waits as long for a mapping.
MAPPING_IN_USE = Cause(
    name="mapping in use",
    explanation="an earlier change of the event source mapping is still in progress",
    codes=codes.IN_USE,
    within=600.0,
)
QUEUE_DELETED_RECENTLY = Cause(
    name="queue deleted recently",
    explanation="AWS keeps the name of a deleted queue for 60 seconds",
    codes=codes.QUEUE_DELETED_RECENTLY,
    first=5.0,
    within=90.0,
)
CONCURRENT_CHANGE = Cause(
    name="concurrent change",
    explanation="IAM or S3 is busy with another change of the same resource",
    codes=codes.CONCURRENT_CHANGE,
)
NOT_YET_KNOWN = Cause(
    name="not yet known",
    explanation="a resource that was just created has not reached all of AWS yet",
    codes=frozenset({"NoSuchBucket", "NoSuchEntity"}),
    within=60.0,
)
DEAD_LETTER_QUEUE_NOT_YET_KNOWN = Cause(
    name="dead-letter queue not yet known",
    explanation="the new dead-letter queue has not reached all of SQS yet",
    codes=codes.INVALID - {"ValidationException"},
    message=codes.DEAD_LETTER_TARGET_TEXT,
    within=60.0,
)
STILL_ATTACHED = Cause(
    name="still attached",
    explanation="a policy that was just detached has not reached all of IAM yet",
    codes=codes.DELETE_CONFLICT,
    within=60.0,
)
EXECUTION_STILL_ENDING = Cause(
    name="execution still ending",
    explanation="SageMaker still counts an execution of the pipeline as running",
    codes=frozenset({"ConflictException"}),
    within=60.0,
)
PIPELINE_STILL_GOING = Cause(
    name="pipeline still going",
    explanation="an earlier pipeline of that name is still being deleted",
    codes=frozenset({"ValidationException"}),
    message=codes.NAME_TAKEN_TEXT,
    within=60.0,
)


@dataclass(frozen=True)
class Retrier:
    """Repeats calls while a named cause holds.

    `role_not_ready_within` comes from the configuration: the seconds that IAM may take to spread a change.
    """

    on_wait: Callable[[str], None]
    role_not_ready_within: float = ROLE_NOT_READY.within
    time: Time = field(default_factory=Clock)
    recent: RecentChanges = field(default_factory=RecentChanges)

    def call(self, cause: Cause, action: Callable[[], T], *, within: float | None = None) -> T:
        """Returns the result of `action`, repeated while it fails for `cause`; at the end its own error is raised.

        `within` replaces the cause's time limit, in seconds.
        """
        import tenacity  # takes as long as a call; a command that only reads needs none of it

        if within is None:
            within = self.role_not_ready_within if cause.is_propagation else cause.within
        limit, started = within, self.time.clock()
        announced: list[str] = []

        def before_sleep(_state: tenacity.RetryCallState) -> None:
            if not announced:
                announced.append(cause.name)
                self.on_wait(f"Waiting up to {limit:.0f} s: {cause.explanation}.")

        def is_passing(error: BaseException) -> bool:
            return cause.matches(error, changed=self.changed_recently())

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_passing),
            stop=lambda _state: self.time.clock() >= started + limit,
            wait=tenacity.wait_exponential(multiplier=cause.first, max=cause.longest),
            before_sleep=before_sleep,
            sleep=self.time.sleep,
            reraise=True,
        )
        return retrying(action)

    def changed_recently(self) -> bool:
        """Whether this command has written rights or tags that may not be effective everywhere yet."""
        return self.recent.any_since(self.time.clock() - self.role_not_ready_within)

    def poll(self, read: Callable[[], T], is_final: Callable[[T], bool], *, every: float, within: float) -> T:
        """Returns what `read` returns once it is final. Raises polling.TimedOut after `within` s."""
        return polling.poll(read, is_final, every=every, within=within, clock=self.time.clock, sleep=self.time.sleep)
