"""From an empty folder to a green run, as a new user does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.definition_mutations import SDK_DEFINITIONS
from tests.support.paths import ROOT


def geopipe(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "geopipe_runner", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_an_empty_folder_runs_and_a_changed_job_runs_again(tmp_path: Path) -> None:
    for arguments in (["init"], ["validate", "config.yaml"]):
        done = geopipe(tmp_path, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
    first = geopipe(tmp_path, "run", "config.yaml")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Grace,27.90" in first.stdout
    job = tmp_path / "code/job.py"
    job.write_text(job.read_text().replace("customer,total", "customer,sum"))
    second = geopipe(tmp_path, "run", "config.yaml")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "customer,sum" in second.stdout


def test_the_users_own_test_passes(tmp_path: Path) -> None:
    assert geopipe(tmp_path, "init").returncode == 0
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "tests"]
    done = subprocess.run(tests, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_a_second_init_is_refused_in_both_outputs(tmp_path: Path) -> None:
    assert geopipe(tmp_path, "init", "--name", "orders").returncode == 0
    again = geopipe(tmp_path, "init")
    assert again.returncode == 2
    assert "config.yaml" in again.stderr and "nothing was written" in again.stderr
    events = geopipe(tmp_path, "init", "--output", "json").stdout.splitlines()
    assert [json.loads(event)["event"] for event in events] == ["failed", "finished"]


@pytest.mark.parametrize("name", ["train_evaluate_register", "lambda_and_callback", "emr"])
def test_what_the_sdk_writes_runs(name: str, tmp_path: Path) -> None:
    source = next(path for path in SDK_DEFINITIONS if path.stem == name)
    assert geopipe(tmp_path, "init", "--from", str(source)).returncode == 0
    done = geopipe(tmp_path, "run", "config.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Execution finished with status Succeeded." in done.stdout
