"""What the function's code can be: with packages of a requirements file, and too large to go to Lambda directly."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.e2e import Standing, StartStanding, Workplace
from tests.support.paths import ROOT
from tests.support.small_wheels import pip_with_only, write_wheel

BUCKET = "geopipe-local-123456789012"
FUNCTION = "SageMakerExampleFunction"
WRAPPER = """import print_line
import handler

def handle(event, context):
    print("package", print_line.TAG)
    return handler.lambda_handler(event, context)
"""


@pytest.fixture
def pip_environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which pip has one wheel, and no index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    write_wheel(folder, "print_line")
    return pip_with_only(folder, tmp_path / "cache")


def log_text(standing: Standing) -> str:
    pages = standing.client("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{FUNCTION}")
    return "".join(event["message"] for page in pages for event in page["events"])


def with_own_handler(workplace: Workplace, standing: Standing, **function: Any) -> Path:
    code = workplace.folder / "code"
    code.mkdir(exist_ok=True)
    (code / "wrapper.py").write_text(WRAPPER)
    settings = {"source": [str(ROOT / "lambda"), "code"], "handler": "wrapper.handle", "requirements": "packages.txt"}
    (workplace.folder / "packages.txt").write_text("print_line\n")
    return workplace.config(endpoint=standing.url, function=settings | function)


def test_the_handler_imports_a_package_of_the_requirements(
    workplace: Workplace, start_standing: StartStanding, pip_environment: dict[str, str]
) -> None:
    standing = start_standing()
    config = with_own_handler(workplace, standing)
    done = workplace.geopipe("run", config, "--non-interactive", "--cleanup=none", env=pip_environment)
    assert done.returncode == 0, done.stderr
    assert "function.requirements: installed for this machine's Python" in done.stdout
    assert "package py3-none-any" in log_text(standing)
    # Neither the index nor its wheels are needed again, and the code is the same.
    without = pip_environment | {"PIP_FIND_LINKS": "/nowhere"}
    plan = workplace.geopipe("plan", config, "--detailed-exitcode", env=without)
    assert plan.returncode == 0, plan.stdout + plan.stderr


def test_a_plan_summarizes_changed_code_and_lists_it_on_request(
    workplace: Workplace, start_standing: StartStanding, pip_environment: dict[str, str]
) -> None:
    standing = start_standing()
    config = with_own_handler(workplace, standing)
    done = workplace.geopipe("run", config, "--non-interactive", "--cleanup=none", env=pip_environment)
    assert done.returncode == 0, done.stderr
    code = workplace.folder / "code"
    (code / "wrapper.py").write_text(f"{WRAPPER}\n# changed\n")
    for name in ("one.py", "two.py"):
        (code / name).write_text("")
    summary = "code: 1 file changed, 2 added"
    for options, listed in ((), False), (("--verbose",), True):
        plan = workplace.geopipe("plan", config, *options, env=pip_environment)
        assert plan.returncode == 0, plan.stderr
        lines = [line.strip() for line in plan.stdout.splitlines()]
        assert summary in lines
        start = lines.index(summary) + 1
        assert (lines[start : start + 3] == ["+ one.py", "+ two.py", "~ wrapper.py"]) is listed
        assert "sha256" not in plan.stdout
    out = workplace.folder / "out"
    done = workplace.geopipe("run", config, "--non-interactive", "--output-dir", out, env=pip_environment)
    assert done.returncode == 0, done.stderr
    assert summary in (out / "report.html").read_text(encoding="utf-8")


def test_packages_that_cannot_be_installed_end_the_run_before_any_call(
    workplace: Workplace, start_standing: StartStanding, pip_environment: dict[str, str]
) -> None:
    standing = start_standing()
    config = with_own_handler(workplace, standing)
    (workplace.folder / "packages.txt").write_text("print_line==9\n")
    done = workplace.geopipe("run", config, "--non-interactive", env=pip_environment)
    assert done.returncode == 1
    assert re.search(r"pip could not install .*/packages\.txt for .*\n.*\n?.*print_line==9", done.stderr)
    assert "Traceback" not in done.stderr
    assert standing.calls() == []


@pytest.mark.slow
def test_a_zip_of_60_mb_goes_through_the_bucket_and_is_cleaned_up(
    workplace: Workplace, start_standing: StartStanding
) -> None:
    standing = start_standing()
    code = workplace.folder / "code"
    code.mkdir()
    noise = random.Random(1).randbytes(60_000_000)  # which no compression makes smaller
    (code / "model.bin").write_bytes(noise)
    config = workplace.config(endpoint=standing.url, function={"source": [str(ROOT / "lambda"), "code"]})
    done = workplace.geopipe("run", config, "--non-interactive", "--cleanup=none")
    assert done.returncode == 0, done.stderr
    objects = standing.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="geopipe/")["Contents"]
    assert [re.sub(r"[0-9a-f]{64}", "HASH", entry["Key"]) for entry in objects] == ["geopipe/local/functions/HASH.zip"]
    content = standing.client("s3").get_object(Bucket=BUCKET, Key=objects[0]["Key"])["Body"].read()
    assert hashlib.sha256(content).hexdigest() in objects[0]["Key"]
    assert standing.client("lambda").get_function_configuration(FunctionName=FUNCTION)["CodeSize"] == len(content)
    plan = workplace.geopipe("plan", config, "--detailed-exitcode")
    assert plan.returncode == 0, plan.stdout
    (code / "model.bin").write_bytes(noise[::-1])
    changed = workplace.geopipe("run", config, "--non-interactive", "--cleanup=none")
    assert changed.returncode == 0, changed.stderr
    assert standing.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="geopipe/")["KeyCount"] == 2
    assert workplace.geopipe("cleanup", config, "--non-interactive", "--cleanup=all").returncode == 0
    assert standing.inventory() == {}


@pytest.mark.slow
def test_files_of_more_than_250_mb_are_refused_before_any_call(
    workplace: Workplace, start_standing: StartStanding
) -> None:
    standing = start_standing()
    code = workplace.folder / "code"
    for name, size in (("torch", 200), ("numpy", 60), ("tiny", 1)):
        (code / name).mkdir(parents=True)
        with (code / name / "library.so").open("wb") as file:
            file.truncate(size * 2**20)
    config = workplace.config(endpoint=standing.url, function={"source": [str(ROOT / "lambda"), "code"]})
    done = workplace.geopipe("run", config, "--non-interactive")
    assert done.returncode == 2
    assert "The largest: torch/ (209,715,200), numpy/ (62,914,560), tiny/ (1,048,576)" in done.stderr
    assert standing.calls() == []
