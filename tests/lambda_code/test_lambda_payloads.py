"""The forms in which programs in other languages write the same configuration."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import payloads

S3 = {"S3Data": {"S3Uri": "s3://b/k.csv"}}
INPUT = {"DataSourceConfig": S3, "DocumentType": "CSV"}
REVERSE = {"ReverseGeocodingConfig": {"XAttributeName": "lon", "YAttributeName": "lat"}}
MATCHING = {
    "MapMatchingConfig": {
        "IdAttributeName": "i",
        "TimestampAttributeName": "t",
        "XAttributeName": "x",
        "YAttributeName": "y",
    }
}


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize(
    "given_config",
    [
        INPUT,
        {"DataSourceConfig": {**S3, "Type": "S3_DATA"}, "DocumentType": "CSV"},
        {"dataSourceConfig": {"s3Data": {"s3Uri": "s3://b/k.csv", "kmsKeyId": None}}, "documentType": "CSV"},
        {"DataSourceConfig": S3, "DocumentType": {"Value": "CSV"}},
        {"DataSourceConfig": S3},
        S3,
        {"S3Uri": "s3://b/k.csv"},
    ],
)
def test_every_form_of_an_input_config(given_config: dict[str, Any], as_text: bool) -> None:
    value = json.dumps(given_config) if as_text else given_config
    assert payloads.input_config({"k": value}, "k") == INPUT


@pytest.mark.parametrize("given_config", [S3, {"s3Data": {"s3Uri": "s3://b/k.csv"}}, {"S3Uri": "s3://b/k.csv"}])
def test_every_form_of_an_output_config(given_config: dict[str, Any]) -> None:
    assert payloads.output_config({"k": given_config}, "k") == S3


@pytest.mark.parametrize(
    ("given_config", "expected"),
    [
        (REVERSE, REVERSE),
        ({"MapMatchingConfig": None, **REVERSE}, REVERSE),
        ({"reverseGeocodingConfig": {"xAttributeName": "lon", "yAttributeName": "lat"}}, REVERSE),
        (MATCHING, MATCHING),
    ],
)
def test_every_form_of_a_job_config(given_config: dict[str, Any], expected: dict[str, Any]) -> None:
    assert payloads.job_config({"k": given_config}, "k") == expected


def test_keys_survive_that_only_the_service_can_judge() -> None:
    config = {"KmsKeyId": "key", "S3Uri": "s3://b/o/", "Novelty": 1}
    assert payloads.job_config({"k": config}, "k") == config
    assert payloads.output_config({"k": config}, "k") == {"S3Data": {"S3Uri": "s3://b/o/", "KmsKeyId": "key"}}
    assert payloads.input_config({"k": {**INPUT, "Novelty": 1}}, "k") == {**INPUT, "Novelty": 1}


def test_a_lower_case_key_wins_over_its_variants() -> None:
    assert payloads.fold({"Token": "b", "token": "a", "TOKEN": "c"}) == {"token": "a"}
    assert payloads.fold({"token": None, "Token": "b"}) == {"token": "b"}


@given(st.dictionaries(st.text(), st.none() | st.integers()))
def test_folding_leaves_no_capitals_and_no_nulls(mapping: dict[str, Any]) -> None:
    folded = payloads.fold(mapping)
    assert None not in folded.values()
    assert set(folded) == {key.lower() for key, value in mapping.items() if value is not None}
