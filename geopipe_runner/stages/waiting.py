"""Why an execution does not end: what its callback waits for, where its message is, and which command helps.

The message of a callback goes pipeline -> queue -> event source mapping -> function -> answer. Each station is read,
and the first one that is broken is the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..aws.errors import AWS_ERRORS, reason
from ..aws.not_found import none_if_not_found
from ..aws.parallel import in_parallel
from ..context import Context
from ..deployment import DeployedFunction, DeployedQueue
from ..jobs.registry import job_of
from ..pipeline.execution import ExecutionView, StepView
from ..pipeline.function_log import ExecutionLog, read_function_logs
from ..report.text.messages import span

# Seconds after which a message should be in the queue, and the numbers that SQS reports should be true.
_SENT_WITHIN = 60.0
_LONGEST_LINE = 300


@dataclass(frozen=True)
class Queue:
    """How many messages a queue has, by where they are; approximate, as SQS reports them."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def is_empty(self) -> bool:
        return self.visible + self.in_flight + self.delayed == 0

    def __str__(self) -> str:
        return f"{self.visible} waiting, {self.in_flight} in flight, {self.delayed} delayed"


@dataclass(frozen=True)
class Facts:
    """What was read of the stations. None is what does not exist; `unread` names what could not be read, and why."""

    function: Mapping[str, Any] | None
    mapping: Mapping[str, Any] | None
    queue: Queue | None
    dead_letters: Queue | None
    log: ExecutionLog
    job_state: str
    job_runs: bool
    unread: Mapping[str, str]
    parts: Queue | None = None
    """The queue of parts; None also where the job does not work in parts."""
    dead_parts: Queue | None = None

    def is_missing(self, name: str) -> bool:
        """Whether it was read and does not exist."""
        return getattr(self, name) is None and name not in self.unread


@dataclass(frozen=True)
class Stations:
    """The queue that a callback's message is in, and the function that receives it; None where it is not ours."""

    queue: DeployedQueue | None
    function: DeployedFunction | None


def explain(context: Context, view: ExecutionView) -> tuple[str, ...]:
    """Return why an execution that has not ended still runs, as lines. `view` has its steps."""
    lines: list[str] = []
    waiting = [step for step in view.steps if step.ended is None]
    for step in waiting:
        lines.append(f"Step {step.name} ({step.kind}) has {'waited' if step.token else 'run'} for {_age(step)}.")
    deployment = context.blueprint.deployment
    by_queue: dict[str, list[StepView]] = {}
    for step in waiting:
        if step.token:
            by_queue.setdefault(step.target, []).append(step)
    for url, callbacks in by_queue.items():
        queue = deployment.queue_at(url)
        stations = Stations(queue, deployment.receiver_of(queue) if queue else None)
        oldest = max(_seconds(step) for step in callbacks)
        if len(by_queue) > 1:
            lines.append(f"{', '.join(step.name for step in callbacks)}:")
        lines += _explain_callbacks(context, view, stations, url, oldest)
    return tuple(lines)


def _explain_callbacks(
    context: Context, view: ExecutionView, stations: Stations, url: str, oldest: float
) -> Iterator[str]:
    if stations.queue is None or stations.function is None:
        queue = url.rstrip("/").rpartition("/")[2] or "of the callback"
        yield f"No function of this deployment receives the messages of the queue {queue}."
        yield f"The program that reads it has to answer the callback. {_answer(context, view)} does so by hand."
        return
    facts = read_facts(context, view, stations.queue, stations.function)
    yield from _describe(facts)
    yield from _conclude(context, view, facts, stations.function, oldest)


def read_facts(context: Context, view: ExecutionView, queue: DeployedQueue, function: DeployedFunction) -> Facts:
    """Read every station at the same time. One that cannot be read does not hide the others."""
    aws, config, deployment = context.aws, context.config, context.blueprint.deployment
    job = job_of(config.job)
    unread: dict[str, str] = {}

    def guarded(name: str, read: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            try:
                return none_if_not_found(read)
            except AWS_ERRORS as error:
                unread[name] = reason(error)
                return None

        return run

    reads: dict[str, Callable[[], Any]] = {
        "function": lambda: aws.client("lambda").get_function(FunctionName=function.name),
        "mapping": lambda: _mapping(context, deployment.queue_arn_of(queue), function.name),
        "queue": lambda: _queue(context, deployment.queue_url_of(queue)),
        "log": lambda: read_function_logs(aws, deployment.log_groups, config.pipeline.name, view),
        "job_state": lambda: job.state(aws, view.outputs),
        "job_runs": lambda: bool(job.running(aws).intersection(view.outputs.values())),
    }
    if queue.dead_letter:
        dead_letters = deployment.queue_url_of(deployment.queue(queue.dead_letter))
        reads["dead_letters"] = lambda: _queue(context, dead_letters)
    if deployment.rights.in_parts:
        reads["parts"] = lambda: _queue(context, aws.account.queue_url(config.queue.work_name))
        reads["dead_parts"] = lambda: _queue(context, aws.account.queue_url(config.queue.work_dead_letter_name))
    found = in_parallel({name: guarded(name, read) for name, read in reads.items()})
    return Facts(
        found["function"],
        found["mapping"],
        found["queue"],
        found.get("dead_letters"),
        found["log"] or ExecutionLog(),
        found["job_state"] or "",
        bool(found["job_runs"]),
        unread,
        found.get("parts"),
        found.get("dead_parts"),
    )


def _mapping(context: Context, queue_arn: str, function: str) -> Mapping[str, Any] | None:
    pages = context.aws.client("lambda").get_paginator("list_event_source_mappings")
    listing = pages.paginate(EventSourceArn=queue_arn, FunctionName=function)
    mappings = [mapping for page in listing for mapping in page["EventSourceMappings"]]
    living = [mapping for mapping in mappings if mapping["State"] != "Deleting"]
    return next(iter(living), None)


def _queue(context: Context, url: str) -> Queue:
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    response = context.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return Queue(*(int(response.get("Attributes", {}).get(name, 0)) for name in names))


def _describe(facts: Facts) -> Iterator[str]:
    """The facts, one line each; what is in order and says nothing is left out."""
    if facts.job_state:
        yield f"Its job: {facts.job_state}."
    if facts.queue is not None:
        yield f"Messages in the queue: {facts.queue}."
    if facts.dead_letters is not None and not facts.dead_letters.is_empty:
        yield f"Messages in the dead-letter queue: {facts.dead_letters}."
    if facts.parts is not None:
        yield f"Messages in the queue of parts: {facts.parts}."
    if facts.dead_parts is not None and not facts.dead_parts.is_empty:
        yield f"Messages in the dead-letter queue of parts: {facts.dead_parts}."
    if facts.mapping is not None:
        result = facts.mapping.get("LastProcessingResult", "")
        says_more = result not in ("", "No records processed", "OK")
        yield f"Event source mapping: {facts.mapping['State']}{f', last result {result}' if says_more else ''}."
    if facts.log.errors:
        yield f"The function logged {len(facts.log.errors)} error(s), the last one: {_shorten(facts.log.errors[-1])}"
    for name, why in facts.unread.items():
        yield f"({name.replace('_', ' ')} could not be read: {why})"


def _answer(context: Context, view: ExecutionView) -> str:
    """Return the command that answers the callbacks of an execution by hand."""
    execution_id = view.arn.rsplit("/", 1)[-1]
    command = f"{context.options.program} callbacks {context.config.argument}"
    return f"`{command} --older-than 0s --execution {execution_id} --fail REASON`"


def _conclude(
    context: Context, view: ExecutionView, facts: Facts, receiver: DeployedFunction, oldest: float
) -> Iterator[str]:
    """The cause, and the command that helps."""
    config, program = context.config, context.options.program
    path, execution_id = config.argument, view.arn.rsplit("/", 1)[-1]
    run = f"`{program} run {path}`"
    logs = f"`{program} logs {path} --execution {execution_id}`"
    answer, function = _answer(context, view), receiver.name
    creates = "Its owner has to create it" if receiver.is_used else f"{run} creates it"
    configuration = (facts.function or {}).get("Configuration", {})
    concurrency = (facts.function or {}).get("Concurrency", {}).get("ReservedConcurrentExecutions")
    mapping_state = (facts.mapping or {}).get("State", "")
    if facts.is_missing("function"):
        yield f"The function {function} does not exist, so no message is read. {creates}."
    elif configuration.get("State") == "Failed":
        why = configuration.get("StateReason", "no reason given")
        again = "Its owner has to repair it" if receiver.is_used else f"Delete it; {run} creates it again"
        yield f"The function {function} is Failed: {why}. {again}."
    elif concurrency == 0:
        yield (
            f"The function {function} has a reserved concurrency of 0, so it is never called. "
            f"`aws lambda delete-function-concurrency --function-name {function}` lifts that."
        )
    elif facts.is_missing("queue"):
        yield f"The queue does not exist, and its messages are gone: nothing will answer the callback. {answer} does."
    elif facts.is_missing("mapping"):
        yield f"There is no event source mapping, so no message reaches the function. {run} creates it."
    elif mapping_state in ("Disabled", "Disabling"):
        yield f"The event source mapping is {mapping_state}, so no message reaches the function. {run} enables it."
    elif facts.queue is not None and facts.queue.is_empty and oldest >= _SENT_WITHIN:
        if facts.dead_letters is not None and not facts.dead_letters.is_empty:
            yield (
                "The message is in the dead-letter queue. The function should receive it there and answer "
                "with a failure. "
                f"{logs} shows why it does not."
            )
        else:
            yield f"The queue is empty: the callback's message is gone, and nothing will answer it. {answer} does."
    elif facts.parts is not None and not facts.parts.is_empty and not facts.log.errors:
        yield "Workers process the parts, and the function answers the callback when all are done. Wait for them."
    elif facts.job_runs:
        yield "The job runs, and the function answers the callback when it has ended: there is nothing to do but wait."
    elif facts.log.errors:
        yield f"The function cannot answer the callback. {logs} shows why."
    elif facts.queue is not None and facts.queue.in_flight:
        yield "A message is in flight: the function has it, or it comes again soon. Wait a minute."
    else:
        yield f"Nothing seems to be broken. If this lasts, {logs} shows what the function does."


def _age(step: StepView) -> str:
    return span(_seconds(step))


def _seconds(step: StepView) -> float:
    return max(0.0, (datetime.now(UTC) - step.started).total_seconds()) if step.started else 0.0


def _shorten(line: str) -> str:
    text = " ".join(line.split())
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}..."
