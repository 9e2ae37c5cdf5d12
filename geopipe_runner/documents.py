"""The documents that programs read: what a plan, an execution or a result looks like as JSON.

Each shape below is the whole definition of one document: `events.schema.json` and the documents themselves follow from
it. `events.py` puts them together into events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, get_args

from . import __version__
from .config.model import CleanupItem, Config
from .errors import ADVICE, ConfigError, GeopipeError
from .hidden_values import HIDDEN, hide_secret, is_secret_name, is_secret_value
from .json_shape import (
    LEFT_OUT,
    Field,
    Included,
    JsonDocument,
    JsonShape,
    Schema,
    anything,
    choice,
    flag,
    many,
    mapping,
    moment,
    one,
    optional,
    text,
    texts,
    whole,
)
from .kinds.base import MISSING, Change
from .reconcile.model import Action, PlannedChange

if TYPE_CHECKING:  # they bring botocore along, which `validate` does not need
    from .aws.account import Account
    from .pipeline.execution import ExecutionInput, ExecutionView
    from .reconcile.apply import ChangeResult
    from .reconcile.model import Plan
    from .reconcile.plan_basis import PlanBasis


class PlanOptions(Protocol):
    """What the command line adds to a plan."""

    @property
    def settings(self) -> tuple[str, ...]: ...

    @property
    def adopt(self) -> frozenset[str]: ...

    @property
    def prune(self) -> bool: ...


DIFFERENT = "(hidden, differs)"
"""The new side of a change whose values are hidden."""

_ACTIONS: Schema = {"enum": [action.value for action in Action]}
_ACCOUNT_ID = "^[0-9]{12}$"

# The schema under `$defs` that no shape defines.
DEFINITIONS: Mapping[str, Schema] = {"action": _ACTIONS}


def shown_sides(change: Change) -> tuple[Any, Any]:
    """Returns the old and the new value of a change as they may be shown; MISSING stays MISSING.

    A value that came from the environment hides the other side too: the other side is an earlier value of it.
    """
    if is_secret_value(change.new) or is_secret_value(change.old):
        if isinstance(change.old, Mapping) or isinstance(change.new, Mapping):
            return _without_secrets(change.old), _without_secrets(change.new)
        return _hidden(change.old, HIDDEN), _hidden(change.new, HIDDEN if change.old is MISSING else DIFFERENT)
    if change.path.split(".")[0] != "environment":
        return change.old, change.new
    if is_secret_name(change.path):
        return _hidden(change.old, HIDDEN), _hidden(change.new, HIDDEN if change.old is MISSING else DIFFERENT)
    return _without_secrets(change.old), _without_secrets(change.new)


def _hidden(side: Any, text_instead: str) -> Any:
    return side if side is MISSING or side is None else text_instead


def _without_secrets(side: Any) -> Any:
    if isinstance(side, Mapping):
        return {name: hide_secret(name, value) for name, value in side.items()}
    return HIDDEN if is_secret_value(side) else side


def _read_side(number: int) -> Any:
    def read(change: Change) -> Any:
        side = shown_sides(change)[number]
        return LEFT_OUT if side is MISSING else side

    return read


def _hidden_digest(source: tuple[PlanBasis, bytes]) -> str:
    basis, salt = source
    return basis.hidden_digest(salt)


def _shown_settings(settings: Iterable[str]) -> list[str]:
    split = [(text, *text.partition("=")[::2]) for text in settings]
    return [text for text, key, value in split if hide_secret(key.rpartition(".")[2], value) != HIDDEN]


def _portable(path: Path) -> str:
    """Returns a path from the current folder, if it is below that: another machine has another folder."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _identity(change: PlannedChange) -> Any:
    if change.action is Action.CREATE:
        return "known after apply"
    return change.observed.identity if change.observed is not None else LEFT_OUT


RESOURCE = JsonShape(
    text("key", "the resource's name within the deployment, such as queue or function", lambda c: c.resource.key),
    text("kind", "such as sqs_queue", lambda c: c.resource.kind.name),
    text("name", "its name on AWS", lambda c: c.resource.name),
    choice("group", get_args(CleanupItem), "what it is cleaned up with", lambda c: c.resource.group),
    name="resource",
)

CHANGE = JsonShape(
    text("path", "attribute path, such as environment.QUEUE_URL"),
    anything("old", "the present value; left out where there is none", _read_side(0)),
    anything("new", "the configured value; left out where there is none", _read_side(1)),
    name="change",
)

PLANNED_CHANGE = JsonShape(
    Included(RESOURCE, lambda change: change),
    Field("action", {"$ref": "#/$defs/action"}, lambda change: change.action.value),
    many("changes", CHANGE),
    Field(
        "identity",
        {"type": "string", "description": 'ARN, URL or UUID; "known after apply" for what does not exist yet'},
        _identity,
        is_required=False,
    ),
    optional(text("reason", "why it is kept or refused")),
    name="step",
)

# Read from (config, region, plan).
PLAN = JsonShape(
    text("deployment", read=lambda source: source[0].deployment),
    text("account_id", read=lambda source: source[0].account_id, pattern=_ACCOUNT_ID),
    text("region", read=lambda source: source[1]),
    mapping(
        "summary",
        "how many resources have each action",
        lambda source: {action.value: len(source[2].having(action)) for action in Action},
        {"type": "integer", "minimum": 0},
        propertyNames={"$ref": "#/$defs/action"},
    ),
    many("steps", PLANNED_CHANGE, lambda source: source[2]),
    name="plan",
)

# Read from (configuration's path, plan basis, the name of its entry in `deployments`).
PLAN_CONFIGURATION = JsonShape(
    text(
        "path", "as `apply` finds it, from the current folder or from that of the plan file", lambda source: source[0]
    ),
    text(
        "entry", "of the file's `deployments`; null in a file with one", lambda source: source[2] or None, nullable=True
    ),
    text("sha256", "of the values that apply", lambda source: source[1].configuration_sha256),
    Field(
        "values",
        {"type": "object", "description": "those that are not defaults; (hidden) for secrets"},
        lambda source: dict(source[1].values),
    ),
)

# Read from the options of the command.
PLAN_OPTIONS = JsonShape(
    texts("set", "`--set` options, without those that set a secret", lambda options: _shown_settings(options.settings)),
    texts("adopt", "resources to take over", lambda options: sorted(options.adopt)),
    flag("prune", "whether orphans are deleted"),
)

FINGERPRINTS = JsonShape(
    mapping("desired", "of each attribute as it should be", lambda basis: dict(basis.desired)),
    mapping("present", "of each attribute as it is", lambda basis: dict(basis.present)),
)

# Read from (planned change, its basis).
SAVED_STEP = JsonShape(
    Included(PLANNED_CHANGE, lambda source: source[0]),
    one("fingerprints", FINGERPRINTS, lambda source: source[1]),
    name="saved_step",
)

PLAN_FILE_VERSION = 1

# Read from (config, account, plan, options, basis, salt).
SAVED_PLAN = JsonShape(
    Field("plan_file", {"const": PLAN_FILE_VERSION}, lambda source: PLAN_FILE_VERSION),
    text("geopipe", "the version that made the plan", lambda source: __version__),
    Included(PLAN, lambda source: (source[0], source[1].region, source[2])),
    text("endpoint", read=lambda source: source[1].endpoint_url, nullable=True),
    one("configuration", PLAN_CONFIGURATION, lambda source: (_portable(source[0].path), source[4], source[0].entry)),
    one("options", PLAN_OPTIONS, lambda source: source[3]),
    one(
        "secrets",
        JsonShape(text("salt", read=lambda source: source[1].hex()), text("digest", read=_hidden_digest)),
        lambda source: (source[4], source[5]),
    ),
    many("steps", SAVED_STEP, lambda source: [(step, source[4].resources[step.key]) for step in source[2]]),
    name="saved_plan",
    about="What `--plan-out` writes, and `apply` takes: a plan and what it was made from.",
)

# Read from (config, account).
PLACE = JsonShape(
    text("deployment", read=lambda source: source[0].deployment),
    text("account_id", read=lambda source: source[1].account_id, pattern=_ACCOUNT_ID),
    text("region", read=lambda source: source[1].region),
    text("endpoint", read=lambda source: source[1].endpoint_url, nullable=True),
    text("config", "the configuration's file name", lambda source: source[0].path.name),
)

DEPLOYMENT_RESULT = JsonShape(
    text("name", "its name among the others of the command, and that of its folder"),
    text("deployment"),
    text("account_id", "null if the configuration could not be read", nullable=True),
    text("region", nullable=True),
    text("config", "the configuration's file name"),
    Field(
        "changes",
        {
            "type": ["object", "null"],
            "propertyNames": {"$ref": "#/$defs/action"},
            "additionalProperties": {"type": "integer", "minimum": 1},
            "description": "how many resources have each action, done or planned; null without a plan",
        },
        lambda result: None if result.changes is None else dict(result.changes),
    ),
    text("execution", "the state of the execution; null if there was none", nullable=True),
    whole("rows", "of the results; null without results", nullable=True),
    Field("seconds", {"type": "number", "minimum": 0}, lambda result: round(result.seconds, 3)),
    whole("exit_code"),
    name="deployment_result",
)

CHANGE_RESULT = JsonShape(
    Included(RESOURCE, lambda result: result.step),
    Field("action", {"$ref": "#/$defs/action"}, lambda result: result.step.action.value),
    optional(text("identity")),
    optional(text("error", read=lambda result: "" if result.error is None else str(result.error))),
)

STEP_OUTLINE = JsonShape(
    text("name"),
    text("type", read=lambda step: step.kind),
    texts("depends_on", "explicitly, by reference, or as a branch of a condition"),
)

CONFIG_VALUE = JsonShape(
    text("key"),
    Field("value", {}, lambda entry: entry.value),
    text("origin", "file and line, a --set option, or default"),
)

CONSOLE_LINK = JsonShape(
    text("key", "the resource's name within the deployment, such as queue or function"),
    text("kind", "in words, such as queue"),
    text("name"),
    text("url"),
)

STEP_NODE = JsonShape(
    text("name"),
    text("type", read=lambda step: step.kind),
    text("inside", "the step in whose branch it is; empty for none"),
    text("branch", "when that branch runs: if true, if false, for each item; empty for none"),
    many(
        "needs",
        JsonShape(
            text("step"),
            texts("reads", "the results that are read, such as output arn"),
            flag("depends_on", "DependsOn names the step"),
            text("trigger", "the state in which the step has to end: Failed, Stopped, Any; empty for Succeeded"),
        ),
        about="the steps that go before",
    ),
)

EXECUTION_INPUT = JsonShape(
    mapping(
        "parameters",
        "of the execution; (hidden) where the name or the value is a secret",
        lambda execution: {name: hide_secret(name, value) for name, value in execution.parameters.items()},
    ),
    many("definition", STEP_OUTLINE, attrgetter("steps"), "the pipeline's steps in order"),
)

# A callback's token is not a field.
EXECUTION_STEP = JsonShape(
    text("name"),
    text("type", "Lambda, Callback, ...", lambda step: step.kind),
    text("status"),
    moment("started"),
    moment("ended"),
    text("failure"),
    mapping("outputs", "", lambda step: {name: hide_secret(name, value) for name, value in step.outputs.items()}),
    name="execution_step",
)

EXECUTION = JsonShape(
    text("arn"),
    text("status"),
    text("run_id"),
    text("failure"),
    many("steps", EXECUTION_STEP),
)

FAILURE = JsonShape(
    choice("code", sorted(ADVICE), "stable; docs/reference/failures.md explains each"),
    text("step", "the pipeline's step, or during set-up the resource's key", nullable=True),
    text("reason"),
    text("job_error", "what the job behind the pipeline reports", nullable=True),
    texts("log_lines", "the function's last lines"),
    text("advice", "what to do"),
    name="failure",
    about="Why a set-up or an execution failed.",
)

PROBLEM = JsonShape(text("file"), whole("line"), whole("column"), text("what"), text("valid"))

ERROR = JsonShape(
    text("message"),
    text("hint"),
    whole("exit_code"),
    one("failure", FAILURE, nullable=True),
    Field(
        "problems",
        {"type": "array", "items": PROBLEM.schema(), "description": "only for a wrong configuration"},
        lambda error: [PROBLEM.build(p) for p in error.problems] if isinstance(error, ConfigError) else LEFT_OUT,
        is_required=False,
    ),
)

RESULTS = JsonShape(
    text("bucket"),
    texts("keys"),
    whole("size", "bytes of the result files"),
    texts("header"),
    whole("rows", "null where they were not counted, since the result is large and not saved", nullable=True),
    whole("valid", "null also where the job does not mark rows as valid", nullable=True),
    text("saved", "results.csv", lambda r: str(r.saved) if r.saved else None, nullable=True),
    texts("files", "everything that was saved"),
    texts("warnings", "what is odd about the files, such as bytes that are not UTF-8"),
)


def plan_document(config: Config, region: str, plan: Iterable[PlannedChange]) -> JsonDocument:
    """Returns a whole plan."""
    return PLAN.build((config, region, plan))


def saved_plan_document(
    config: Config, account: Account, plan: Plan, options: PlanOptions, basis: PlanBasis, salt: bytes
) -> JsonDocument:
    """Returns a plan and what it was made from: what `--plan-out` writes. It shows no secret."""
    return SAVED_PLAN.build((config, account, plan, options, basis, salt))


def failure_document(error: GeopipeError) -> JsonDocument:
    """Returns why a command failed. An error without a code has a reason, and advice."""
    if error.failure is not None:
        return FAILURE.build(error.failure)
    return {
        "code": "",
        "step": None,
        "reason": error.message,
        "job_error": None,
        "log_lines": [],
        "advice": error.hint,
    }


def execution_input_document(execution_input: ExecutionInput) -> JsonDocument:
    """Returns what an execution was started with."""
    return EXECUTION_INPUT.build(execution_input)


def step_documents(view: ExecutionView) -> list[JsonDocument]:
    """Returns the steps of an execution that have started."""
    return [EXECUTION_STEP.build(step) for step in view.steps]


def resource_documents(changes: Iterable[PlannedChange]) -> list[JsonDocument]:
    """Returns which resources `changes` are about."""
    return [RESOURCE.build(change) for change in changes]


def change_result_document(result: ChangeResult) -> JsonDocument:
    """Returns what was done to one resource."""
    return CHANGE_RESULT.build(result)
