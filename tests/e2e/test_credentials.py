"""With `target: aws`: whose account it is, how credentials come, and what an apply that fails half-way leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.e2e import FUNCTION_NEEDS, Standing, StartStanding, Workplace


def _calls(standing: Standing) -> dict[str, int]:
    return {f"{call['service']}:{call['operation']}": call["count"] for call in standing.calls()}


def _aws(workplace: Workplace, standing: Standing, **changes: Any) -> Path:
    return workplace.config(target="aws", endpoint=standing.url, cleanup="none", **changes)


READS = (
    "iam:Get*",
    "iam:List*",
    "sqs:Get*",
    "sqs:List*",
    "s3:Get*",
    "s3:List*",
    "lambda:Get*",
    "lambda:List*",
    "logs:Describe*",
    "logs:List*",
    "sagemaker:Describe*",
    "sagemaker:List*",
    "sagemaker-geospatial:List*",
    "tag:GetResources",
)
"""A plan gets by with these."""
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}


def test_a_wrong_account_stops_after_the_first_call(workplace: Workplace, standing: Standing) -> None:
    config = _aws(workplace, standing, account_id="111122223333")
    done = workplace.geopipe(config, "--non-interactive", env=KEYS)
    assert done.returncode == 5
    assert "123456789012" in done.stderr and "111122223333" in done.stderr and "Nothing was done" in done.stderr
    assert _calls(standing) == {"sts:GetCallerIdentity": 1}


def test_a_plan_through_a_role_of_a_profile(workplace: Workplace, standing: Standing) -> None:
    """Botocore's own AssumeRole is no write of ours; everything else reads."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}
    standing.client("iam").create_role(
        RoleName="deployer", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    standing.allow("deployer", *READS)
    (workplace.folder / "aws-config").write_text(
        "[profile base]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = example\n"
        "[profile deploy]\nrole_arn = arn:aws:iam::123456789012:role/deployer\nsource_profile = base\n"
        "region = us-west-2\n"
    )
    env = {"AWS_CONFIG_FILE": str(workplace.folder / "aws-config"), "AWS_ENDPOINT_URL_STS": standing.url}
    before = standing.mutating_calls()
    done = workplace.geopipe("plan", _aws(workplace, standing, profile="deploy"), env=env)
    assert done.returncode == 0, done.stderr
    assert "assumed-role/deployer" in done.stdout and "Plan: 13 to create" in done.stdout
    assert _calls(standing)["sts:AssumeRole"] == 1
    assert standing.mutating_calls() == before


def test_a_role_taken_on_by_the_configuration(workplace: Workplace, standing: Standing) -> None:
    role = "arn:aws:iam::123456789012:role/deployer"
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}
    standing.client("iam").create_role(
        RoleName="deployer", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    standing.allow("deployer", *READS)
    done = workplace.geopipe("plan", _aws(workplace, standing, assume_role={"role_arn": role}), env=KEYS)
    assert done.returncode == 0, done.stderr
    assert "assumed-role/deployer" in done.stdout


def test_an_endpoint_variable_left_over_is_refused(workplace: Workplace) -> None:
    config = workplace.config(target="aws")
    done = workplace.geopipe(config, "--dry-run", env=KEYS | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"})
    assert done.returncode == 5
    assert "AWS_ENDPOINT_URL_S3" in done.stderr and "endpoint" in done.stderr


def test_a_missing_profile(workplace: Workplace) -> None:
    done = workplace.geopipe(workplace.config(target="aws", profile="missing-profile"), "--dry-run")
    assert done.returncode == 1
    assert "missing-profile" in done.stderr and "Traceback" not in done.stderr


BROKEN_PROFILES = [
    ("credential_process = /no/such/tool\n", 1, "credential_process"),
    ("credential_process = echo hello\n", 1, "printed no JSON"),
    ("role_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = /no/such/token\n", 1, "/no/such/token"),
    (
        "sso_start_url = https://x\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n",
        1,
        "aws sso login --profile p",
    ),
    (
        "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = example-secret\n[profile p]\n"
        "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\nmfa_serial = arn:aws:iam::1:mfa/me\n",
        5,
        "MFA",
    ),
]


@pytest.mark.parametrize(("profile", "code", "says"), BROKEN_PROFILES)
def test_a_profile_that_cannot_work_is_one_failed_event(
    workplace: Workplace, standing: Standing, profile: str, code: int, says: str
) -> None:
    first = "[profile base]\n" if "[profile p]" in profile else "[profile p]\n"
    (workplace.folder / "aws-config").write_text(first + profile)
    env = {"AWS_CONFIG_FILE": str(workplace.folder / "aws-config")}
    done = workplace.geopipe(_aws(workplace, standing, profile="p"), "--output", "json", "--non-interactive", env=env)
    assert done.returncode == code, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    (failed,) = [event for event in events if event["event"] == "failed"]
    assert "\n" not in failed["message"] and says in f"{failed['message']} {failed['hint']}"
    assert "Traceback" not in done.stderr
    assert _calls(standing) == {}


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n"])
def test_a_secret_with_a_line_ending_is_named_and_never_shown(
    workplace: Workplace, standing: Standing, ending: str
) -> None:
    secret = "example-secret-0123456789"
    env = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": secret + ending}
    folder = workplace.folder / "out"
    done = workplace.geopipe(
        _aws(workplace, standing), "--non-interactive", "--verbose", "--output-dir", str(folder), env=env
    )
    assert done.returncode == 1
    assert "AWS_SECRET_ACCESS_KEY ends with" in done.stderr
    texts = [done.stdout, done.stderr, *(path.read_text() for path in folder.rglob("*") if path.is_file())]
    assert not any(secret in text for text in texts)
    assert _calls(standing) == {}


def test_the_whole_run_with_target_aws(workplace: Workplace, standing: Standing) -> None:
    """Not a line of it is for the emulator: only the endpoint says where the calls go."""
    config = _aws(workplace, standing)
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all", env=KEYS)
    assert done.returncode == 0, done.stderr
    assert "200 rows, 200 of them Valid Data." in done.stdout
    assert standing.inventory() == {}


NOT_READY = "arn:aws:iam::123456789012:role/not-ready"


def _role_not_ready(standing: Standing) -> None:
    """A role of others that names Lambda as trusted, which is all that a plan can see, and still refuses it."""
    _trust(standing.client("iam").create_role, "Allow", "Deny")
    standing.allow("not-ready", *FUNCTION_NEEDS)


def _trust(call: Callable[..., Any], *effects: str) -> None:
    service = {"Service": "lambda.amazonaws.com"}
    statements = [{"Effect": effect, "Action": "sts:AssumeRole", "Principal": service} for effect in effects]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    name = "AssumeRolePolicyDocument" if call.__name__ == "create_role" else "PolicyDocument"
    call(RoleName="not-ready", **{name: document})


def test_an_apply_that_fails_half_way_continues_next_time(workplace: Workplace, standing: Standing) -> None:
    _role_not_ready(standing)
    config = workplace.config(endpoint=standing.url, iam={"lambda_role": NOT_READY})
    failed = workplace.geopipe(config, "--non-interactive", "--cleanup=none")
    assert failed.returncode == 1
    assert "Failed to create Lambda function SageMakerExampleFunction" in failed.stderr
    assert "cannot be assumed by Lambda" in failed.stderr
    done, not_done = (next(x for x in failed.stderr.splitlines() if x.startswith(y)) for y in ("Done:", "Not done:"))
    assert "IAM role SageMakerExampleRole" in done and "event source mapping" in not_done
    assert "It continues from there" in failed.stderr

    _trust(standing.client("iam").update_assume_role_policy, "Allow")
    again = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert again.returncode == 0, again.stderr
    assert "200 rows, 200 of them Valid Data." in again.stdout
    assert standing.inventory() == {"roles": ["not-ready"]}


def test_a_failed_apply_is_cleaned_up_when_that_is_the_policy(workplace: Workplace, standing: Standing) -> None:
    _role_not_ready(standing)
    config = workplace.config(endpoint=standing.url, iam={"lambda_role": NOT_READY})
    failed = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert failed.returncode == 1 and "Failed to create Lambda function" in failed.stderr
    assert standing.inventory() == {"roles": ["not-ready"]}


def test_a_role_not_ready_is_waited_for_and_said_once(workplace: Workplace, standing: Standing) -> None:
    _role_not_ready(standing)
    config = workplace.config(endpoint=standing.url, iam={"lambda_role": NOT_READY, "propagation_timeout": 2})
    failed = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert failed.returncode == 1
    assert failed.stdout.count("Waiting up to 2 s: the new role has not reached all of AWS yet.") == 1


def test_a_role_that_is_missing_is_refused_before_anything_is_created(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url, iam={"lambda_role": NOT_READY})
    refused = workplace.geopipe(config, "--non-interactive", "--cleanup=none")
    assert refused.returncode == 5 and "it does not exist" in refused.stderr
    assert standing.inventory() == {}


def test_throttling_is_waited_out_and_said_once_per_service(
    workplace: Workplace, start_standing: StartStanding
) -> None:
    standing = start_standing("--faults", "0.3", "--fault-seed", "3", "--fault-kinds", "throttle")
    done = workplace.geopipe("plan", workplace.config(endpoint=standing.url))
    assert done.returncode == 0, done.stderr
    said = re.findall(r"Waiting: ([a-z0-9-]+) asks to be called less often \(", done.stdout)
    assert said and len(said) == len(set(said))
