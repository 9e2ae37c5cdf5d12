"""Every file gives a configuration or a ConfigError that points into the file, and nothing else.

The structured part changes a sound configuration in ways that people do. Its sample in the suite is small. `make fuzz`
tries more, and so does this command; the seed that it prints makes a run repeatable:

    GEOPIPE_FUZZ_CONFIGS=10000 GEOPIPE_FUZZ_SEED=1 python -m pytest -s tests/runner/test_config_fuzz.py -k structured
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geopipe_runner.config import Config, load
from geopipe_runner.config.schema import load_schema
from geopipe_runner.errors import ConfigError
from tests.support import fuzz
from tests.support.config_mutations import mutated_config
from tests.support.paths import ROOT

LOCAL = (ROOT / "config" / "local.yaml").read_text(encoding="utf-8").replace("../", f"{ROOT}/")
MODEST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIGNS = "abz019 \t\n:-?&*!|>'\"%@`{}[],#${}~.\u00e9\u2028\x07"

SCHEMA = load_schema()["properties"]
KEYS = st.sampled_from([*SCHEMA, *(key for part in SCHEMA.values() for key in part.get("properties", {}))]) | st.text(
    max_size=4
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 100_000)
    | st.floats()
    | st.dates()
    | st.text(max_size=12)
    | st.sampled_from(["${region}", "${env:X}", "s3://a/b", "arn:aws:iam::1:role/x", "local", "http://[", "~x/y", "\0"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fuzz.yaml"


def check(path: Path, content: str | bytes) -> Config | None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    try:
        config = load(path, {"X": "x", "SECRET": "hush-hush"})
    except ConfigError as error:
        lines = path.read_bytes().count(b"\n") + path.read_bytes().count(b"\r") + 1
        for problem in error.problems:
            assert 1 <= problem.line <= lines
            assert problem.column >= 1
            assert problem.what
            assert problem.valid
            assert "\n" not in str(problem)
        str(error).encode("utf-8")
        return None
    assert isinstance(config, Config)
    return config


@MODEST
@given(content=st.binary(max_size=60))
def test_any_bytes(path: Path, content: bytes) -> None:
    check(path, content)


@MODEST
@given(content=st.text(alphabet=SIGNS, max_size=80))
def test_any_yaml_like_text(path: Path, content: str) -> None:
    check(path, content)


@MODEST
@given(at=st.integers(0, len(LOCAL)), length=st.integers(0, 40), inserted=st.text(alphabet=SIGNS, max_size=6))
def test_a_sound_file_after_an_accident(path: Path, at: int, length: int, inserted: str) -> None:
    check(path, LOCAL[:at] + inserted + LOCAL[at + length :])


@MODEST
@given(changes=st.dictionaries(st.sampled_from([*SCHEMA]), VALUES, min_size=1, max_size=4))
def test_any_values_under_known_keys(path: Path, changes: dict[str, Any]) -> None:
    check(path, yaml.safe_dump({**yaml.safe_load(LOCAL), **changes}, allow_unicode=True))


@MODEST
@given(section=st.sampled_from([key for key, part in SCHEMA.items() if "properties" in part]), data=st.data())
def test_any_value_of_one_setting(path: Path, section: str, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([*SCHEMA[section]["properties"]]))
    content = yaml.safe_load(LOCAL)
    content[section] = {**(content[section] or {}), key: data.draw(VALUES)}
    check(path, yaml.safe_dump(content, allow_unicode=True))


@pytest.mark.slow
def test_structured_mutations(path: Path) -> None:
    count, seed = fuzz.count("CONFIGS", usual=60), fuzz.seed()
    valid, slowest = 0, 0.0
    for number in range(seed, seed + count):
        content, mutations = mutated_config(random.Random(number), path.parent)
        before = time.process_time()
        try:
            valid += check(path, content) is not None
        except BaseException:
            print(f"seed {number}: {mutations}")
            raise
        slowest = max(slowest, time.process_time() - before)
    print(f"{count} configurations from seed {seed}: {valid} valid, at most {slowest:.2f} s of processor time for one")
    assert valid < count
    assert slowest < 15
