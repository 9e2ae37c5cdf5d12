"""The function's optional settings: written where the configuration names them, and left alone where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from geopipe_runner.aws.account import Account
from geopipe_runner.aws.clock import Clock
from geopipe_runner.aws.retry import Retrier
from geopipe_runner.errors import RefusedError
from geopipe_runner.kinds.base import MISSING, Change, Resource
from geopipe_runner.reconcile.model import Action, Plan
from tests.support.kinds import ACCOUNT, REGION, World, blueprint_of, write_config

MakeWorld = Callable[..., World]

KEY = "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = KEY.replace("1234abcd", "abcd1234")
LAYER = "arn:aws:lambda:us-west-2:123456789012:layer:geometry:3"
NETWORK = {"subnet_ids": ["subnet-b", "subnet-a"], "security_group_ids": ["sg-a"]}
SETTINGS: Mapping[str, Any] = {
    "architecture": "arm64",
    "ephemeral_storage": 2048,
    "reserved_concurrency": 5,
    "tracing": "Active",
    "kms_key": KEY,
}
"""Those that the emulator keeps."""


def by_hand(client: Any, name: str, package: bytes, setting: str) -> None:
    if setting == "architecture":
        client.update_function_code(FunctionName=name, ZipFile=package, Architectures=["x86_64"])
    elif setting == "reserved_concurrency":
        client.delete_function_concurrency(FunctionName=name)
    else:
        changes = {
            "ephemeral_storage": {"EphemeralStorage": {"Size": 512}},
            "tracing": {"TracingConfig": {"Mode": "PassThrough"}},
            "kms_key": {"KMSKeyArn": OTHER_KEY},
        }
        client.update_function_configuration(FunctionName=name, **changes[setting])
    client.get_waiter("function_updated_v2").wait(FunctionName=name)


def test_settings_are_created_and_their_drift_is_undone(make_world: MakeWorld) -> None:
    world = make_world(function=dict(SETTINGS))
    world.apply([*world.closure("function"), "function"])
    assert world.step("function").action is Action.KEEP
    function, client = world.resource("function"), world.hands.client("lambda")
    for setting, value in SETTINGS.items():
        by_hand(client, function.name, function.spec.package.content, setting)
        step = world.step("function")
        assert [(change.path, change.new) for change in step.changes] == [(setting, value)]
        world.apply_plan(Plan((step,)))
        assert world.step("function").changes == ()


def test_settings_that_the_configuration_leaves_out_are_left_alone(make_world: MakeWorld) -> None:
    world = make_world()
    world.apply([*world.closure("function"), "function"])
    client, function = world.hands.client("lambda"), world.resource("function")
    client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=3)
    client.update_function_configuration(FunctionName=function.name, KMSKeyArn=OTHER_KEY, Timeout=99)
    client.get_waiter("function_updated_v2").wait(FunctionName=function.name)
    world.apply(["function"])
    after = client.get_function(FunctionName=function.name)
    assert (after["Configuration"]["KMSKeyArn"], after["Configuration"]["Timeout"]) == (OTHER_KEY, 30)
    assert after["Concurrency"] == {"ReservedConcurrentExecutions": 3}


class SettingsLambda:
    """Keeps what it is asked to do. It is always ready."""

    def __init__(self, package_type: str = "Zip") -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._configuration = {"State": "Active", "LastUpdateStatus": "Successful", "PackageType": package_type}

    @property
    def aws(self) -> Any:
        return SimpleNamespace(client=lambda _service: self, retrier=Retrier(lambda _text: None, time=Clock()))

    def get_function_configuration(self, **_: Any) -> dict[str, Any]:
        return self._configuration

    def get_role(self, **_: Any) -> dict[str, Any]:
        return {"Role": {"RoleId": "AROA"}}

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> dict[str, str]:
            self.calls.append((operation, parameters))
            return {"FunctionArn": "arn:f"}

        return call


def function_of(folder: Path, **settings: Any) -> Resource:
    config = write_config(folder, "settings", None, target="aws", function=settings)
    resources = blueprint_of(config, Account(ACCOUNT, REGION)).resources
    return next(resource for resource in resources if resource.key == "function")


def test_layers_and_vpc_are_sent_as_lambda_takes_them(tmp_path: Path) -> None:
    resource, fake = function_of(tmp_path, layers=[LAYER], vpc=NETWORK), SettingsLambda()
    resource.kind.create(fake.aws, resource.spec)
    changes = (Change("layers", [], [LAYER]), Change("vpc.subnet_ids", [], ["subnet-a", "subnet-b"]))
    resource.kind.update(fake.aws, resource.spec, SimpleNamespace(identity="arn:f"), changes)  # type: ignore[arg-type]
    assert [operation for operation, _ in fake.calls] == ["create_function", "update_function_configuration"]
    for _, parameters in fake.calls:
        assert parameters["Layers"] == [LAYER]
        network = {"SubnetIds": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-a"]}
        assert parameters["VpcConfig"] == network


@pytest.mark.parametrize(
    ("settings", "actions"),
    [
        ({"vpc": NETWORK}, {"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"}),
        ({"tracing": "Active"}, {"xray:PutTraceSegments"}),
    ],
)
def test_the_policy_allows_what_a_setting_needs_before_the_function_has_it(
    tmp_path: Path, settings: dict[str, Any], actions: set[str]
) -> None:
    config = write_config(tmp_path, "rights", None, target="aws", function=settings)
    resources = {resource.key: resource for resource in blueprint_of(config, Account(ACCOUNT, REGION)).resources}
    statements = resources["lambda_policy"].spec.document["Statement"]
    assert actions <= {action for statement in statements for action in statement["Action"]}
    assert "lambda_policy" in resources["function"].creation_dependencies
    plain = function_of(tmp_path)
    assert "lambda_policy" not in plain.creation_dependencies


def test_an_image_is_sent_in_place_of_code_handler_and_runtime(tmp_path: Path) -> None:
    resource, fake, uri = (
        function_of(tmp_path),
        SettingsLambda("Image"),
        "123.dkr.ecr.us-west-2.amazonaws.com/steps:1",
    )
    spec = replace(resource.spec, image_uri=uri, package=None)
    resource.kind.create(fake.aws, spec)
    change = Change("code.image", MISSING, uri)
    resource.kind.update(fake.aws, spec, SimpleNamespace(identity="arn:f"), (change,))  # type: ignore[arg-type]
    (_, created), (operation, updated) = fake.calls
    assert (created["PackageType"], created["Code"]) == ("Image", {"ImageUri": uri})
    assert not {"Handler", "Runtime"} & created.keys()
    assert (operation, updated) == ("update_function_code", {"FunctionName": spec.name, "ImageUri": uri})


def test_a_zip_cannot_become_an_image(tmp_path: Path) -> None:
    resource, fake = function_of(tmp_path), SettingsLambda("Zip")
    spec = replace(resource.spec, image_uri="123.dkr.ecr.us-west-2.amazonaws.com/steps:1", package=None)
    with pytest.raises(RefusedError, match="from package type Zip into Image"):
        resource.kind.update(fake.aws, spec, SimpleNamespace(identity="arn:f"), (Change("code.image", "", "x"),))  # type: ignore[arg-type]
    assert fake.calls == []
