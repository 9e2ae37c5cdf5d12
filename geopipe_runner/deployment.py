"""A deployment: the names, ARNs and tags that follow from one configuration in one account.

Its queues, functions and mappings are lists: another one is an entry there, and the resource kinds need no change.

It is built once per command and complete from the start. Two facts can only be read from AWS, and replace the computed
ones when they are known: the account that answered, and the ARNs of adopted roles, which keep their own path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .aws.account import Account
from .config.aws_rules import REGION
from .config.file_rules import code_prefix
from .config.model import Config, FunctionConfig, QueueConfig, RoleConfig

IAM_ROOT = "/geopipe/"
OWNER_TAG = "geopipe:deployment"
"""Carries the deployment's name on everything that is ours."""

ADOPTED_TAG = "geopipe:adopted"
"""Marks what existed before us and was adopted. Cleanup never deletes it."""


_DAY = 24 * 3600
_DEFAULT_RETENTION = 4 * _DAY
_LONGEST_RETENTION = 14 * _DAY
# Lambda's advice for queues that feed a function.
_VISIBILITY_PER_TIMEOUT = 6
_PART_RECEIVE_COUNT = 5


WORKER_HANDLER = "part_worker.lambda_handler"
"""The worker's function in the code of the main one."""


@dataclass(frozen=True)
class Grant:
    """Actions that the function's role is allowed on one kind of resource, in either scope of its policy.

    `resource` is an ARN with `{partition}`, `{region}` and `{account_id}` in it.
    """

    actions: tuple[str, ...]
    resource: str


@dataclass(frozen=True)
class JobRights:
    """What a job kind needs of the deployment."""

    in_parts: bool = False
    """Whether the function does the work itself, in parts: then there is a queue of parts, and a worker function."""
    grants: tuple[Grant, ...] = ()
    """What the function may do for the job, where its actions know resources."""

    trusted_services: tuple[str, ...] = ()
    """Services besides SageMaker that assume the pipeline's role. The function passes the role to them."""
    function_actions: tuple[str, ...] = ()
    """What the function does for the job. These actions know no resource, so they are granted on `*`."""
    role_actions: tuple[str, ...] = ()
    """What the job does with the pipeline's role, besides reading and writing the bucket; granted on `*` too."""


@dataclass(frozen=True)
class DeployedQueue:
    """One SQS queue. `dead_letter` is the key of the queue that takes what was received too often."""

    key: str
    name: str
    visibility_timeout: int
    """Seconds."""
    retention: int
    """Seconds."""
    dead_letter: str = ""
    max_receive_count: int = 0
    is_used: bool = False
    """Whether others make it, and it is only used; its settings are theirs then."""


@dataclass(frozen=True)
class DeployedFunction:
    """One Lambda function and its log group. All functions of a deployment have the same role."""

    key: str
    log_group_key: str
    name: str
    handler: str
    timeout: int
    memory: int
    environment: Mapping[str, str]
    settings: FunctionConfig
    """The section of the configuration that it comes from."""
    package: str
    """The key of its zip among those that are built: that of the section."""
    is_worker: bool = False
    """Whether only a queue calls it, and no step of the pipeline."""

    @property
    def is_used(self) -> bool:
        """Whether others make it, and it is only used."""
        return self.settings.is_used

    @property
    def log_group(self) -> str:
        """Returns the group Lambda writes to; AWS derives it from the function's name."""
        return f"/aws/lambda/{self.name}"


@dataclass(frozen=True)
class DeployedMapping:
    """One event source mapping: the queue and the function, by their keys, and how messages are passed on."""

    key: str
    queue: str
    function: str
    batch_size: int
    maximum_concurrency: int | None = None
    """How many invocations may run at the same time; None: as many as Lambda likes."""


@dataclass(frozen=True)
class NamedResource:
    """A function or queue that the pipeline's definition names and the configuration does not."""

    step_type: str
    """Lambda or Callback."""
    place: str
    """Its ARN or URL."""
    named_by: str
    """What names it, in words."""


@dataclass(frozen=True)
class Deployment:
    """Everything a kind derives its resources from, except what is built locally (`kinds.base.Artifacts`)."""

    config: Config
    account: Account
    rights: JobRights
    """What the configured job kind needs."""
    role_arns: Mapping[str, str] = field(default_factory=dict)
    """The ARNs of managed roles as AWS has them, by role name. Those not listed are computed."""
    role_ids: Mapping[str, str] = field(default_factory=dict)
    """AWS's ids of managed roles, by role name; "" for a role that does not exist. Empty before they are read."""

    @property
    def tags(self) -> Mapping[str, str]:
        """The user's tags and ours."""
        return {**self.config.tags, OWNER_TAG: self.config.deployment}

    @property
    def iam_path(self) -> str:
        """The path of our roles and policies. It finds them without knowing their names."""
        return f"{IAM_ROOT}{self.config.deployment}/"

    @property
    def code_prefix(self) -> str:
        """The place in the bucket of zips that are too large to go to Lambda directly."""
        return code_prefix(self.config.deployment)

    @property
    def lock_key(self) -> str:
        """The object in the bucket that keeps a second command away."""
        return f"geopipe/{self.config.deployment}/lock.json"

    def role_arn(self, role: RoleConfig) -> str:
        """Returns the ARN of a role: the configured one if the role is only used, else AWS's, else the computed one."""
        return role.arn or self.role_arns.get(role.name) or self.account.iam_arn(f"role{self.iam_path}{role.name}")

    @property
    def lambda_role_arn(self) -> str:
        return self.role_arn(self.config.iam.lambda_role)

    @property
    def sagemaker_role_arn(self) -> str:
        return self.role_arn(self.config.iam.sagemaker_role)

    @cached_property
    def queues(self) -> tuple[DeployedQueue, ...]:
        """All queues, each after its dead-letter queue."""
        found: list[DeployedQueue] = []
        for key, queue in self.config.every_queue.items():
            if queue.is_used:
                found.append(DeployedQueue(self._key("queue", key), queue.name, 0, 0, is_used=True))
            else:
                found += self._with_dead_letters(self._key("queue", key), queue)
        if self.rights.in_parts:
            found += self._queues_of_parts()
        return tuple(found)

    def _with_dead_letters(self, key: str, queue: QueueConfig) -> tuple[DeployedQueue, DeployedQueue]:
        # A dead-letter queue keeps messages longer than the queue before it does.
        dead = DeployedQueue(f"dead_letter_{key}", queue.dead_letter_name, queue.visibility_timeout, _LONGEST_RETENTION)
        callbacks = DeployedQueue(
            key, queue.name, queue.visibility_timeout, self._retention, dead.key, queue.max_receive_count
        )
        return dead, callbacks

    def _queues_of_parts(self) -> tuple[DeployedQueue, DeployedQueue]:
        queue = self.config.queue
        dead = DeployedQueue(
            "work_dead_letter_queue", queue.work_dead_letter_name, queue.visibility_timeout, _LONGEST_RETENTION
        )
        visibility = _VISIBILITY_PER_TIMEOUT * self.config.job.worker_timeout
        parts = DeployedQueue("work_queue", queue.work_name, visibility, self._retention, dead.key, _PART_RECEIVE_COUNT)
        return dead, parts

    @property
    def _retention(self) -> int:
        """A message waits in a queue until its job is done: a day more than the deadline of the callback."""
        return max(_DEFAULT_RETENTION, self.config.execution.callback_deadline + _DAY)

    @cached_property
    def functions(self) -> tuple[DeployedFunction, ...]:
        """All functions; a worker is the last one."""
        found = [
            DeployedFunction(
                self._key("function", key),
                self._key("log_group", key),
                function.name,
                function.handler,
                function.timeout,
                function.memory,
                self._environment(key, function),
                function,
                key,
            )
            for key, function in self.config.every_function.items()
        ]
        return (*found, self._worker(found[0])) if self.rights.in_parts else tuple(found)

    def _environment(self, key: str, function: FunctionConfig) -> dict[str, str]:
        environment, queue = dict(function.environment), self.config.queue_of(key)
        if queue:
            settings = self.config.every_queue[queue]
            environment["QUEUE_URL"] = self.account.queue_url(settings.name)
            if not settings.is_used:
                environment["DEAD_LETTER_QUEUE_URL"] = self.account.queue_url(settings.dead_letter_name)
            environment["CALLBACK_DEADLINE_SECONDS"] = str(self.config.execution.callback_deadline)
        if self.rights.in_parts:
            environment["WORK_QUEUE_URL"] = self.account.queue_url(self.config.queue.work_name)
            environment["WORK_DEAD_LETTER_QUEUE_URL"] = self.account.queue_url(self.config.queue.work_dead_letter_name)
        return environment

    def _worker(self, main: DeployedFunction) -> DeployedFunction:
        """Returns the function that works on the parts: the code of the main one, with another handler."""
        job = self.config.job
        pace = {"REQUESTS_PER_SECOND": f"{job.max_requests_per_second:g}", "WORKERS": str(job.workers)}
        return DeployedFunction(
            "worker",
            "worker_log_group",
            self.config.function.worker_name,
            WORKER_HANDLER,
            job.worker_timeout,
            job.worker_memory,
            {**main.environment, **pace},
            main.settings,
            main.package,
            is_worker=True,
        )

    @cached_property
    def mappings(self) -> tuple[DeployedMapping, ...]:
        """All mappings from a queue to a function."""
        found: list[DeployedMapping] = []
        for key, function in self.config.every_function.items():
            queue = self.config.queue_of(key)
            if queue:
                queue, target = self._key("queue", queue), self._key("function", key)
                mapping = self._key("mapping", key)
                found.append(DeployedMapping(mapping, queue, target, function.batch_size))
                if self.queue(queue).dead_letter:
                    dead_letters = self.queue(queue).dead_letter
                    dead = DeployedMapping(f"dead_letter_{mapping}", dead_letters, target, function.batch_size)
                    found.append(dead)
        if self.rights.in_parts:
            # One part is one message: a worker that runs short of time hands back only that one.
            found.append(DeployedMapping("work_mapping", "work_queue", "worker", 1, self.config.job.workers))
            batch_size = self.config.function.batch_size
            dead = DeployedMapping("work_dead_letter_mapping", "work_dead_letter_queue", "function", batch_size)
            found.append(dead)
        return tuple(found)

    def _key(self, kind: str, key: str) -> str:
        """Returns the key of a resource. The one function and the one queue of the short form need no key of theirs."""
        several = self.config.queues if kind == "queue" else self.config.functions
        return kind if several is None else f"{kind}.{key}"

    @property
    def managed_functions(self) -> tuple[DeployedFunction, ...]:
        """The functions that are not only used."""
        return tuple(function for function in self.functions if not function.is_used)

    @property
    def step_functions(self) -> Mapping[str, DeployedFunction]:
        """The functions that steps of the pipeline call, by their keys in the configuration."""
        return {function.package: function for function in self.functions if not function.is_worker}

    @property
    def callback_queues(self) -> Mapping[str, DeployedQueue]:
        """The queues that take the messages of Callback steps, by their keys in the configuration."""
        return {key: self.queue(self._key("queue", key)) for key in self.config.every_queue}

    def queue(self, key: str) -> DeployedQueue:
        """Returns the queue with this key."""
        return next(queue for queue in self.queues if queue.key == key)

    def function(self, key: str) -> DeployedFunction:
        """Returns the function with this key."""
        return next(function for function in self.functions if function.key == key)

    def function_arn_of(self, function: DeployedFunction) -> str:
        """Returns the ARN of one function."""
        return function.settings.arn or self.account.arn("lambda", f"function:{function.name}")

    def queue_arn_of(self, queue: DeployedQueue) -> str:
        """Returns the ARN of one queue."""
        return self.account.arn("sqs", queue.name)

    def queue_url_of(self, queue: DeployedQueue) -> str:
        """Returns the URL of one queue."""
        return self.account.queue_url(queue.name)

    def queue_at(self, url: str) -> DeployedQueue | None:
        """Returns the queue for callbacks with this URL; without a URL, the only one."""
        queues = [*self.callback_queues.values()]
        if not url:
            return queues[0] if len(queues) == 1 else None
        # The host in a URL can be written differently.
        place = url.rstrip("/").split("/")[-2:]
        return next((queue for queue in queues if [self.account.account_id, queue.name] == place), None)

    def function_at(self, arn: str) -> DeployedFunction | None:
        """Returns the function with this ARN, which a step of the pipeline calls."""
        return next((f for f in self.step_functions.values() if self.function_arn_of(f) == arn), None)

    def name_at(self, url: str) -> str | None:
        """Returns the name of the queue with this URL; None if it is one of another account or region."""
        _, _, host, owner, name = url.rstrip("/").split("/")
        regions = [label for label in host.split(".") if REGION.fullmatch(label)]
        is_here = owner == self.account.account_id and regions in ([], [self.account.region])
        return name if is_here else None

    def receiver_of(self, queue: DeployedQueue) -> DeployedFunction | None:
        """Returns the function that receives the messages of a queue."""
        return next((self.function(mapping.function) for mapping in self.mappings if mapping.queue == queue.key), None)

    @property
    def queue_arns(self) -> tuple[str, ...]:
        """The ARNs of all queues that feed a function of ours."""
        ours = {function.key for function in self.managed_functions}
        return tuple(self.queue_arn_of(self.queue(m.queue)) for m in self.mappings if m.function in ours)

    @property
    def log_groups(self) -> tuple[str, ...]:
        """The log groups of all functions, those of the pipeline's steps first."""
        return tuple(function.log_group for function in self.functions)

    @property
    def function_arn(self) -> str:
        """The ARN of the only function that steps call; "" where there are several or none."""
        functions = [*self.step_functions.values()]
        return self.function_arn_of(functions[0]) if len(functions) == 1 else ""

    @property
    def queue_url(self) -> str:
        """The URL of the only queue for callbacks; "" where there are several or none."""
        queues = [*self.callback_queues.values()]
        return self.queue_url_of(queues[0]) if len(queues) == 1 else ""
