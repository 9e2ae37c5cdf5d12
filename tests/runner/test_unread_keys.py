"""Keys without an effect: a warning that says where they are and what they are for, and silence about all others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from geopipe_runner.config import ConfigFile
from geopipe_runner.config.model import JobConfig
from geopipe_runner.jobs.registry import JOBS
from geopipe_runner.stages.unread_keys import unread_keys
from tests.support.config_files import MINIMAL_CONFIG
from tests.support.paths import ROOT

# What every job kind reads.
COMMON = {"kind", "longitude_column", "latitude_column", "max_invalid_share"}
AWS = MINIMAL_CONFIG.replace("target: local", "target: aws")
CUSTOM = f"{AWS}pipeline: {{template: steps.json}}\njob: {{kind: custom}}\n"
ROLES = """\
iam:
  lambda_role: arn:aws:iam::123456789012:role/one
  sagemaker_role: arn:aws:iam::123456789012:role/two
  permissions_boundary: arn:aws:iam::123456789012:policy/limit
"""


def warnings(folder: Path, text: str, settings: tuple[str, ...] = ()) -> list[str]:
    """Returns the warnings about each deployment of a configuration with this text; its files need not exist."""
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    file = ConfigFile(path, {}, files=False, settings=settings)
    configs = [file.load(name) for name in file.names or (None,)]
    return [str(problem).replace(f"{folder}/", "") for config in configs for problem in sorted(unread_keys(config))]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("{kind: reverse_geocoding, provider: gazetteer, workers: 4, part_size_mb: 2}", []),
        ("{provider: amazon_location, workers: 4, max_requests_per_second: 9, price_per_1000: 1}", []),
        ("{provider: gazetteer, price_per_1000: null, columns: [], transform: null}", []),
        (
            "{provider: gazetteer, price_per_1000: 1}",
            [
                "6:28: job.price_per_1000 has no effect with job.provider gazetteer; it is for job.provider "
                "amazon_location"
            ],
        ),
        (
            "{workers: 4, transform: depots}",
            [
                "6:7: job.workers has no effect with job.provider sagemaker_geospatial; it is for job.provider "
                "gazetteer, job.provider amazon_location, job.kind map_rows",
                "6:19: job.transform has no effect with job.provider sagemaker_geospatial; it is for job.kind map_rows",
            ],
        ),
    ],
)
def test_a_key_of_another_job_is_a_warning(tmp_path: Path, job: str, expected: list[str]) -> None:
    assert warnings(tmp_path, f"{MINIMAL_CONFIG}job: {job}\n") == [f"mine.yaml:{text}" for text in expected]


def test_a_provider_is_for_one_kind_only(tmp_path: Path) -> None:
    rows = "job: {kind: map_rows, transform: depots, columns: [depot], provider: gazetteer, id_column: Id}\n"
    assert warnings(tmp_path, f"{MINIMAL_CONFIG}{rows}function: {{source: depots.py}}\n") == [
        "mine.yaml:6:60: job.provider has no effect with job.kind map_rows; it is for job.kind reverse_geocoding",
        "mine.yaml:6:81: job.id_column has no effect with job.kind map_rows; it is for job.kind map_matching",
    ]
    matching = "job: {kind: map_matching, id_column: Trip, columns: [depot]}\n"
    assert warnings(tmp_path, f"{AWS}{matching}") == [
        "mine.yaml:6:44: job.columns has no effect with job.kind map_matching; it is for job.kind map_rows"
    ]


def test_a_value_of_the_command_line_and_of_a_base_is_named_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(f"{MINIMAL_CONFIG}job:\n  workers: 7\n", encoding="utf-8")
    found = warnings(tmp_path, "extends: base.yaml\n", ("job.transform=depots",))
    assert [text.partition(" has")[0] for text in found] == [
        "--set job.transform=depots:1:1: job.transform",
        "base.yaml:7:3: job.workers",
    ]
    assert warnings(tmp_path, "extends: base.yaml\n", ("job.provider=gazetteer",)) == []


def test_deployments_with_different_providers_are_valid(tmp_path: Path) -> None:
    text = (
        "target: local\nregion: us-west-2\naccount_id: '123456789012'\nbucket: {name: '${deployment}-bucket'}\n"
        "job: {max_requests_per_second: 5}\n"
        "deployments:\n  paid: {job: {provider: amazon_location}}\n  free: {job: {provider: gazetteer}}\n"
    )
    assert warnings(tmp_path, text) == [
        "mine.yaml:5:7: job.max_requests_per_second has no effect with job.provider gazetteer; it is for job.provider "
        "amazon_location"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"{AWS}input:\n  source: s3://data/points.csv\n  encoding: latin-1\n  delimiter: ';'\n",
            [
                "8:3: input.encoding has no effect with an input in S3; it is for a local input, which is converted",
                "9:3: input.delimiter has no effect with an input in S3; it is for a local input, which is converted",
            ],
        ),
        (f"{AWS}input: {{source: points.csv, encoding: latin-1}}\n", []),
        (
            f"{AWS}{ROLES}",
            [
                "9:3: iam.permissions_boundary has no effect, because both roles are ARNs; it is for roles that "
                "geopipe creates"
            ],
        ),
        (f"{AWS}{ROLES.replace('arn:aws:iam::123456789012:role/one', 'one')}", []),
        (
            f"{CUSTOM}queues: {{a: {{}}}}\nfunctions:\n  one: {{source: one, batch_size: 2}}\n"
            "  two: {source: two, queue: a, batch_size: 2}\n",
            [
                "10:22: functions.one.batch_size has no effect, because the function has no queue; it is for "
                "functions.one.queue"
            ],
        ),
    ],
)
def test_other_keys_without_effect(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert warnings(tmp_path, text) == [f"mine.yaml:{text}" for text in expected]


def test_shipped_configurations_and_examples_are_quiet() -> None:
    found = []
    paths = [*ROOT.glob("config/*.yaml"), *ROOT.glob("docs/examples/*/*.yaml")]
    for path in paths:
        file = ConfigFile(path, {}, files=False, settings=("account_id=123456789012",))
        found += [problem for name in file.names or (None,) for problem in unread_keys(file.load(name))]
    assert len(paths) > 9
    assert found == []


def test_every_key_of_a_job_belongs_to_all_kinds_or_to_those_that_name_it() -> None:
    """So that a new key of one kind is not forgotten."""
    known = {field.name for field in dataclasses.fields(JobConfig)}
    named = {key for job in JOBS for key in job.keys} | {"provider"}
    assert named | COMMON == known
    assert named & COMMON == set()
