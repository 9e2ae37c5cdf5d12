"""Published versions and aliases: what they keep, how they are called, and what AWS refuses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from geopipe_emulator.services.lambda_.aliases import Alias, AliasStore
from geopipe_emulator.services.lambda_.names import FunctionKey, FunctionName
from geopipe_emulator.services.lambda_.packages import DeploymentPackage
from geopipe_emulator.services.lambda_.store import Configuration, FunctionRecord, FunctionStore
from tests.support.emulator_endpoint import Emulator
from tests.support.functions import TRUST, Functions, arn_of, make_role, refused, zipped
from tests.support.wait import eventually

SAYS = """
import os
def handler(event, context):
    if event == {{}}:
        return {{"word": "{word}"}}
    return ["{word}", context.function_version, context.invoked_function_arn, os.environ.get("COLOR")]
"""


@pytest.fixture(scope="module")
def role(emulator: Emulator) -> str:
    return make_role(emulator, TRUST)


@pytest.fixture
def account(emulator: Emulator, role: str) -> Iterator[Functions]:
    account = Functions(emulator, role)
    yield account
    account.clear()


@pytest.fixture
def name(account: Functions) -> str:
    """A function with the versions 1 and 2, and other code in $LATEST."""
    name = account.function(SAYS.format(word="first"), Environment={"Variables": {"COLOR": "red"}})
    account.lambda_.publish_version(FunctionName=name)
    account.lambda_.update_function_code(FunctionName=name, ZipFile=zipped(app=SAYS.format(word="second")))
    account.lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {}})
    account.lambda_.publish_version(FunctionName=name, Description="the second")
    account.lambda_.update_function_code(FunctionName=name, ZipFile=zipped(app=SAYS.format(word="latest")))
    return name


def test_versions_keep_code_and_settings_and_run_under_their_arn(account: Functions, name: str) -> None:
    lambda_, arn = account.lambda_, arn_of(name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="what users see")
    expected = {
        name: ["latest", "$LATEST", arn, None],
        f"{name}:$LATEST": ["latest", "$LATEST", f"{arn}:$LATEST", None],
        f"{name}:1": ["first", "1", f"{arn}:1", "red"],
        f"{arn}:2": ["second", "2", f"{arn}:2", None],
        f"{arn}:live": ["first", "1", f"{arn}:live", "red"],
    }
    assert {spelling: account.call(spelling) for spelling in expected} == expected
    assert account.call(name, Qualifier="live") == expected[f"{arn}:live"]
    assert lambda_.invoke(FunctionName=name, Qualifier="live")["ExecutedVersion"] == "1"
    shown = lambda_.get_function_configuration(FunctionName=f"{arn}:2", Qualifier="2")
    assert (shown["Version"], shown["FunctionArn"], shown["Description"]) == ("2", f"{arn}:2", "the second")
    shown = lambda_.get_function(FunctionName=name, Qualifier="live")["Configuration"]
    assert (shown["Version"], shown["FunctionArn"]) == ("1", f"{arn}:live")
    logs, group = account.client("logs"), f"/aws/lambda/{name}"
    eventually(lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"])
    streams = logs.describe_log_streams
    eventually(lambda: any("/[1]" in s["logStreamName"] for s in streams(logGroupName=group)["logStreams"]))


def test_versions_are_listed_and_counted(account: Functions, name: str) -> None:
    lambda_, arn = account.lambda_, arn_of(name)
    pages = lambda_.get_paginator("list_versions_by_function").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 1}
    )
    versions = [version for page in pages for version in page["Versions"]]
    assert [version["FunctionArn"] for version in versions] == [f"{arn}:$LATEST", f"{arn}:1", f"{arn}:2"]
    third = lambda_.publish_version(FunctionName=name)
    assert (third["Version"], third["FunctionArn"]) == ("3", f"{arn}:3")
    assert lambda_.publish_version(FunctionName=name, Description="unchanged")["Version"] == "3"
    updated = lambda_.update_function_code(FunctionName=name, ZipFile=zipped(app=SAYS.format(word="4")), Publish=True)
    assert (updated["Version"], updated["FunctionArn"]) == ("4", f"{arn}:4")
    assert name in [f["FunctionName"] for f in lambda_.list_functions()["Functions"]]
    everything = lambda_.get_paginator("list_functions").paginate(FunctionVersion="ALL")
    mine = [f["Version"] for page in everything for f in page["Functions"] if f["FunctionName"] == name]
    assert mine == ["$LATEST", "1", "2", "3", "4"]
    lambda_.delete_function(FunctionName=name, Qualifier="3")
    lambda_.delete_function(FunctionName=name)
    created = lambda_.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=account.role,
        Handler="app.handler",
        Code={"ZipFile": zipped(app="")},
        Publish=True,
    )
    assert created["Version"] == "5"
    assert lambda_.get_function_code_signing_config(FunctionName=name)["FunctionName"] == name
    assert lambda_.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "Auto"


def test_aliases_move_and_split(account: Functions, name: str) -> None:
    lambda_, arn = account.lambda_, arn_of(name)
    alias = lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert (alias["AliasArn"], alias["FunctionVersion"]) == (f"{arn}:live", "1")
    split = lambda_.update_alias(
        FunctionName=name,
        Name="live",
        RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}},
        RevisionId=alias["RevisionId"],
    )
    assert split["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 1.0}}
    assert account.call(f"{name}:live")[0] == "second"
    lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST", RoutingConfig={})
    assert account.call(f"{name}:live")[0] == "latest"
    assert "RoutingConfig" not in lambda_.get_alias(FunctionName=name, Name="live")
    lambda_.create_alias(FunctionName=name, Name="old", FunctionVersion="1")
    assert [alias["Name"] for alias in lambda_.list_aliases(FunctionName=name)["Aliases"]] == ["live", "old"]
    assert [a["Name"] for a in lambda_.list_aliases(FunctionName=name, FunctionVersion="1")["Aliases"]] == ["old"]
    lambda_.delete_alias(FunctionName=name, Name="old")
    assert refused(account.call, name=f"{name}:old")[:2] == (404, "ResourceNotFoundException")


def test_an_alias_splits_by_its_weights() -> None:
    functions, key = FunctionStore(), FunctionKey("us-west-2", "f")
    for version in ("$LATEST", "1", "2"):
        package = DeploymentPackage(b"", version)
        functions.add(FunctionRecord(key.at(version), "arn", Configuration("python3.12", "h", "r"), package, (), {}, 0))
    chances = iter(number / 10 for number in range(10))
    aliases = AliasStore(functions, lambda: next(chances))
    aliases.put(Alias(key, "arn:live", "live", "1", weights={"2": 0.3}))
    versions = [aliases.choose(FunctionName(key, "live")) for _ in range(10)]
    assert Counter(version.version for version in versions if version) == {"1": 7, "2": 3}


def test_a_mapping_follows_its_alias(account: Functions, name: str) -> None:
    lambda_, (url, queue_arn) = account.lambda_, account.queue()
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    mapping = account.mapping(queue_arn, f"{name}:live")
    assert lambda_.get_event_source_mapping(UUID=mapping)["FunctionArn"] == f"{arn_of(name)}:live"

    def starts(version: str) -> int:
        return sum(f"Version: {version}" in line for line in account.log_lines(name) if line.startswith("START"))

    for version in ("1", "2"):
        lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
        account.client("sqs").send_message(QueueUrl=url, MessageBody="x")
        eventually(lambda version=version: starts(version))
    assert (starts("1"), starts("2")) == (1, 1)


def test_a_lambda_step_runs_the_version_of_its_alias(account: Functions, name: str) -> None:
    """The alias is resolved when the step starts."""
    lambda_, sagemaker = account.lambda_, account.client("sagemaker")
    trust = json.loads(json.dumps(TRUST).replace("lambda.", "sagemaker."))
    pipeline_role = make_role(account.emulator, trust)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    step = {"Name": "Say", "Type": "Lambda", "FunctionArn": f"{arn_of(name)}:live", "Arguments": {}}
    step["OutputParameters"] = [{"OutputName": "word", "OutputType": "String"}]
    definition = json.dumps({"Version": "2020-12-01", "Steps": [step]})
    sagemaker.create_pipeline(
        PipelineName=name, PipelineDefinition=definition, RoleArn=pipeline_role, ClientRequestToken=name.ljust(32, "0")
    )
    words = []
    for version in ("1", "2"):
        lambda_.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
        execution = sagemaker.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]
        describe = lambda arn=execution: sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)  # noqa: E731
        eventually(lambda describe=describe: describe()["PipelineExecutionStatus"] == "Succeeded")
        [run] = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
        words += [output["Value"] for output in run["Metadata"]["Lambda"]["OutputParameters"]]
    sagemaker.delete_pipeline(PipelineName=name, ClientRequestToken=name.ljust(32, "1"))
    assert words == ["first", "second"]


def test_what_aws_refuses(account: Functions, name: str) -> None:
    lambda_, arn = account.lambda_, arn_of(name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    missing, conflict, invalid = (
        "ResourceNotFoundException",
        "ResourceConflictException",
        "InvalidParameterValueException",
    )
    cases: list[tuple[str, dict[str, Any], int, str, str]] = [
        ("get_alias", {"Name": "no"}, 404, missing, f"Cannot find alias arn: {arn}:no"),
        ("create_alias", {"Name": "live", "FunctionVersion": "1"}, 409, conflict, f"Alias already exists: {arn}:live"),
        ("create_alias", {"Name": "a", "FunctionVersion": "9"}, 404, missing, f"Function not found: {arn}:9"),
        ("create_alias", {"Name": "7", "FunctionVersion": "1"}, 400, "ValidationException", "'name'"),
        ("create_alias", {"Name": "a", "FunctionVersion": "live"}, 400, "ValidationException", "'functionVersion'"),
        ("update_alias", {"Name": "live", "RevisionId": "x"}, 412, "PreconditionFailedException", "RevisionId"),
        (
            "update_alias",
            {"Name": "live", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}},
            400,
            invalid,
            "1",
        ),
        ("delete_function", {"Qualifier": "1"}, 409, conflict, "aliases reference this version: ['live']"),
        ("delete_function", {"Qualifier": "live"}, 400, invalid, "aliases"),
        ("delete_function", {"Qualifier": "$LATEST"}, 400, invalid, "$LATEST"),
        ("delete_function", {"Qualifier": "9"}, 404, missing, "not found"),
        ("publish_version", {"CodeSha256": "x"}, 400, invalid, "CodeSHA256 (x)"),
        ("publish_version", {"RevisionId": "x"}, 412, "PreconditionFailedException", "RevisionId"),
        ("invoke", {"Qualifier": "9"}, 404, missing, f"Function not found: {arn}:9"),
    ]
    wrong = []
    for operation, parameters, status, code, text in cases:
        answer = refused(getattr(lambda_, operation), FunctionName=name, **parameters)
        if answer[:2] != (status, code) or text not in answer[2]:
            wrong.append((operation, parameters, answer))
    assert not wrong
    assert refused(lambda_.invoke, FunctionName=f"{name}:1", Qualifier="2")[1] == invalid
    with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
        lambda_.update_function_configuration(FunctionName=f"{name}:1", Timeout=5)
    assert json.loads(lambda_.invoke(FunctionName=f"{name}:1")["Payload"].read()) == {"word": "first"}


def test_all_versions_share_the_reserved_concurrency(account: Functions) -> None:
    """A version that runs until its queue has a message takes the one environment that the function may have."""
    lambda_, (url, _) = account.lambda_, account.queue()
    source = """
import boto3
def handler(event, context):
    while event and not boto3.client("sqs").receive_message(QueueUrl=event, WaitTimeSeconds=1).get("Messages"):
        pass
"""
    name = account.function(source, Timeout=60)
    lambda_.publish_version(FunctionName=name)
    account.call(f"{name}:1")
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    lambda_.invoke(FunctionName=f"{name}:1", InvocationType="Event", Payload=json.dumps(url))

    def throttled() -> bool:
        try:
            account.call(name)
        except lambda_.exceptions.TooManyRequestsException:
            return True
        return False

    eventually(throttled, what="the latest version to be throttled")
    account.client("sqs").send_message(QueueUrl=url, MessageBody="end")
    eventually(lambda: not throttled(), what="the environment to be free again")
