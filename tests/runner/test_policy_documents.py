"""Policies mean the same however they are written; and ours say what the specification says."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopipe_runner.config.model import S3Location
from geopipe_runner.kinds.base import differences
from geopipe_runner.kinds.policy_documents import document, normalize, to_json
from geopipe_runner.kinds.role_policies import lambda_policy, sagemaker_policy
from geopipe_runner.reconcile.blueprint import build_blueprint
from tests.support.runner_fakes import FUNCTION_ARN, config, deployment

ALLOW = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["*"]}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return not list(differences(normalize(document(one)), normalize(document(other))))


@pytest.mark.parametrize(
    "other",
    [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
        {"Resource": ["*"], "Action": ["s3:GetObject"], "Effect": "Allow"},
        {**ALLOW, "Sid": "Reading"},
    ],
)
def test_spellings_of_a_statement(other: dict[str, Any]) -> None:
    assert same(ALLOW, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"Principal": "*"}, {"Principal": {"AWS": "*"}}),
        ({"Principal": {"AWS": "*"}}, {"Principal": {"AWS": ["*"]}}),
        ({"Principal": {"Service": ["a", "b"]}}, {"Principal": {"Service": ["b", "a"]}}),
        ({"NotPrincipal": "*"}, {"NotPrincipal": {"AWS": ["*"]}}),
        ({"NotAction": "a"}, {"NotAction": ["a"]}),
        ({"NotResource": ["b", "a"]}, {"NotResource": ["a", "b"]}),
        ({"Condition": {"Bool": {"k": False}}}, {"Condition": {"Bool": {"k": "false"}}}),
        ({"Condition": {"Bool": {"k": [True]}}}, {"Condition": {"Bool": {"k": "true"}}}),
        ({"Condition": {"NumericEquals": {"k": 1}}}, {"Condition": {"NumericEquals": {"k": ["1"]}}}),
        ({"Condition": {"StringEquals": {"k": ["a", "b"]}}}, {"Condition": {"StringEquals": {"k": ["b", "a"]}}}),
    ],
)
def test_spellings_of_a_part(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert same({**ALLOW, **one}, {**ALLOW, **other})


@pytest.mark.parametrize(
    "other",
    [
        {"Effect": "Deny"},
        {"Action": ["s3:PutObject"]},
        {"Action": ["s3:GetObject", "s3:PutObject"]},
        {"Resource": ["arn:aws:s3:::b"]},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"Service": "*"}},
        {"Condition": {"Bool": {"k": "true"}}},
    ],
)
def test_what_means_something_else_differs(other: dict[str, Any]) -> None:
    assert not same(ALLOW, {**ALLOW, **other})


def test_the_version_counts_and_has_a_default() -> None:
    assert normalize({"Statement": []})["Version"] == "2008-10-17"
    assert normalize(document(ALLOW))["Version"] == "2012-10-17"


def test_no_policy_is_nothing_and_a_text_is_read() -> None:
    assert normalize(None) == {}
    assert normalize(to_json(document(ALLOW))) == normalize(document(ALLOW))
    assert normalize({"Version": "2012-10-17", "Statement": ALLOW}) == normalize(document(ALLOW))


def test_two_statements_alike_are_both_there() -> None:
    twice = normalize(document(ALLOW, {**ALLOW, "Resource": "arn:aws:s3:::b"}))
    assert len(twice["Statement"]) == 2


def test_the_text_has_no_spaces() -> None:
    assert " " not in to_json(document(ALLOW))


words = st.text("abcde:*", min_size=1, max_size=4)
one_or_more = st.lists(words, min_size=1, max_size=3, unique=True)
statements = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": one_or_more, "Resource": one_or_more},
    optional={
        "Principal": st.just("*") | st.dictionaries(st.sampled_from(["AWS", "Service"]), one_or_more, min_size=1),
        "Condition": st.dictionaries(
            st.sampled_from(["Bool", "StringLike"]), st.dictionaries(words, one_or_more, min_size=1), min_size=1
        ),
    },
)


def label(statement: dict[str, Any]) -> tuple[str, str]:
    return statement["Effect"], min(statement["Action"])


@settings(max_examples=50, deadline=None)
@given(st.lists(statements, max_size=4, unique_by=label), st.randoms(use_true_random=False))
def test_shuffled_documents_are_equal(given_statements: list[dict[str, Any]], chance: random.Random) -> None:
    shuffled = [respelt(statement, chance) for statement in given_statements]
    chance.shuffle(shuffled)
    one, other = normalize(document(*given_statements)), normalize(document(*shuffled))
    assert one == other


def respelt(value: Any, chance: random.Random) -> Any:
    """The same part of a policy in another spelling."""
    if isinstance(value, dict):
        items = [(key, respelt(inner, chance)) for key, inner in value.items()]
        chance.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        other = chance.sample(value, len(value))
        return other[0] if len(other) == 1 and chance.random() < 0.5 else other
    return value


@settings(max_examples=40, deadline=None)
@given(st.lists(statements, min_size=1, max_size=3, unique_by=label), words)
def test_another_resource_is_seen(given_statements: list[dict[str, Any]], resource: str) -> None:
    changed = [{**given_statements[0], "Resource": [*given_statements[0]["Resource"], f"more-{resource}"]}]
    assert normalize(document(*changed, *given_statements[1:])) != normalize(document(*given_statements))


# What the specification wants, word for word.

SPECIFIED_LAMBDA = {
    "Effect": "Allow",
    "Action": [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sagemaker-geospatial:StartVectorEnrichmentJob",
        "sagemaker-geospatial:GetVectorEnrichmentJob",
        "sagemaker:SendPipelineExecutionStepFailure",
        "sagemaker:SendPipelineExecutionStepSuccess",
        "sagemaker-geospatial:ExportVectorEnrichmentJob",
    ],
    "Resource": "*",
}
PASS_ROLE = {
    "Effect": "Allow",
    "Action": ["iam:PassRole"],
    "Resource": "arn:aws:iam::123456789012:role/geopipe/local/SageMakerExampleRole",
    "Condition": {
        "StringEquals": {"iam:PassedToService": ["sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"]}
    },
}
LAMBDA_ADDITIONS = {
    "Effect": "Allow",
    "Action": [
        "sagemaker-geospatial:StopVectorEnrichmentJob",
        "sagemaker-geospatial:ListVectorEnrichmentJobs",
        "sqs:ChangeMessageVisibility",
    ],
    "Resource": "*",
}
BUCKET = "arn:aws:s3:::geopipe-local-123456789012"
SPECIFIED_SAGEMAKER = [
    {"Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": FUNCTION_ARN},
    {"Effect": "Allow", "Action": ["s3:*"], "Resource": [BUCKET, f"{BUCKET}/*"]},
    {
        "Effect": "Allow",
        "Action": ["sqs:SendMessage"],
        "Resource": "arn:aws:sqs:us-west-2:123456789012:sagemaker-sdk-example-queue",
    },
]
SAGEMAKER_ADDITION = {
    "Effect": "Allow",
    "Action": ["sagemaker-geospatial:GetVectorEnrichmentJob"],
    "Resource": "*",
}


def test_the_lambda_policy_is_the_specified_one_and_our_additions() -> None:
    assert lambda_policy(deployment()) == document(SPECIFIED_LAMBDA, PASS_ROLE, LAMBDA_ADDITIONS)


def test_the_sagemaker_policy_is_the_specified_one_and_our_addition() -> None:
    assert sagemaker_policy(deployment()) == document(*SPECIFIED_SAGEMAKER, SAGEMAKER_ADDITION)


def test_the_trust_policies_are_the_specified_ones() -> None:
    roles = {r.key: r.spec.trust for r in build_blueprint(deployment()).resources if r.kind.name == "iam_role"}
    services = {
        "lambda_role": ["lambda.amazonaws.com"],
        "sagemaker_role": ["sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"],
    }
    assert roles == {
        key: document({"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"Service": names}})
        for key, names in services.items()
    }


def test_a_narrow_scope_allows_the_same_actions_on_less() -> None:
    wide, narrow = lambda_policy(deployment()), lambda_policy(deployment(config(iam={"scope": "resources"})))
    assert actions(narrow) == actions(wide)
    on_anything = {action for s in narrow["Statement"] if s["Resource"] == "*" for action in s["Action"]}
    assert all(action.startswith("sagemaker-geospatial:") for action in on_anything)


@pytest.mark.parametrize("scope", ["all", "resources"])
@pytest.mark.parametrize("provider", ["gazetteer", "amazon_location"])
def test_work_in_parts_adds_narrow_statements_only(provider: str, scope: str) -> None:
    given = deployment(config(job={"provider": provider}, iam={"scope": scope}))
    queue = "arn:aws:sqs:us-west-2:123456789012:sagemaker-sdk-example-queue-work"
    bucket = "arn:aws:s3:::geopipe-local-123456789012"
    on = {
        action: statement["Resource"]
        for statement in lambda_policy(given)["Statement"]
        for action in statement["Action"]
        if action.startswith(("s3:", "sqs:Send", "geo-places:"))
    }
    assert on.pop("sqs:SendMessage") == [queue, f"{queue}-dlq"]
    assert on.pop("s3:DeleteObject") == f"{bucket}/output/*"
    places = on.pop("geo-places:ReverseGeocode", None)
    assert places == ("arn:aws:geo-places:us-west-2::provider/default" if provider == "amazon_location" else None)
    assert set(map(tuple, on.values())) == {(bucket, f"{bucket}/*")}
    assert "s3:ListBucketMultipartUploads" in on


def actions(policy: dict[str, Any]) -> list[str]:
    return sorted(action for statement in policy["Statement"] for action in statement["Action"])


def test_an_input_in_another_bucket_may_be_read() -> None:
    elsewhere = config(input={"source": S3Location("theirs", "a/b.csv")})
    extra = sagemaker_policy(deployment(elsewhere))["Statement"][-1]
    assert extra == {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::theirs", "arn:aws:s3:::theirs/a/b.csv"],
    }
    at_home = config(input={"source": S3Location("geopipe-local-123456789012", "a/b.csv")})
    assert sagemaker_policy(deployment(at_home)) == sagemaker_policy(deployment())


@pytest.mark.parametrize("scope", ["all", "resources"])
def test_the_policies_keep_within_the_limits(scope: str) -> None:
    """A managed policy has 6,144 characters at most, and only those IAM takes."""
    given = deployment(config(iam={"scope": scope}))
    for policy in (lambda_policy(given), sagemaker_policy(given)):
        text = to_json(policy)
        assert len(text) <= 6144
        assert text.isascii()
        assert json.loads(text) == policy


def test_statements_that_begin_alike_may_come_in_any_order() -> None:
    one = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "a"}
    other = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "b"}
    assert normalize(document(one, other)) == normalize(document(other, one))
