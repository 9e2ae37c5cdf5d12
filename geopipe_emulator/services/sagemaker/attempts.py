"""One step of one execution, from its resolved values to its result: the cache, and the attempts of its job.

Values are resolved here and not when the step is scheduled, because Std:JsonGet reads objects.
"""

from __future__ import annotations

import secrets
import string
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ...service import Environment
from .caching import cache_key, find_cached
from .execution import LOST_TEXT, Now, PipelineExecution, StepRun
from .objects import read_object
from .retries import policy_for
from .steps.base import SESSION, Activity, StepResult, Task
from .values import ExpressionError, ResolutionScope, resolve

_SUFFIX_LENGTH = 10
_SUFFIX_ALPHABET = string.ascii_letters + string.digits
_STEP_NAME_LENGTH = 20
_LONGEST_NAME = 63


class Attempts:
    """The activity of a step as its execution sees it. Each attempt has an activity of the step's type.

    `spawn` runs a function on another thread, and `siblings` returns the executions of the same pipeline.
    """

    def __init__(
        self,
        environment: Environment,
        execution: PipelineExecution,
        run: StepRun,
        scope: ResolutionScope,
        *,
        finish: Callable[[StepResult], None],
        spawn: Callable[[Callable[[], None]], bool],
        siblings: Callable[[], list[PipelineExecution]],
        now: Now,
    ) -> None:
        self._environment = environment
        self._execution = execution
        self._run = run
        self._scope = replace(scope, read_object=self._read_object)
        self._finish = finish
        self._spawn = spawn
        self._siblings = siblings
        self._now = now
        self._started_at = time.monotonic()
        # Seconds that the waits between attempts would have taken on AWS in addition.
        self._skipped_seconds = 0.0
        self._lock = threading.Lock()
        self._number = 0
        self._activity: Activity | None = None
        self._stopping = threading.Event()

    def run(self) -> None:
        self._attempt(self._number)

    def resume(self) -> None:
        """Continue after an earlier process has ended: start what had not begun, or fail what is lost."""
        if self._run.status == "Starting":
            self.run()
            return
        if self._run.status == "Stopping":
            self._stopping.set()
        step_type = self._run.step.type
        task = self._open_task(self._number)
        activity = step_type.resume(task, self._run.metadata) if task is not None else None
        if activity is not None:
            self._begin(activity)
        elif task is not None:
            self._finish(StepResult.failure(LOST_TEXT))

    def stop(self) -> None:
        with self._lock:
            self._stopping.set()
            activity = self._activity
        if activity is not None:
            activity.stop()

    def _attempt(self, number: int) -> None:
        task = self._open_task(number)
        if task is not None and not (number == 0 and self._reuse()):
            self._begin(self._run.step.type.open(task))

    def _open_task(self, number: int) -> Task | None:
        """Return the task of an attempt; None after a failure to resolve its values, which ends the step."""
        step, request = self._run.step, self._execution.request
        try:
            job_name = self._job_name()
            own = {step.type.job_variable: job_name} if step.type.job_variable else {}
            body = resolve(step.body, replace(self._scope, execution={**self._scope.execution, **own}))
        except ExpressionError as error:
            self._finish(StepResult.failure(f"Client Error: {error}"))
            return None
        self._run.cache_key = cache_key(step, body)
        return Task(
            step,
            body,
            request.arn,
            job_name,
            request.role_arn,
            self._environment.settings.account_id,
            request.region,
            publish=partial(self._execution.publish, self._run),
            finish=partial(self._end_attempt, number),
            spawn=self._spawn,
        )

    def _begin(self, activity: Activity) -> None:
        with self._lock:
            self._activity = activity
            is_stopping = self._stopping.is_set()
        if is_stopping:
            activity.stop()
        activity.run()

    def _reuse(self) -> bool:
        """End the step with the result of an earlier run of it, if its cache has one."""
        cached = find_cached(self._run.step, self._run.cache_key, self._siblings(), self._now())
        if cached is None:
            return False
        execution, run = cached
        self._execution.publish(self._run, run.metadata)
        self._finish(
            StepResult(
                True,
                properties=run.properties,
                property_files=run.property_files,
                cache_source=execution.request.arn,
            )
        )
        return True

    def _end_attempt(self, number: int, result: StepResult) -> None:
        with self._lock:
            if number != self._number:
                return  # the late result of an earlier attempt
            delay = self._delay(result)
            if delay is not None:
                self._number += 1
        if delay is None:
            self._finish(result)
        else:
            self._spawn(partial(self._try_again, number + 1, delay, result))

    def _delay(self, result: StepResult) -> float | None:
        """Return the seconds, as AWS counts them, after which the step is tried again; None if it is not."""
        if result.succeeded or not result.exception or self._stopping.is_set():
            return None
        policy = policy_for(self._run.step.body, result.exception)
        elapsed = time.monotonic() - self._started_at + self._skipped_seconds
        return policy.delay(self._number, elapsed) if policy else None

    def _try_again(self, number: int, delay: float, result: StepResult) -> None:
        wait = delay * self._environment.settings.time_scale
        self._skipped_seconds += delay - wait
        if self._stopping.wait(wait) or not self._execution.begin_attempt(self._run):
            self._finish(result)
        else:
            self._attempt(number)

    def _job_name(self) -> str:
        """Return a new name for the step's job, in the form of the service, or with the prefix that the step gives."""
        step = self._run.step
        suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(_SUFFIX_LENGTH))
        arguments: Mapping[str, Any] = step.body.get("Arguments", {})
        given = resolve(arguments.get(step.type.job_variable), self._scope) if step.type.job_variable else None
        prefix = given if isinstance(given, str) else self._default_prefix()
        return f"{prefix[: _LONGEST_NAME - _SUFFIX_LENGTH - 1]}-{suffix}"

    def _default_prefix(self) -> str:
        return f"pipelines-{self._execution.request.id}-{self._run.step.name[:_STEP_NAME_LENGTH]}"

    def _read_object(self, uri: str) -> bytes:
        request = self._execution.request
        try:
            return read_object(self._environment.client_as(request.role_arn, SESSION, "s3", request.region), uri)
        except (ValueError, ClientError, BotoCoreError) as error:
            raise ExpressionError(f"{uri} cannot be read: {error}") from None
