"""Differences between what is there and what should be."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st

from geopipe_runner.aws.artifact import Package
from geopipe_runner.deployment import OWNER_TAG
from geopipe_runner.jobs.base import AccountCheck
from geopipe_runner.jobs.registry import JOBS
from geopipe_runner.jobs.reverse_geocoding import ReverseGeocoding
from geopipe_runner.kinds.base import (
    MISSING,
    Artifacts,
    Change,
    differences,
    our_tags,
    tag_list,
    tag_map,
    touches,
)
from geopipe_runner.kinds.registry import KINDS
from geopipe_runner.reconcile.blueprint import build_blueprint
from tests.support.paths import ROOT
from tests.support.runner_fakes import THING, answer_error, config, deployment, seen, shipped, thing

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [Change("a", 1, 2)]),
        ({}, {"a": 1}, [Change("a", MISSING, 1)]),
        ({"a": 1}, {}, [Change("a", 1, MISSING)]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [Change("a.c", 2, 3)]),
        ({"a": {"b": 1}}, {"a": None}, [Change("a", {"b": 1}, None)]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [Change("a", [1, 2], [2, 1])]),
        ({"b": 1, "a": 1}, {"a": 2, "b": 2}, [Change("a", 1, 2), Change("b", 1, 2)]),
        (1, 2, [Change("", 1, 2)]),
    ],
)
def test_differences(old: Any, new: Any, changes: list[Change]) -> None:
    assert list(differences(old, new)) == changes


@settings(max_examples=50, deadline=None)
@given(plain)
def test_nothing_differs_from_itself(tree: Any) -> None:
    assert list(differences(tree, tree)) == []


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), plain), st.dictionaries(st.sampled_from("abc"), plain))
def test_something_differs_exactly_when_they_are_not_equal(old: Any, new: Any) -> None:
    assert bool(list(differences(old, new))) == (old != new)
    assert [change.path for change in differences(old, new)] == [change.path for change in differences(new, old)]


def test_comparing_is_against_what_is_desired() -> None:
    resource = thing("a", size=3, color="blue")
    assert THING.compare(resource.spec, seen(resource)) == ()
    assert THING.compare(resource.spec, seen(resource, size=2)) == (Change("size", 2, 3),)


def test_touches_looks_at_the_top_level_only() -> None:
    changes = (Change("environment.role", 1, 2), Change("timeout", 1, 2))
    assert touches(changes, "environment")
    assert touches(changes, "memory", "timeout")
    assert not touches(changes, "role", "time", "environment.role")
    assert not touches((), "timeout")


def test_tags() -> None:
    assert our_tags({"team": "maps", OWNER_TAG: "x"}, {"team": "other", "theirs": "1"}) == {"team": "other"}
    assert tag_map(tag_list({"a": "1", "b": "2"})) == {"a": "1", "b": "2"}


def test_our_tag_cannot_be_overruled() -> None:
    given = dataclasses.replace(shipped(), tags={"team": "maps", OWNER_TAG: "theirs"}, deployment="mine")
    assert deployment(given).tags == {"team": "maps", OWNER_TAG: "mine"}


def test_kinds_differ_in_name_and_say_what_they_are_called() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) == 9
    assert all(kind.label for kind in KINDS)


def test_desired_is_plain_and_pure() -> None:
    import json

    for resource in build_blueprint(deployment()).resources:
        desired = resource.kind.desired(resource.spec)
        assert json.loads(json.dumps(desired)) == desired
        assert resource.kind.desired(resource.spec) == desired


def test_every_resource_has_a_key_of_its_own_and_a_group_it_goes_with() -> None:
    resources = build_blueprint(deployment()).resources
    assert len({resource.key for resource in resources}) == len(resources) == 13
    groups = {resource.key: resource.group for resource in resources}
    assert groups == {
        "lambda_role": "lambda_role",
        "lambda_policy": "lambda_role",
        "sagemaker_role": "sagemaker_role",
        "sagemaker_policy": "sagemaker_role",
        "queue": "queue",
        "dead_letter_queue": "queue",
        "bucket": "bucket",
        "input": "bucket",
        "log_group": "function",
        "function": "function",
        "mapping": "function",
        "dead_letter_mapping": "function",
        "pipeline": "pipeline",
    }


# What a caller needs, and what a plan warns about.


def test_the_permissions_page_lists_what_each_kind_and_job_needs() -> None:
    page = (ROOT / "docs/reference/permissions.md").read_text("utf-8")
    services = {"iam": "IAM", "sqs": "SQS", "s3": "S3", "lambda": "Lambda", "logs": "Logs", "sagemaker": "SageMaker"}
    services["sagemaker-geospatial"] = "SageMaker geospatial"
    rows = {row.split("|")[1].strip(): row for row in page.splitlines() if row.startswith("| ")}
    needed = {(action, kind.name) for kind in KINDS for action in kind.permissions}
    needed |= {(action, job.name) for job in JOBS for action in job.permissions}
    missing = [
        (action, name)
        for action, name in sorted(needed)
        if f"`{action.split(':')[1]}`" not in rows[services[action.split(":")[0]]]
    ]
    assert missing == []


FOREIGN = {
    "numpy/core/_x.cpython-312-x86_64-linux-gnu.so": "Python 3.12",
    "a/_x.cpython-313-aarch64-linux-gnu.so": "aarch64-linux-gnu",
    "a/_x.cpython-313-darwin.so": "darwin",
    "_x.cp311-win_amd64.pyd": "Python 3.11",
    "_x.cpython-313-x86_64-linux-musl.so": "x86_64-linux-musl",
    "numpy/core/_x.cpython-313-x86_64-linux-gnu.so": None,
    "a/_x.abi3.so": None,
    "lib.so": None,
    "handler.py": None,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_modules_built_for_another_python_or_machine_are_a_warning(name: str) -> None:
    built = Artifacts({"function": Package(b"", "", {"handler.py": "0", name: "1"})})
    function = next(r for r in build_blueprint(deployment(), built).resources if r.key == "function")
    assert function.spec.runtime == "python3.13"
    warnings = list(function.kind.warnings(function.spec))
    problem = FOREIGN[name]
    assert warnings == [] if problem is None else name in warnings[0] and f"built for {problem}," in warnings[0]


def _check_account(error: Exception | None) -> AccountCheck:
    def list_vector_enrichment_jobs(MaxResults: int) -> dict[str, Any]:  # noqa: N803
        if error:
            raise error
        return {}

    geospatial = SimpleNamespace(list_vector_enrichment_jobs=list_vector_enrichment_jobs)
    aws: Any = SimpleNamespace(client=lambda _service: geospatial)
    return ReverseGeocoding().check_account(aws)


@pytest.mark.parametrize(
    "code",
    [
        "AccessDenied",
        "AccessDeniedException",
        "OperationNotAllowedException",
        "UnrecognizedClientException",
        "ValidationException",
        "UnknownOperationException",
        "SubscriptionRequiredException",
        "OptInRequired",
        "403",
    ],
)
def test_a_closed_service_is_refused_in_one_sentence_that_names_the_other_providers(code: str) -> None:
    check = _check_account(answer_error(code))
    assert f"({code})" in check.refusal and check.warning == ""
    assert "`gazetteer` or `amazon_location`" in check.refusal
    assert check.refusal.endswith(".") and ". " not in check.refusal


@pytest.mark.parametrize(
    "error",
    [
        answer_error("ThrottlingException"),
        answer_error("TooManyRequestsException"),
        answer_error("ExpiredTokenException"),
        answer_error("InternalFailure"),
        ClientError(
            {"Error": {"Code": "SomeFault"}, "ResponseMetadata": {"HTTPStatusCode": 500}},  # type: ignore[typeddict-item]
            "ListVectorEnrichmentJobs",
        ),
        EndpointConnectionError(endpoint_url="https://x"),
    ],
)
def test_trouble_that_passes_is_a_warning(error: Exception) -> None:
    check = _check_account(error)
    assert check.refusal == "" and check.warning.startswith("Cannot check whether this account may use")


def test_an_open_service_needs_no_words() -> None:
    assert _check_account(None) == AccountCheck()


def test_a_job_kind_of_the_users_own_trusts_only_the_pipeline() -> None:
    resources = build_blueprint(deployment(config(job={"kind": "custom"}))).resources
    trust = next(r.spec.trust for r in resources if r.key == "sagemaker_role")
    assert trust["Statement"][0]["Principal"] == {"Service": ["sagemaker.amazonaws.com"]}
