"""Operations on pipelines, executions, lists and tags: what they answer and what they refuse."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.service import CallerIdentity, FallThrough, RequestContext
from tests.support.pipelines import (
    ACCOUNT,
    FUNCTION,
    PATIENCE,
    QUEUE,
    ROLE,
    Gate,
    PipelinesWorld,
    callback,
    creation,
    function,
    refused,
)


@pytest.fixture
def world() -> Iterator[PipelinesWorld]:
    world = PipelinesWorld()
    yield world
    world.service.stop()


# Pipelines


def test_create_and_describe(world: PipelinesWorld) -> None:
    arn = world.create(name="My-Pipe", PipelineDescription="d", PipelineDisplayName="shown")
    assert arn == f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:pipeline/my-pipe"
    for name in ("My-Pipe", "MY-PIPE", arn, arn.replace("my-pipe", "My-Pipe")):
        described = world.call("DescribePipeline", PipelineName=name)
        assert described["PipelineArn"] == arn
    assert described["PipelineName"] == "My-Pipe"
    assert described["PipelineDisplayName"] == "shown"
    assert described["PipelineDescription"] == "d"
    assert described["RoleArn"] == ROLE
    assert described["PipelineStatus"] == "Active"
    assert described["PipelineDefinition"] == creation()["PipelineDefinition"]
    assert "LastRunTime" not in described and "ParallelismConfiguration" not in described


def test_definition_from_s3(world: PipelinesWorld) -> None:
    request = creation()
    text = request.pop("PipelineDefinition")
    request["PipelineDefinitionS3Location"] = {"Bucket": "bucket", "ObjectKey": "p.json"}
    message = refused("ValidationException", lambda: world.call("CreatePipeline", **request))
    assert "s3://bucket/p.json" in message and "does not exist" in message
    world.s3.objects["bucket", "p.json"] = b"\xff\xfe"
    assert "not UTF-8" in refused("ValidationException", lambda: world.call("CreatePipeline", **request))
    world.s3.objects["bucket", "p.json"] = text.encode()
    world.call("CreatePipeline", **request)
    assert world.call("DescribePipeline", PipelineName="Pipe")["PipelineDefinition"] == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"PipelineDefinition": "{"}, "Invalid JSON"),
        ({"PipelineDefinition": "{}"}, "Steps is required"),
        ({"PipelineDefinition": None}, "exactly one of"),
        ({"PipelineDefinitionS3Location": {"Bucket": "b", "ObjectKey": "k"}}, "exactly one of"),
        ({"RoleArn": ROLE.replace("PipelineRole", "Missing")}, "Could not assume role"),
        ({"RoleArn": ROLE.replace("/geopipe/dev", "")}, "Could not assume role"),
        ({"RoleArn": ROLE.replace(ACCOUNT, "999999999999")}, "Could not assume role"),
    ],
)
def test_create_refuses(world: PipelinesWorld, change: dict[str, Any], message: str) -> None:
    request = {key: value for key, value in {**creation(), **change}.items() if value is not None}
    assert message in refused("ValidationException", lambda: world.call("CreatePipeline", **request))
    assert world.call("ListPipelines")["PipelineSummaries"] == []


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"FunctionArn": "*FUNCTION_ARN*"}, "FunctionArn must be the ARN of a Lambda function, not '*FUNCTION_ARN*'"),
        ({"FunctionArn": FUNCTION.replace("west", "east") + "a"}, "must be in the pipeline's region, us-west-2"),
        ({"FunctionArn": None}, "FunctionArn must be the ARN"),
        ({"Type": "Callback"}, "SqsQueueUrl must be the URL of a queue"),
        ({"Type": "Callback", "SqsQueueUrl": "callbacks"}, "SqsQueueUrl must be the URL of a queue"),
        ({"Type": "ForEach"}, "step type 'ForEach' is not supported by this endpoint; supported are AutoML, Bedrock"),
        ({"Type": "Tuning"}, "Arguments.HyperParameterTuningJobConfig is required"),
        ({"Type": "Lambda", "DependsOn": [{"Step": "a", "Trigger": "Failed"}]}, "DependsOn with a Trigger is not"),
        ({"Type": "Model", "Arguments": {"Name": "m"}}, "Unknown Argument member 'Name'"),
    ],
)
def test_steps_are_checked_by_their_type(world: PipelinesWorld, step: dict[str, Any], message: str) -> None:
    assert message in refused("ValidationException", lambda: world.create({**function("a"), **step}))


ALLOW = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize(
    ("statement", "trusted"),
    [
        ([{**ALLOW, "Principal": {"AWS": "*"}}, ALLOW], True),
        ([ALLOW, {**ALLOW, "Effect": "Deny"}], False),
        ({"Effect": "Allow", "Principal": {"Service": ["x", "sagemaker.amazonaws.com"]}, "Action": ["sts:*"]}, True),
        ({"Effect": "Allow", "Principal": "*", "Action": "*"}, True),
        ({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}, False),
        ({"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:TagSession"}, False),
        ({"Effect": "Deny", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}, False),
    ],
)
def test_the_role_must_trust_sagemaker(world: PipelinesWorld, statement: object, trusted: bool) -> None:
    world.iam.roles["PipelineRole"] = (ROLE, {"Statement": statement})
    if trusted:
        world.create()
        return
    assert refused("ValidationException", world.create) == (
        f"Could not assume role {ROLE}. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role."
    )


def test_a_name_is_unique_in_any_case(world: PipelinesWorld) -> None:
    world.create(name="Pipe")
    assert refused("ValidationException", lambda: world.create(name="pipe")) == (
        "Pipeline names must be unique within an AWS account and region. Pipeline with name (pipe) already exists."
    )


def test_a_repeated_create_is_the_same_create(world: PipelinesWorld) -> None:
    token = {"ClientRequestToken": "c" * 32}
    arn = world.create(**token)
    assert world.create(**token) == arn
    refused("ConflictException", lambda: world.create(PipelineDescription="other", **token))
    world.call("DeletePipeline", PipelineName="Pipe")
    assert world.create(**token) == arn


def test_update_makes_a_version_and_leaves_runs_alone(world: PipelinesWorld) -> None:
    gate = world.functions.functions["a"] = Gate({})
    world.create()
    arn = world.start()
    other = creation(function("other"))["PipelineDefinition"]
    updated = world.call("UpdatePipeline", PipelineName="PIPE", PipelineDefinition=other)
    assert updated == {"PipelineArn": arn.split("/execution/")[0], "PipelineVersionId": 2}
    world.call("UpdatePipeline", PipelineName="Pipe", PipelineDescription="new")
    described = world.call("DescribePipeline", PipelineName="Pipe")
    assert (described["PipelineDefinition"], described["PipelineDescription"]) == (other, "new")
    assert described["LastModifiedTime"] > described["LastRunTime"] > described["CreationTime"]
    snapshot = world.call("DescribePipelineDefinitionForExecution", PipelineExecutionArn=arn)
    assert snapshot["PipelineDefinition"] == creation()["PipelineDefinition"]
    assert world.call("DescribePipeline", PipelineName="Pipe", PipelineVersionId=1)["PipelineDefinition"] != other
    refused("ResourceNotFound", lambda: world.call("DescribePipeline", PipelineName="Pipe", PipelineVersionId=3))
    gate.open.set()
    assert world.ended(arn)["PipelineVersionId"] == 1
    assert world.statuses(arn) == {"a": "Succeeded"}


def test_versions_have_aliases_names_and_runs(world: PipelinesWorld) -> None:
    def version(**request: Any) -> dict[str, Any]:
        return world.call("DescribePipeline", PipelineName="Pipe", **request)

    def update(number: int, **request: Any) -> dict[str, Any]:
        return world.call("UpdatePipelineVersion", PipelineArn=arn, PipelineVersionId=number, **request)

    def aliases(number: int, **operations: list[str]) -> dict[str, Any]:
        return update(number, PipelineVersionAliasOperations=operations)

    world.functions.functions.update({"a": lambda payload: {}, "b": lambda payload: {}})
    arn = world.create(function("a"), PipelineVersionAliases=["prod", "first"])
    first, second = version()["PipelineDefinition"], creation(function("b"))["PipelineDefinition"]
    same = world.call("UpdatePipeline", PipelineName="Pipe", PipelineDefinition=first)
    assert same["PipelineVersionId"] == 1, "the same definition makes no version"
    world.call("UpdatePipeline", PipelineName="Pipe", PipelineDefinition=second, PipelineVersionAliases=["canary"])
    assert version()["PipelineDefinition"] == version(PipelineVersionAlias="canary")["PipelineDefinition"] == second
    assert version(PipelineVersionAlias="prod")["PipelineVersionAliases"] == ["prod", "first"]
    assert version(PipelineVersionId=1)["PipelineDefinition"] == first

    assert "Remove it there first" in refused("ConflictException", lambda: aliases(2, Add=["prod"]))
    refused("ResourceNotFound", lambda: aliases(2, Remove=["prod"]))
    runs = {number: world.start(PipelineVersionAlias=alias) for number, alias in ((1, "prod"), (2, "canary"))}
    for number, run in runs.items():
        ended = world.ended(run)
        assert (ended["PipelineVersionId"], list(world.statuses(run))) == (number, ["a" if number == 1 else "b"])
    assert world.ended(world.start(PipelineVersionId=1))["PipelineVersionAliases"] == ["prod", "first"]
    listed = world.call("ListPipelineExecutions", PipelineName="Pipe", PipelineVersionAlias="canary")
    (summary,) = listed["PipelineExecutionSummaries"]
    assert (summary["PipelineExecutionArn"], summary["PipelineVersionAliases"]) == (runs[2], ["canary"])

    aliases(1, Remove=["prod"])
    assert aliases(2, Add=["prod"]) == {"PipelineArn": arn, "PipelineVersionId": 2}
    update(1, PipelineVersionDisplayName="old", PipelineVersionDescription="the first one")
    newest, oldest = world.call("ListPipelineVersions", PipelineName="Pipe")["PipelineVersionSummaries"]
    assert (newest["PipelineVersionId"], newest["PipelineVersionAliases"]) == (2, ["canary", "prod"])
    assert newest["LastExecutionPipelineExecutionArn"] == runs[2]
    assert oldest["CreationTime"] < newest["CreationTime"] and "PipelineVersionDisplayName" not in newest
    assert (oldest["PipelineVersionDisplayName"], oldest["PipelineVersionDescription"]) == ("old", "the first one")
    page = world.call("ListPipelineVersions", PipelineName="Pipe", SortOrder="Ascending", MaxResults=1)
    assert page["PipelineVersionSummaries"] == [oldest]
    rest = world.call("ListPipelineVersions", PipelineName="Pipe", SortOrder="Ascending", NextToken=page["NextToken"])
    assert rest == {"PipelineVersionSummaries": [newest]}


def test_aliases_that_no_version_can_have(world: PipelinesWorld) -> None:
    arn = world.create()

    def add(*aliases: str) -> dict[str, Any]:
        operations = {"Add": list(aliases)}
        return world.call(
            "UpdatePipelineVersion", PipelineArn=arn, PipelineVersionId=1, PipelineVersionAliasOperations=operations
        )

    def create_with(alias: str) -> str:
        return world.create(name="Pipe2", PipelineVersionAliases=[alias])

    assert "numbers only" in refused("ValidationException", lambda: add("12"))
    assert "at most 10" in refused("ValidationException", lambda: add(*"abcdefghijk"))
    assert "numbers only" in refused("ValidationException", lambda: create_with("1"))
    message = refused(
        "ValidationException", lambda: world.call("UpdatePipeline", PipelineName="Pipe", PipelineVersionAliases=["a"])
    )
    assert "changes the pipeline definition" in message
    add("a")
    both = {"PipelineVersionId": 1, "PipelineVersionAlias": "a"}
    for operation in ("DescribePipeline", "StartPipelineExecution"):
        unknown = {"PipelineName": "Pipe", "PipelineVersionAlias": "b"}
        refused("ResourceNotFound", lambda o=operation, r=unknown: world.call(o, **r))
        refused("ValidationException", lambda o=operation: world.call(o, PipelineName="Pipe", **both))
    assert world.call("DescribePipeline", PipelineName="Pipe")["PipelineVersionAliases"] == ["a"]


def test_who_made_and_changed_a_pipeline_and_its_runs(world: PipelinesWorld) -> None:
    names = iter("abcdefgh")

    def identify(context: RequestContext) -> CallerIdentity:
        name = next(names)
        return CallerIdentity(f"arn:aws:iam::{ACCOUNT}:user/{name}", f"AIDA{name}")

    def people_of(operation: str, **request: Any) -> str:
        described = world.call(operation, **request)
        identities = [described[member]["IamIdentity"] for member in ("CreatedBy", "LastModifiedBy")]
        assert all(identity["Arn"][-1] == identity["PrincipalId"][-1] for identity in identities)
        return "".join(identity["PrincipalId"][-1] for identity in identities)

    world.environment.identify = identify
    world.create(callback("wait"))
    assert people_of("DescribePipeline", PipelineName="Pipe") == "aa"
    world.call("UpdatePipeline", PipelineName="Pipe", PipelineDescription="new")
    assert people_of("DescribePipeline", PipelineName="Pipe") == "ab"
    run = world.start()
    world.call("StopPipelineExecution", PipelineExecutionArn=run)
    assert people_of("DescribePipelineExecution", PipelineExecutionArn=run) == "cd"


def test_a_bad_update_changes_nothing(world: PipelinesWorld) -> None:
    world.create()
    refused("ValidationException", lambda: world.call("UpdatePipeline", PipelineName="Pipe", PipelineDefinition="{}"))
    bad_role = ROLE.replace("PipelineRole", "Missing")
    refused("ValidationException", lambda: world.call("UpdatePipeline", PipelineName="Pipe", RoleArn=bad_role))
    described = world.call("DescribePipeline", PipelineName="Pipe")
    assert described["PipelineDefinition"] == creation()["PipelineDefinition"]
    assert described["LastModifiedTime"] == described["CreationTime"]


def test_delete_is_refused_while_something_runs(world: PipelinesWorld) -> None:
    token = {"ClientRequestToken": "d" * 32}
    arn = world.run(callback("wait"))
    assert arn in refused("ConflictException", lambda: world.call("DeletePipeline", PipelineName="Pipe", **token))
    world.succeed(world.sqs.next()["token"])
    world.ended(arn)
    deleted = world.call("DeletePipeline", PipelineName="pipe", **token)
    assert deleted == {"PipelineArn": arn.split("/execution/")[0]}
    assert world.call("DeletePipeline", PipelineName="pipe", **token) == deleted
    refused("ResourceNotFound", lambda: world.call("DescribePipelineExecution", PipelineExecutionArn=arn))


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("DescribePipeline", {"PipelineName": "none"}),
        ("UpdatePipeline", {"PipelineName": "none"}),
        ("ListPipelineVersions", {"PipelineName": "none"}),
        (
            "UpdatePipelineVersion",
            {"PipelineArn": f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:pipeline/none", "PipelineVersionId": 1},
        ),
        ("DeletePipeline", {"PipelineName": "none"}),
        ("StartPipelineExecution", {"PipelineName": "none"}),
        ("ListPipelineExecutions", {"PipelineName": "none"}),
        ("DescribePipelineExecution", {"PipelineExecutionArn": "none"}),
        ("DescribePipelineDefinitionForExecution", {"PipelineExecutionArn": "none"}),
        ("ListPipelineExecutionSteps", {"PipelineExecutionArn": "none"}),
        ("ListPipelineParametersForExecution", {"PipelineExecutionArn": "none"}),
        ("StopPipelineExecution", {"PipelineExecutionArn": "none"}),
        ("UpdatePipelineExecution", {"PipelineExecutionArn": "none"}),
        ("ListTags", {"ResourceArn": f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:pipeline/none"}),
    ],
)
def test_what_does_not_exist(world: PipelinesWorld, operation: str, request_: dict[str, Any]) -> None:
    assert "does not exist" in refused("ResourceNotFound", lambda: world.call(operation, **request_))


def test_regions_are_separate(world: PipelinesWorld) -> None:
    world.create()
    elsewhere = RequestContext(ACCOUNT, "eu-west-1")
    assert world.service.operations["ListPipelines"]({}, elsewhere) == {"PipelineSummaries": []}
    describe = world.service.operations["DescribePipeline"]
    refused("ResourceNotFound", lambda: describe({"PipelineName": "Pipe"}, elsewhere))


def test_what_is_not_offered_says_so(world: PipelinesWorld) -> None:
    world.create()
    with pytest.raises(ServiceError) as refusal:
        world.start(MlflowExperimentName="x")
    assert (refusal.value.code, refusal.value.status) == ("NotImplemented", 501)
    assert "MlflowExperimentName" in refusal.value.message


# Starting


def test_start_refuses_parameters_that_do_not_fit(world: PipelinesWorld) -> None:
    world.create()
    assert "not declared" in refused("ValidationException", lambda: world.start(given={"missing": "x"}))
    twice = [{"Name": "who", "Value": "a"}] * 2
    request = {"PipelineName": "Pipe", "PipelineParameters": twice}
    message = refused("ValidationException", lambda: world.call("StartPipelineExecution", **request))
    assert "more than once: who" in message
    assert '[string "" is too short' in refused("ValidationException", lambda: world.start(given={"who": ""}))
    refused("ValidationException", lambda: world.start(RoleArn=ROLE))
    assert world.call("ListPipelineExecutions", PipelineName="Pipe")["PipelineExecutionSummaries"] == []


def test_start_needs_the_role_still(world: PipelinesWorld) -> None:
    world.create()
    world.iam.roles.clear()
    assert "Could not assume role" in refused("ValidationException", world.start)


def test_a_repeated_start_starts_once(world: PipelinesWorld) -> None:
    world.functions.functions["a"] = lambda payload: {}
    world.create()
    token = {"ClientRequestToken": "s" * 32}
    arns: list[str] = []
    threads = [threading.Thread(target=lambda: arns.append(world.start(**token))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(arns) == 8 and len(set(arns)) == 1
    described = world.ended(arns[0])
    assert world.start(**token) == arns[0]
    assert world.call("DescribePipelineExecution", PipelineExecutionArn=arns[0]) == described
    assert len(world.functions.payloads) == 1
    refused("ConflictException", lambda: world.start(given={"who": "other"}, **token))
    assert world.start(ClientRequestToken="r" * 32) != arns[0]


def test_execution_details(world: PipelinesWorld) -> None:
    world.functions.functions["a"] = lambda payload: {}
    pipeline = world.create()
    arn = world.start(given={"who": "me"}, PipelineExecutionDisplayName="run-1", PipelineExecutionDescription="first")
    prefix, _, identity = arn.rpartition("/")
    assert prefix == f"{pipeline}/execution"
    assert len(identity) == 12 and identity.isalnum() and identity == identity.lower()
    described = world.ended(arn)
    assert described["PipelineArn"] == pipeline
    assert described["PipelineExecutionDisplayName"] == "run-1"
    assert described["PipelineExecutionDescription"] == "first"
    assert described["LastModifiedTime"] >= described["CreationTime"]
    assert "FailureReason" not in described and "PipelineExperimentConfig" not in described
    parameters = world.call("ListPipelineParametersForExecution", PipelineExecutionArn=arn)["PipelineParameters"]
    assert parameters == [{"Name": "who", "Value": "me"}, {"Name": "queue", "Value": QUEUE}]
    unnamed = world.ended(world.start())["PipelineExecutionDisplayName"]
    assert unnamed.startswith("execution-") and unnamed[10:].isdigit()
    refused("ValidationException", lambda: world.call("ListPipelineExecutionSteps"))


# Lists


def pages(world: PipelinesWorld, operation: str, result: str, **request: Any) -> list[list[dict[str, Any]]]:
    found, token = [], {}
    while True:
        answer = world.call(operation, **request, **token)
        found.append(answer[result])
        if "NextToken" not in answer:
            return found
        token = {"NextToken": answer["NextToken"]}


def test_pipelines_are_sorted_filtered_and_paged(world: PipelinesWorld) -> None:
    for name in ("beta", "Alpha", "gamma", "alpine"):
        world.create(name=name)

    def names(**request: Any) -> list[list[str]]:
        found = pages(world, "ListPipelines", "PipelineSummaries", **request)
        return [[pipeline["PipelineName"] for pipeline in page] for page in found]

    assert names() == [["alpine", "gamma", "Alpha", "beta"]]
    assert names(SortOrder="Ascending") == [["beta", "Alpha", "gamma", "alpine"]]
    by_name = {"SortBy": "Name", "SortOrder": "Ascending"}
    assert names(MaxResults=3, **by_name) == [["Alpha", "alpine", "beta"], ["gamma"]]
    assert names(PipelineNamePrefix="alp", **by_name) == [["Alpha", "alpine"]]
    assert names(ManagedBy="AWS") == [[]]
    moment = world.call("DescribePipeline", PipelineName="gamma")["CreationTime"]
    assert names(CreatedAfter=moment) == [["alpine", "gamma"]]
    assert names(CreatedBefore=moment) == [["gamma", "Alpha", "beta"]]


def test_executions_are_sorted_and_paged_by_default_too(world: PipelinesWorld) -> None:
    world.functions.functions["a"] = lambda payload: {}
    world.create()
    arns = [world.start() for _ in range(12)]
    for arn in arns:
        world.ended(arn)

    def listed(**request: Any) -> list[list[str]]:
        found = pages(world, "ListPipelineExecutions", "PipelineExecutionSummaries", PipelineName="Pipe", **request)
        return [[execution["PipelineExecutionArn"] for execution in page] for page in found]

    newest_first = arns[::-1]
    assert listed() == [newest_first[:10], newest_first[10:]]
    assert listed(SortOrder="Ascending", MaxResults=5) == [arns[:5], arns[5:10], arns[10:]]
    assert listed(SortBy="PipelineExecutionArn", SortOrder="Ascending", MaxResults=100) == [sorted(arns)]
    moment = world.call("DescribePipelineExecution", PipelineExecutionArn=arns[9])["CreationTime"]
    assert listed(CreatedAfter=moment) == [[arns[11], arns[10], arns[9]]]


def test_a_new_execution_does_not_disturb_paging(world: PipelinesWorld) -> None:
    world.functions.functions["a"] = lambda payload: {}
    world.create()
    arns = [world.start() for _ in range(4)]
    first = world.call("ListPipelineExecutions", PipelineName="Pipe", MaxResults=2)
    world.start()
    token = first["NextToken"]
    second = world.call("ListPipelineExecutions", PipelineName="Pipe", MaxResults=2, NextToken=token)
    seen = first["PipelineExecutionSummaries"] + second["PipelineExecutionSummaries"]
    assert [execution["PipelineExecutionArn"] for execution in seen] == arns[::-1]


def test_steps_are_listed_newest_first_and_paged(world: PipelinesWorld) -> None:
    for name in "abc":
        world.functions.functions[name] = lambda payload: {}
    arn = world.run(function("a"), function("b", DependsOn=["a"]), function("c", DependsOn=["b"]))
    world.ended(arn)
    found = pages(world, "ListPipelineExecutionSteps", "PipelineExecutionSteps", PipelineExecutionArn=arn, MaxResults=2)
    assert [[step["StepName"] for step in page] for page in found] == [["c", "b"], ["a"]]


@pytest.mark.parametrize("token", ["!", "bm9ib2R5", "YQ", "\xff"])
def test_a_bad_page_token_is_refused(world: PipelinesWorld, token: str) -> None:
    refused("ValidationException", lambda: world.call("ListPipelines", NextToken=token))


# Tags


def test_tags(world: PipelinesWorld) -> None:
    arn = world.create(Tags=[{"Key": "owner", "Value": "me"}])
    added = world.call("AddTags", ResourceArn=arn, Tags=[{"Key": "owner", "Value": "you"}, {"Key": "k", "Value": ""}])
    expected = [{"Key": "owner", "Value": "you"}, {"Key": "k", "Value": ""}]
    assert added == {"Tags": expected}
    assert world.call("ListTags", ResourceArn=arn.replace("/pipe", "/Pipe")) == {"Tags": expected}
    world.call("DeleteTags", ResourceArn=arn, TagKeys=["k", "absent"])
    assert world.call("ListTags", ResourceArn=arn)["Tags"] == expected[:1]
    many = [{"Key": str(i), "Value": ""} for i in range(50)]
    refused("ResourceLimitExceeded", lambda: world.call("AddTags", ResourceArn=arn, Tags=many))


@pytest.mark.parametrize("operation", ["AddTags", "ListTags", "DeleteTags"])
def test_tags_of_other_things_are_not_ours(world: PipelinesWorld, operation: str) -> None:
    arn = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:notebook-instance/x"
    with pytest.raises(FallThrough):
        world.call(operation, ResourceArn=arn, Tags=[], TagKeys=["k"])
