"""The hello excerpt, copied out of the project and run on its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.e2e import Standing
from tests.support.paths import ROOT

MARK = "snippet-"


def run_copy(folder: Path, standing: Standing) -> subprocess.CompletedProcess[str]:
    """What is between the marks, in a folder that knows nothing of us, with plain boto3 settings."""
    lines = (ROOT / "geopipe_runner/hello.py").read_text(encoding="utf-8").splitlines(keepends=True)
    begin, end = (number for number, line in enumerate(lines) if line.startswith(f"# {MARK}"))
    (folder / "copied.py").write_text("".join(lines[begin + 1 : end]), encoding="utf-8")
    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_ENDPOINT_URL": standing.url,
        "NO_PROXY": "*",
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-I", "copied.py"],
        cwd=folder,
        env=others | settings,
        capture_output=True,
        text=True,
        timeout=60,
    )


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}],
}


@pytest.fixture
def role(standing: Standing) -> str:
    created = standing.client("iam").create_role(RoleName="notebooks", AssumeRolePolicyDocument=json.dumps(TRUST))
    return str(created["Role"]["Arn"])


def test_hello_alone_says_how_to_add_an_instance(tmp_path: Path, standing: Standing) -> None:
    done = run_copy(tmp_path, standing)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Hello Amazon SageMaker!" in done.stdout
    assert "No notebook instances found." in done.stdout


def test_hello_alone_lists_at_most_five(tmp_path: Path, standing: Standing, role: str) -> None:
    for number in range(6):
        standing.client("sagemaker").create_notebook_instance(
            NotebookInstanceName=f"notebook-{number}", InstanceType="ml.t3.medium", RoleArn=role
        )
    done = run_copy(tmp_path, standing)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("    Instance: notebook-") == 5
