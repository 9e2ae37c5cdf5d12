"""The Resource Groups Tagging API over HTTP: what it finds, what it leaves out, filters and pages."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_emulator.emulator import default_services
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator

ACCOUNT = "200000000071"
EMPTY_ACCOUNT = "200000000072"
REGION = "us-west-2"
OURS = {"geopipe:deployment": "ours", "team": "maps"}
THEIRS = {"geopipe:deployment": "theirs"}
TRUSTED = ["lambda.amazonaws.com", "sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"]
COLUMNS = {"XAttributeName": "Longitude", "YAttributeName": "Latitude"}


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def a_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("module.py", "def handler(event, context):\n    return event\n")
    return buffer.getvalue()


@dataclass(frozen=True)
class TaggingWorld:
    """An account with one of everything that can be tagged, and other resources that do not count."""

    emulator: Emulator
    job: str
    mapping: str

    @property
    def tagging(self) -> Any:
        return self.emulator.client("resourcegroupstaggingapi")

    @property
    def everything(self) -> dict[str, dict[str, str]]:
        """What GetResources should answer, by ARN."""
        return {
            arn("sqs", "ours"): OURS,
            arn("sqs", "theirs"): THEIRS,
            "arn:aws:s3:::tagging-ours": OURS,
            arn("lambda", "function:Ours"): OURS,
            self.mapping: {"team": "maps"},
            arn("logs", "log-group:/aws/lambda/Ours"): OURS,
            arn("sagemaker", "pipeline/ours"): OURS,
            self.job: {"team": "jobs"},
        }

    def found(self, **request: Any) -> dict[str, dict[str, str]]:
        """Every page's resources, by ARN."""
        pages = self.tagging.get_paginator("get_resources").paginate(**request)
        return by_arn(mapping for page in pages for mapping in page["ResourceTagMappingList"])


def by_arn(mappings: Iterable[dict[str, Any]]) -> dict[str, dict[str, str]]:
    return {mapping["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in mapping["Tags"]} for mapping in mappings}


@pytest.fixture(scope="module")
def world(start_emulator: StartEmulator) -> TaggingWorld:
    emulator = start_emulator(Settings(account_id=ACCOUNT), default_services())
    role = make_role(emulator)
    make_queues_and_buckets(emulator)
    emulator.client("logs").create_log_group(logGroupName="/aws/lambda/Ours", tags=OURS)
    emulator.client("sagemaker").create_pipeline(
        PipelineName="Ours",
        RoleArn=role,
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": [a_lambda_step(role)]}),
        Tags=as_list(OURS),
    )
    return TaggingWorld(emulator, make_job(emulator, role), make_function(emulator, role))


def make_role(emulator: Emulator) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": TRUSTED}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = emulator.client("iam")
    role = iam.create_role(RoleName="Ours", AssumeRolePolicyDocument=trust, Tags=as_list(OURS))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.create_policy(PolicyName="Ours", PolicyDocument=document, Tags=as_list(OURS))
    return str(role)


def make_queues_and_buckets(emulator: Emulator) -> None:
    sqs, s3 = emulator.client("sqs"), emulator.client("s3")
    sqs.create_queue(QueueName="ours", tags=OURS)
    sqs.create_queue(QueueName="theirs", tags=THEIRS)
    sqs.create_queue(QueueName="untagged")
    emulator.client("sqs", "eu-west-1").create_queue(QueueName="elsewhere", tags=OURS)
    make_bucket(s3, "tagging-ours", REGION, OURS)
    make_bucket(s3, "tagging-untagged", REGION, {})
    make_bucket(emulator.client("s3", "eu-west-1"), "tagging-elsewhere", "eu-west-1", OURS)
    s3.put_object(Bucket="tagging-ours", Key="input.csv", Body=b"Longitude,Latitude\n1,2\n")


def make_bucket(s3: Any, name: str, region: str, tags: dict[str, str]) -> None:
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region, "Tags": as_list(tags)})


def a_lambda_step(role: str) -> dict[str, Any]:
    return {"Name": "one", "Type": "Lambda", "FunctionArn": arn("lambda", "function:Ours"), "Arguments": {"role": role}}


def make_job(emulator: Emulator, role: str) -> str:
    started = emulator.client("sagemaker-geospatial").start_vector_enrichment_job(
        Name="ours",
        ExecutionRoleArn=role,
        InputConfig={"DocumentType": "CSV", "DataSourceConfig": {"S3Data": {"S3Uri": "s3://tagging-ours/input.csv"}}},
        JobConfig={"ReverseGeocodingConfig": COLUMNS},
        Tags={"team": "jobs"},
    )
    return str(started["Arn"])


def make_function(emulator: Emulator, role: str) -> str:
    """Answers the ARN of its mapping."""
    client = emulator.client("lambda")
    client.create_function(
        FunctionName="Ours",
        Runtime="python3.12",
        Handler="module.handler",
        Role=role,
        Code={"ZipFile": a_zip()},
        Tags=OURS,
    )
    mapping = client.create_event_source_mapping(
        EventSourceArn=arn("sqs", "ours"), FunctionName="Ours", Enabled=False, Tags={"team": "maps"}
    )
    return str(mapping["EventSourceMappingArn"])


def internal_calls(world: TaggingWorld) -> Counter[tuple[str, str]]:
    rows = world.emulator.calls["internal"]
    return Counter({(row["service"], row["operation"]): row["count"] for row in rows})


def refusal(world: TaggingWorld, **request: Any) -> str:
    with pytest.raises(ClientError) as refused:
        world.tagging.get_resources(**request)
    return str(refused.value.response["Error"]["Code"])


def test_everything_tagged_in_the_region_is_found_with_all_its_tags(world: TaggingWorld) -> None:
    assert world.found() == world.everything


def test_a_key_with_a_value_finds_one_deployment(world: TaggingWorld) -> None:
    filters = [{"Key": "geopipe:deployment", "Values": ["ours"]}]
    assert set(world.found(TagFilters=filters)) == {a for a, tags in world.everything.items() if tags == OURS}


def test_several_values_are_alternatives(world: TaggingWorld) -> None:
    filters = [{"Key": "geopipe:deployment", "Values": ["ours", "theirs"]}]
    expected = {a for a, tags in world.everything.items() if "geopipe:deployment" in tags}
    assert set(world.found(TagFilters=filters)) == expected
    assert arn("sqs", "theirs") in expected


def test_a_key_alone_means_any_value(world: TaggingWorld) -> None:
    assert set(world.found(TagFilters=[{"Key": "team"}])) == {
        a for a, tags in world.everything.items() if "team" in tags
    }


def test_several_filters_must_all_hold(world: TaggingWorld) -> None:
    filters = [{"Key": "team", "Values": ["maps", "jobs"]}, {"Key": "geopipe:deployment"}]
    assert set(world.found(TagFilters=filters)) == {a for a, tags in world.everything.items() if tags == OURS}
    assert world.found(TagFilters=[*filters, {"Key": "absent"}]) == {}


@pytest.mark.parametrize(
    ("types", "beginnings"),
    [
        (["sqs"], ["arn:aws:sqs:"]),
        (["s3"], ["arn:aws:s3:"]),
        (["s3:bucket"], ["arn:aws:s3:"]),
        (["logs"], ["arn:aws:logs:"]),
        (["lambda"], ["arn:aws:lambda:"]),
        (["lambda:function"], [arn("lambda", "function:")]),
        (["lambda:event-source-mapping"], [arn("lambda", "event-source-mapping:")]),
        (["sagemaker:pipeline"], [arn("sagemaker", "pipeline/")]),
        (["sagemaker:pipeline", "sqs"], [arn("sagemaker", "pipeline/"), "arn:aws:sqs:"]),
        (["sagemaker-geospatial"], ["arn:aws:sagemaker-geospatial:"]),
        (["iam"], []),
        (["iam:role", "iam:policy"], []),
        (["sagemaker:endpoint"], []),
    ],
)
def test_types_are_filtered_by_service_and_resource_type(
    world: TaggingWorld, types: list[str], beginnings: list[str]
) -> None:
    expected = {a for a in world.everything if a.startswith(tuple(beginnings))}
    assert set(world.found(ResourceTypeFilters=types)) == expected
    assert bool(expected) is bool(beginnings)


def test_only_the_services_asked_for_are_called(world: TaggingWorld) -> None:
    before = internal_calls(world)
    world.found(ResourceTypeFilters=["lambda:function"])
    assert internal_calls(world) - before == Counter({("lambda", "ListFunctions"): 1, ("lambda", "ListTags"): 1})


def test_named_resources_are_answered_and_missing_ones_left_out(world: TaggingWorld) -> None:
    wanted = [arn("sqs", "theirs"), arn("logs", "log-group:/aws/lambda/Ours")]
    missing = [arn("sqs", "no-such-queue"), arn("sqs", "untagged"), "not an ARN"]
    answer = world.tagging.get_resources(ResourceARNList=[*wanted, *missing])
    assert set(by_arn(answer["ResourceTagMappingList"])) == set(wanted)
    assert answer["PaginationToken"] == ""


def test_pages_hold_everything_once(world: TaggingWorld) -> None:
    pages = list(world.tagging.get_paginator("get_resources").paginate(ResourcesPerPage=3))
    sizes = [len(page["ResourceTagMappingList"]) for page in pages]
    shown = [mapping["ResourceARN"] for page in pages for mapping in page["ResourceTagMappingList"]]
    assert sizes == [3, 3, 2]
    assert sorted(shown) == sorted(world.everything)
    assert [bool(page["PaginationToken"]) for page in pages] == [True, True, False]


def test_a_page_ends_before_a_resource_whose_tags_do_not_fit(world: TaggingWorld) -> None:
    sqs, many = world.emulator.client("sqs", "us-east-2"), {f"key-{number}": "x" for number in range(40)}
    for number in range(5):
        sqs.create_queue(QueueName=f"many-{number}", tags=many)
    tagging = world.emulator.client("resourcegroupstaggingapi", "us-east-2")
    pages = list(tagging.get_paginator("get_resources").paginate(TagsPerPage=100))
    assert [len(page["ResourceTagMappingList"]) for page in pages] == [2, 2, 1]
    assert tagging.get_tag_keys()["TagKeys"] == sorted(many)


def test_what_is_deleted_is_not_answered(world: TaggingWorld) -> None:
    sqs, s3, logs = (world.emulator.client(service) for service in ("sqs", "s3", "logs"))
    lambda_, sagemaker = world.emulator.client("lambda"), world.emulator.client("sagemaker")
    url = sqs.create_queue(QueueName="short-lived", tags=OURS)["QueueUrl"]
    make_bucket(s3, "tagging-short-lived", REGION, OURS)
    logs.create_log_group(logGroupName="/short/lived", tags=OURS)
    mapping = lambda_.create_event_source_mapping(
        EventSourceArn=arn("sqs", "short-lived"), FunctionName="Ours", Enabled=False, Tags=OURS
    )
    described = sagemaker.describe_pipeline(PipelineName="Ours")
    copied = {name: described[name] for name in ("RoleArn", "PipelineDefinition")}
    sagemaker.create_pipeline(PipelineName="Short-Lived", Tags=as_list(OURS), **copied)
    assert set(world.found()) - set(world.everything) == {
        arn("sqs", "short-lived"),
        "arn:aws:s3:::tagging-short-lived",
        arn("logs", "log-group:/short/lived"),
        mapping["EventSourceMappingArn"],
        arn("sagemaker", "pipeline/short-lived"),
    }
    lambda_.delete_event_source_mapping(UUID=mapping["UUID"])
    sqs.delete_queue(QueueUrl=url)
    s3.delete_bucket(Bucket="tagging-short-lived")
    logs.delete_log_group(logGroupName="/short/lived")
    sagemaker.delete_pipeline(PipelineName="Short-Lived")
    assert world.found() == world.everything


def test_a_region_has_its_own(world: TaggingWorld) -> None:
    pages = world.emulator.client("resourcegroupstaggingapi", "eu-west-1").get_resources()
    assert set(by_arn(pages["ResourceTagMappingList"])) == {
        f"arn:aws:sqs:eu-west-1:{ACCOUNT}:elsewhere",
        "arn:aws:s3:::tagging-elsewhere",
    }


def test_keys_and_values_in_use(world: TaggingWorld) -> None:
    assert world.tagging.get_tag_keys()["TagKeys"] == ["geopipe:deployment", "team"]
    assert world.tagging.get_tag_values(Key="geopipe:deployment")["TagValues"] == ["ours", "theirs"]
    assert world.tagging.get_tag_values(Key="absent")["TagValues"] == []


@pytest.mark.parametrize(
    "request_",
    [
        {"ResourceARNList": ["a"], "TagFilters": [{"Key": "team"}]},
        {"ResourceARNList": ["a"], "ResourceTypeFilters": ["sqs"]},
        {"ResourceARNList": ["a"], "ResourcesPerPage": 5},
        {"TagFilters": [{"Values": ["ours"]}]},
        {"ResourcesPerPage": 0},
        {"ResourcesPerPage": 101},
        {"TagsPerPage": 99},
        {"PaginationToken": "not a token"},
        {"ResourceTypeFilters": [""]},
        {"ResourceTypeFilters": ["sqs:queue:more"]},
        {"ExcludeCompliantResources": True},
    ],
)
def test_what_contradicts_itself_is_refused(world: TaggingWorld, request_: dict[str, Any]) -> None:
    assert refusal(world, **request_) == "InvalidParameterException"


def test_resources_of_every_type_are_tagged_and_untagged(world: TaggingWorld) -> None:
    everything = world.everything
    untagged = arn("sqs", "untagged"), "arn:aws:s3:::tagging-untagged"
    arns = [*everything, *untagged]
    assert (
        world.tagging.tag_resources(ResourceARNList=arns, Tags={"new": "yes", "team": "b"})["FailedResourcesMap"] == {}
    )
    before = {**everything, **{name: {} for name in untagged}}
    assert world.found() == {name: {**tags, "new": "yes", "team": "b"} for name, tags in before.items()}
    removed = world.tagging.untag_resources(ResourceARNList=arns, TagKeys=["new", "team", "never"])
    assert removed["FailedResourcesMap"] == {}
    for name, tags in everything.items():
        if "team" in tags:
            world.tagging.tag_resources(ResourceARNList=[name], Tags={"team": tags["team"]})
    assert world.found() == everything


def test_what_cannot_be_tagged_is_named(world: TaggingWorld) -> None:
    missing = {
        arn("sqs", "none"): "NonExistentQueue",
        "arn:aws:s3:::tagging-none": "NoSuchBucket",
        arn("lambda", "function:None"): "ResourceNotFound",
        arn("logs", "log-group:none"): "ResourceNotFound",
        arn("sagemaker", "pipeline/none"): "ResourceNotFound",
        arn("dynamodb", "table/none"): "not emulated",
    }
    tagged = world.tagging.tag_resources(ResourceARNList=list(missing), Tags={"a": "b"})
    failures = tagged["FailedResourcesMap"]
    untagged = world.tagging.untag_resources(ResourceARNList=list(missing), TagKeys=["a"])
    assert failures.keys() == untagged["FailedResourcesMap"].keys() == missing.keys()
    for name, part in missing.items():
        assert failures[name]["ErrorCode"] == "InvalidParameterException"
        assert part in failures[name]["ErrorMessage"] and 400 <= failures[name]["StatusCode"] < 500
    for bad in ({"Tags": {"aws:mine": "x"}}, {"ResourceARNList": ["no-arn-at-all"]}):
        with pytest.raises(ClientError) as refused:
            world.tagging.tag_resources(**{"ResourceARNList": [arn("sqs", "ours")], "Tags": {"a": "b"}, **bad})
        assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
    assert world.found() == world.everything


def test_other_operations_are_refused_by_name(world: TaggingWorld) -> None:
    with pytest.raises(ClientError, match="does not answer StartReportCreation of tagging") as refused:
        world.tagging.start_report_creation(S3Bucket="tagging-ours")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_a_bucket_that_denies_every_question_is_left_out(world: TaggingWorld) -> None:
    s3 = world.emulator.client("s3")
    make_bucket(s3, "tagging-closed", REGION, OURS)
    assert "arn:aws:s3:::tagging-closed" in world.found(ResourceTypeFilters=["s3"])
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetBucketTagging",
        "Resource": "arn:aws:s3:::tagging-closed",
    }
    s3.put_bucket_policy(Bucket="tagging-closed", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert set(world.found(ResourceTypeFilters=["s3"])) == {"arn:aws:s3:::tagging-ours"}
    s3.delete_bucket_policy(Bucket="tagging-closed")
    s3.delete_bucket(Bucket="tagging-closed")


def test_an_empty_account_has_nothing(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(Settings(account_id=EMPTY_ACCOUNT), default_services())
    answer = emulator.client("resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": "team"}])
    assert answer["ResourceTagMappingList"] == []
    assert answer["PaginationToken"] == ""
