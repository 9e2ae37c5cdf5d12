"""With `target: aws`: whose account it is, how credentials come, and what an apply that fails half-way leaves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from e2e_world import FUNCTION_NEEDS, Standing, StartStanding, Workplace


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
    """botocore's own AssumeRole is no write of ours; everything else reads."""
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


def test_a_profile_that_is_not_there(workplace: Workplace) -> None:
    done = workplace.geopipe(workplace.config(target="aws", profile="nobody"), "--dry-run")
    assert done.returncode == 1
    assert "nobody" in done.stderr and "Traceback" not in done.stderr


def test_the_whole_run_with_target_aws(workplace: Workplace, standing: Standing) -> None:
    """Not a line of it is for the emulator: only the endpoint says where the calls go."""
    config = _aws(workplace, standing)
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all", env=KEYS)
    assert done.returncode == 0, done.stderr
    assert "200 rows, 200 of them Valid Data." in done.stdout
    assert standing.inventory() == {}


def test_an_apply_that_fails_half_way_goes_on_next_time(workplace: Workplace, standing: Standing) -> None:
    missing = "arn:aws:iam::123456789012:role/not-there-yet"
    config = workplace.config(endpoint=standing.url, iam={"lambda_role": missing})
    failed = workplace.geopipe(config, "--non-interactive", "--cleanup=none")
    assert failed.returncode == 1
    assert "Failed to create Lambda function SageMakerExampleFunction" in failed.stderr
    assert "cannot be assumed by Lambda" in failed.stderr
    done, not_done = (next(x for x in failed.stderr.splitlines() if x.startswith(y)) for y in ("Done:", "Not done:"))
    assert "IAM role SageMakerExampleRole" in done and "event source mapping" in not_done
    assert "goes on from there" in failed.stderr

    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    standing.client("iam").create_role(
        RoleName="not-there-yet",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    standing.allow("not-there-yet", *FUNCTION_NEEDS)
    again = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert again.returncode == 0, again.stderr
    assert "200 rows, 200 of them Valid Data." in again.stdout
    assert standing.inventory() == {"roles": ["not-there-yet"]}


def test_a_failed_apply_is_cleaned_up_when_that_is_the_policy(workplace: Workplace, standing: Standing) -> None:
    missing = "arn:aws:iam::123456789012:role/not-there-yet"
    config = workplace.config(endpoint=standing.url, iam={"lambda_role": missing})
    failed = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert failed.returncode == 1 and "Failed to create Lambda function" in failed.stderr
    assert standing.inventory() == {}


def test_a_role_not_ready_is_waited_for_and_said_once(workplace: Workplace, standing: Standing) -> None:
    missing = "arn:aws:iam::123456789012:role/not-there-yet"
    config = workplace.config(endpoint=standing.url, iam={"lambda_role": missing, "propagation_timeout": 2})
    failed = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert failed.returncode == 1
    assert failed.stdout.count("Waiting up to 2 s: IAM has not yet made the role known everywhere.") == 1


def test_throttling_is_waited_out_and_said_once_per_service(
    workplace: Workplace, start_standing: StartStanding
) -> None:
    standing = start_standing("--faults", "0.3", "--fault-seed", "3", "--fault-kinds", "throttle")
    done = workplace.geopipe("plan", workplace.config(endpoint=standing.url))
    assert done.returncode == 0, done.stderr
    said = re.findall(r"Waiting: ([a-z0-9-]+) asks to be called less often \(", done.stdout)
    assert said and len(said) == len(set(said))
