"""Lambda functions in every state that AWS has; the emulator shows only the successful ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import botocore.loaders
import pytest

from geopipe_runner.aws import artifact, function_state
from geopipe_runner.aws.retry import Retrier
from geopipe_runner.deployment import OWNER_TAG
from geopipe_runner.errors import AwsError
from geopipe_runner.kinds.base import Change, Observed
from geopipe_runner.kinds.lambda_function import FunctionSpec, LambdaFunction
from tests.support.runner_fakes import ACCOUNT_ID, FakeTime, answer_error

ARN = f"arn:aws:lambda:us-west-2:{ACCOUNT_ID}:function:f"
URL = f"https://sqs.us-west-2.amazonaws.com/{ACCOUNT_ID}/q"
TAGS = {OWNER_TAG: "local"}
KIND = LambdaFunction()
ACTIVE = {"State": "Active", "LastUpdateStatus": "Successful"}
PENDING = {"State": "Pending", "LastUpdateStatus": "InProgress"}
BROKEN = {"State": "Failed", "StateReason": "The role cannot be used.", "StateReasonCode": "InvalidConfiguration"}
NOT_UPDATED = {
    "State": "Active",
    "LastUpdateStatus": "Failed",
    "LastUpdateStatusReason": "No such key.",
    "LastUpdateStatusReasonCode": "KMSKeyNotFound",
}
UPDATING = {"State": "Active", "LastUpdateStatus": "InProgress"}


PACKAGE = artifact.Package(b"zip", artifact.code_sha256(b"zip"), {"handler.py": "0" * 64})
SPEC = FunctionSpec(
    name="f",
    role_arn=f"arn:aws:iam::{ACCOUNT_ID}:role/r",
    handler="handler.main",
    runtime="python3.13",
    timeout=90,
    memory=256,
    environment={"QUEUE_URL": URL, "COLOR": "blue"},
    package=PACKAGE,
    tags=TAGS,
)


class FakeLambda:
    """One function with the states of `script`, one after the other; None: it does not exist."""

    def __init__(self, *script: dict[str, str] | None, refusals: int = 0, **answer: Any) -> None:
        self.script = list(script)
        self.refusals = refusals
        self.answer = answer
        self.calls: list[str] = []
        self.time = FakeTime()

    @property
    def aws(self) -> Any:
        return SimpleNamespace(client=lambda _service: self, retrier=Retrier(self.calls.append, time=self.time))

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        state = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if state is None:
            raise answer_error("ResourceNotFoundException")
        return {"FunctionName": FunctionName, **state}

    def get_function(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        environment = {"Variables": dict(SPEC.environment)}
        found = {
            "FunctionArn": ARN,
            "Role": SPEC.role_arn,
            "Handler": SPEC.handler,
            "Runtime": SPEC.runtime,
            "Timeout": SPEC.timeout,
            "MemorySize": SPEC.memory,
            "CodeSha256": PACKAGE.sha256,
            "Environment": environment,
        }
        state = self.get_function_configuration(FunctionName)
        return {"Configuration": found | state, "Code": {}, "Tags": TAGS} | self.answer

    def create_function(self, **_: Any) -> dict[str, str]:
        self.calls.append("create")
        if self.refusals:
            self.refusals -= 1
            raise answer_error("ResourceConflictException", "Function already exist: f")
        return {"FunctionArn": ARN}

    def update_function_code(self, **parameters: Any) -> None:
        assert parameters == {"FunctionName": "f", "ZipFile": PACKAGE.content}
        self.calls.append("code")

    def update_function_configuration(self, **parameters: Any) -> None:
        assert parameters["Environment"] == {"Variables": SPEC.environment}
        self.calls.append("configuration")


def observe(fake: FakeLambda) -> Observed | None:
    return KIND.observe(fake.aws, SPEC)


def changes(fake: FakeLambda) -> tuple[Change, ...]:
    found = observe(fake)
    assert found is not None
    return KIND.compare(SPEC, found)


def enum(name: str) -> set[str]:
    shapes = botocore.loaders.Loader().load_service_model("lambda", "service-2")["shapes"]
    return set(shapes[name]["enum"])


def test_the_states_are_those_of_the_service() -> None:
    for table, name in ((function_state.STATES, "State"), (function_state.UPDATES, "LastUpdateStatus")):
        assert table.running | table.succeeded | table.failed == enum(name)
        assert not table.running & (table.succeeded | table.failed)


@pytest.mark.parametrize("state", sorted(enum("State") - {"Failed", "Deleting"}))
def test_a_state_that_is_no_failure_is_no_difference(state: str) -> None:
    assert changes(FakeLambda({"State": state})) == ()


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (BROKEN, "failed: The role cannot be used."),
        (NOT_UPDATED, "update failed: No such key."),
        ({"State": "Failed"}, "failed: Lambda gives no reason"),
    ],
)
def test_a_failure_is_a_difference_with_its_reason(state: dict[str, str], shown: str) -> None:
    assert changes(FakeLambda(state)) == (Change("state", shown, "ready"),)


@pytest.mark.parametrize("state", [BROKEN, NOT_UPDATED])
def test_a_failure_is_repaired_by_code_and_configuration(state: dict[str, str]) -> None:
    fake = FakeLambda(UPDATING, state, UPDATING, ACTIVE, UPDATING, ACTIVE)
    KIND.update(fake.aws, SPEC, Observed(ARN, {}, TAGS), (Change("state", "failed", "ready"),))
    assert fake.calls == ["code", "configuration"]
    assert changes(fake) == ()


def test_code_that_fails_for_the_configuration_is_repaired_by_it() -> None:
    fake = FakeLambda(ACTIVE, NOT_UPDATED, ACTIVE)
    both = (Change("code.sha256", "a", "b"), Change("handler", "a", "b"))
    KIND.update(fake.aws, SPEC, Observed(ARN, {}, TAGS), both)
    assert fake.calls == ["code", "configuration"]


@pytest.mark.parametrize("path", ["code.sha256", "timeout"])
def test_an_update_that_fails_is_reported_with_its_reason(path: str) -> None:
    fake = FakeLambda(ACTIVE, UPDATING, NOT_UPDATED)
    with pytest.raises(AwsError, match="could not set up the function f: update failed: No such key") as caught:
        KIND.update(fake.aws, SPEC, Observed(ARN, {}, TAGS), (Change(path, "a", "b"),))
    assert "Fix the cause" in caught.value.hint


def test_a_creation_that_fails_is_reported_with_its_reason() -> None:
    with pytest.raises(AwsError, match="failed: The role cannot be used"):
        KIND.create(FakeLambda(PENDING, BROKEN).aws, SPEC)


def test_a_function_on_its_way_out_is_gone_and_waited_for() -> None:
    fake = FakeLambda({"State": "Deleting"}, {"State": "Deleting"}, {"State": "Deleting"}, None, ACTIVE, refusals=1)
    assert observe(fake) is None
    assert KIND.create(fake.aws, SPEC) == ARN
    assert fake.calls == ["create", "create"]


def test_a_function_that_exists_is_no_reason_to_wait() -> None:
    from botocore.exceptions import ClientError

    fake = FakeLambda(ACTIVE, refusals=1)
    with pytest.raises(ClientError, match="already exist"):
        KIND.create(fake.aws, SPEC)
    assert fake.time.slept == []


def test_waiting_has_an_end() -> None:
    with pytest.raises(AwsError, match="f is still Pending, its last update InProgress after 180 s"):
        function_state.wait_until_idle(FakeLambda(PENDING).aws, "f")
    with pytest.raises(AwsError, match="f is still Deleting after 180 s"):
        function_state.wait_until_deleted(FakeLambda({"State": "Deleting"}).aws, "f")


def test_tags_that_may_not_be_seen_are_no_missing_tags() -> None:
    fake = FakeLambda(ACTIVE, Tags={}, TagsError={"ErrorCode": "AccessDeniedException", "Message": "no ListTags"})
    with pytest.raises(AwsError, match="tags: AccessDeniedException: no ListTags") as caught:
        observe(fake)
    assert "lambda:ListTags" in caught.value.hint


def test_an_environment_that_cannot_be_read_is_no_empty_one() -> None:
    error = {"ErrorCode": "AccessDeniedException", "Message": "Lambda was unable to decrypt the environment"}
    fake = FakeLambda(ACTIVE | {"Environment": {"Error": error}})  # type: ignore[arg-type, operator]
    with pytest.raises(AwsError, match="unable to decrypt") as caught:
        observe(fake)
    assert "kms:Decrypt" in caught.value.hint


SPELLINGS = [
    pytest.param(f"https://us-west-2.queue.amazonaws.com/{ACCOUNT_ID}/q", True, id="older name of the host"),
    pytest.param(f"http://127.0.0.1:4566/{ACCOUNT_ID}/q", True, id="an emulator's port"),
    pytest.param(f"https://sqs.us-west-2.amazonaws.com/{ACCOUNT_ID}/other", False, id="another queue"),
    pytest.param("https://sqs.us-west-2.amazonaws.com/111122223333/q", False, id="another account"),
]


@pytest.mark.parametrize(("url", "same"), SPELLINGS)
def test_queues_are_distinguished_by_account_and_name(url: str, same: bool) -> None:
    environment: Any = {"Variables": {"QUEUE_URL": url, "COLOR": "blue"}}
    found = changes(FakeLambda(ACTIVE | {"Environment": environment}))
    assert [change.path for change in found] == ([] if same else ["environment.QUEUE_URL"])


def test_other_variables_are_compared_whole() -> None:
    environment: Any = {"Variables": {"QUEUE_URL": URL, "COLOR": "http://127.0.0.1:1/blue"}}
    found = changes(FakeLambda(ACTIVE | {"Environment": environment}))
    assert [change.path for change in found] == ["environment.COLOR"]
