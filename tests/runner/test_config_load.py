"""What a sound configuration becomes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from geopipe_runner.config import Config, load
from geopipe_runner.config.addresses import host_of, is_loopback
from geopipe_runner.config.loader import read_values
from geopipe_runner.config.model import AssumeRole, RoleConfig, S3Location
from geopipe_runner.config.rules import FILE_RULES, rule_problems
from geopipe_runner.config.schema import load_schema
from geopipe_runner.config.values import Values
from geopipe_runner.errors import ConfigError, Problem
from tests.support.paths import ROOT

LOCAL = ROOT / "config" / "local.yaml"
AWS = ROOT / "config" / "us-west-2.yaml"
PLACEHOLDER = "YOUR-ACCOUNT-ID"
MINIMAL: dict[str, Any] = {
    "deployment": "test",
    "target": "aws",
    "region": "us-west-2",
    "account_id": "123456789012",
    "bucket": {"name": "test-bucket"},
}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, **changes}), encoding="utf-8")
    return path


def load_dict(folder: Path, environ: dict[str, str] | None = None, **changes: Any) -> Config:
    return load(write(folder, **changes), environ or {})


def flattened(section: Any, prefix: str = "") -> set[str]:
    if not isinstance(section, dict) or not section:
        return {prefix}
    return {name for key, value in section.items() for name in flattened(value, f"{prefix}.{key}")}


def test_shipped_local() -> None:
    config = load(LOCAL, {})
    assert config.path == LOCAL
    assert (config.deployment, config.target, config.endpoint, config.embedded) == ("local", "local", None, True)
    assert config.account_id == "123456789012"
    assert config.bucket.name == "geopipe-local-123456789012"
    assert config.queue.dead_letter_name == "sagemaker-sdk-example-queue-dlq"
    assert config.iam.lambda_role == RoleConfig("SageMakerExampleLambdaRole", None, managed=True)
    assert config.function.source == (ROOT / "lambda",)
    assert config.function.log_group == "/aws/lambda/SageMakerExampleFunction"
    assert config.pipeline.template == ROOT / "pipeline_templates" / "reverse_geocoding.json.j2"
    assert config.input.source == ROOT / "resources" / "latlongtest.csv"
    assert config.execution.poll_interval == 0.2
    assert config.cleanup == "all"


def test_the_bucket_is_a_variable(tmp_path: Path) -> None:
    bucket = {"name": "${deployment}-${account_id}"}
    config = load_dict(tmp_path, bucket=bucket, tags={"data": "s3://${bucket}/data"})
    assert config.bucket.name == "test-123456789012"
    assert config.tags == {"data": "s3://test-123456789012/data"}


def test_shipped_aws_is_sound_but_for_the_account() -> None:
    with pytest.raises(ConfigError) as caught:
        load(AWS, {})
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(10, 13)]
    assert "aws sts get-caller-identity" in str(caught.value)


def test_filled_copy_of_the_shipped_aws(tmp_path: Path) -> None:
    # In a place of its own, with the paths that were relative made absolute, as someone outside the repository would.
    text = AWS.read_text(encoding="utf-8").replace(PLACEHOLDER, "210987654321").replace("../", f"{ROOT}/")
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    config = load(path, {})
    assert (config.target, config.embedded, config.account_id) == ("aws", False, "210987654321")
    assert config.bucket.name == "sagemaker-sdk-example-210987654321-us-west-2"
    assert config.execution.poll_interval == 10


def test_shipped_files_have_the_same_keys() -> None:
    local, aws = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (LOCAL, AWS))
    assert flattened(local) == flattened(aws)


def test_shipped_files_say_the_defaults(tmp_path: Path) -> None:
    """Deleting a line changes nothing, except for what makes a run local and for the specification's names."""
    local = dataclasses.asdict(load(LOCAL, {}))
    names = {name: {"name": local[name]["name"]} for name in ("queue", "function", "pipeline")}
    default = dataclasses.asdict(load_dict(tmp_path, **names))
    differing = {key for key, value in local.items() if default[key] != value}
    assert differing == {
        "path",
        "document",
        "deployment",
        "target",
        "bucket",
        "iam",
        "execution",
        "cleanup",
        "emulator",
    }


def test_minimal_file_anywhere_uses_our_own_files(tmp_path: Path) -> None:
    config = load_dict(tmp_path)
    assert config.function.source == (ROOT / "lambda",)
    assert config.pipeline.template.is_file()
    assert isinstance(config.input.source, Path)
    assert config.input.source.is_file()
    assert config.execution.callback_deadline == 14400


def test_written_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "points.csv").write_text("Longitude,Latitude\n", encoding="utf-8")
    (tmp_path / "sub").mkdir()
    assert (
        load_dict(tmp_path / "sub", input={"source": "../data/points.csv"}).input.source == tmp_path / "data/points.csv"
    )
    monkeypatch.chdir(tmp_path)
    config = load("sub/test.yaml", {})
    assert config.input.source == tmp_path / "data/points.csv"
    assert config.path == tmp_path / "sub" / "test.yaml"


@pytest.mark.parametrize("handler", ["own.run", "shared.run"])
def test_code_from_several_sources(tmp_path: Path, handler: str) -> None:
    for place in ("code/own.py", "lib/shared.py"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).write_text("def run(event, context):\n    return {}\n", encoding="utf-8")
    written = {"source": ["code", "${env:LIB}/shared.py"], "handler": handler}
    config = load_dict(tmp_path, environ={"LIB": "lib"}, function=written)
    assert config.function.source == (tmp_path / "code", tmp_path / "lib/shared.py")


def test_s3_input(tmp_path: Path) -> None:
    source = load_dict(tmp_path, input={"source": "s3://survey-data/2024/points.csv"}).input.source
    assert source == S3Location("survey-data", "2024/points.csv")
    assert source.uri == "s3://survey-data/2024/points.csv"


def test_roles_by_arn_are_not_managed(tmp_path: Path) -> None:
    arn = "arn:aws:iam::123456789012:role/team/existing"
    config = load_dict(tmp_path, iam={"lambda_role": arn}, assume_role={"role_arn": arn})
    assert config.iam.lambda_role == RoleConfig("existing", arn, managed=False)
    assert config.iam.sagemaker_role.managed
    assert config.assume_role == AssumeRole(arn, None, "geopipe")


def test_one_role_given_twice_by_arn_is_fine(tmp_path: Path) -> None:
    arn = "arn:aws:iam::123456789012:role/both"
    config = load_dict(tmp_path, iam={"lambda_role": arn, "sagemaker_role": arn})
    assert config.iam.lambda_role == config.iam.sagemaker_role


def test_profile_and_assumed_role_go_together(tmp_path: Path) -> None:
    arn = "arn:aws:iam::123456789012:role/deployer"
    config = load_dict(tmp_path, profile="research", assume_role={"role_arn": arn, "external_id": "x-1"})
    assert config.profile == "research"
    assert config.assume_role == AssumeRole(arn, "x-1", "geopipe")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4566/", "http://localhost:4566", "http://[::1]:4566"])
@pytest.mark.parametrize("target", ["local", "aws"])
def test_loopback_endpoints(endpoint: str, target: str, tmp_path: Path) -> None:
    config = load_dict(tmp_path, target=target, endpoint=endpoint)
    assert config.endpoint == endpoint.rstrip("/")
    assert not config.embedded


def test_https_endpoint_elsewhere_is_for_aws_only(tmp_path: Path) -> None:
    assert load_dict(tmp_path, endpoint="https://aws.example.com").endpoint == "https://aws.example.com"


def test_whole_floats_become_integers(tmp_path: Path) -> None:
    config = load_dict(tmp_path, function={"timeout": 45.0}, execution={"timeout": 90})
    assert (repr(config.function.timeout), repr(config.execution.timeout)) == ("45", "90.0")


def test_parameters_keep_their_types(tmp_path: Path) -> None:
    parameters = {"text": "1", "whole": 1, "real": 1.5, "truth": True}
    assert load_dict(tmp_path, pipeline={"parameters": parameters}).pipeline.parameters == parameters


@pytest.mark.parametrize(
    ("written", "policy"), [("all", "all"), ("none", "none"), (["queue", "bucket"], ("queue", "bucket"))]
)
def test_cleanup(written: Any, policy: Any, tmp_path: Path) -> None:
    assert load_dict(tmp_path, cleanup=written).cleanup == policy


def test_interpolation(tmp_path: Path) -> None:
    environment = {
        "empty": "${env:EMPTY}",
        "empty_or": "${env:EMPTY:-full}",
        "unset_or": "${env:UNSET:-}",
        "set_or": "${env:STAGE:-green}",
        "literal": "$${region} $$ $",
        "twice": "${region}/${region}",
    }
    config = load_dict(
        tmp_path,
        environ={"STAGE": "blue", "EMPTY": ""},
        deployment="${env:STAGE}-${region}",
        bucket={"name": "${deployment}-${account_id}"},
        function={"environment": environment},
    )
    assert config.deployment == "blue-us-west-2"
    assert config.bucket.name == "blue-us-west-2-123456789012"
    assert config.function.environment == {
        "empty": "",
        "empty_or": "full",
        "unset_or": "",
        "set_or": "blue",
        "literal": "${region} $$ $",
        "twice": "us-west-2/us-west-2",
    }


def test_values_from_the_environment_are_known_as_such(tmp_path: Path) -> None:
    environ = {"PASSWORD": "hush", "OWNER": "ann", "STAGE": "blue", "LIMIT": "5", "EMPTY": "", "NOTE": "n", "ID": "x-1"}
    config = load_dict(
        tmp_path,
        environ=environ,
        deployment="${env:STAGE}",
        tags={"owner": "${env:OWNER}", "stage": "${env:STAGE}", "region": "${region}", "default": "${env:NONE:-none}"},
        function={"environment": {"DSN": "db://geo:${env:PASSWORD}@host/${region}", "EMPTY": "${env:EMPTY}"}},
        pipeline={"parameters": {"limit": "${env:LIMIT}"}, "description": "${env:NOTE}"},
        assume_role={"role_arn": "arn:aws:iam::123456789012:role/deployer", "external_id": "${env:ID}"},
    )
    # Of the deployment's name no plan can be silent.
    assert config.secrets == {"hush", "db://geo:hush@host/us-west-2", "ann", "5", "n", "x-1"}
    assert "secrets" not in repr(config)


def test_values_with_the_name_of_a_secret_are_known_as_such(tmp_path: Path) -> None:
    environ = {
        "PW": "by-its-key",
        "API_TOKEN": "by-its-variable",
        "DSN": "db://geo:in-a-url@host/x",
        "STAGE": "blue",
        "SECRET_NAME": "the-bucket",
        "AUTH": "deployed",
    }
    config = load_dict(
        tmp_path,
        environ=environ,
        deployment="${env:AUTH}",
        bucket={"name": "${env:SECRET_NAME}"},
        tags={"stage": "${env:STAGE}", "auth": "${env:AUTH}"},
        function={
            "environment": {
                "DB_PASSWORD": "${env:PW}",
                "HEADER": "Bearer ${env:API_TOKEN}",
                "DATABASE": "${env:DSN}",
                "STAGE": "${env:STAGE}",
                "BUCKET_OF_SECRETS": "${env:SECRET_NAME}",
                "PASSWORD": "in-the-file",
            }
        },
    )
    # Names of resources stay visible, and so does what only comes from the environment.
    assert config.named_secrets == {"by-its-key", "by-its-variable", environ["DSN"], "in-a-url"}
    assert config.named_secrets - config.secrets == {"in-a-url"}
    assert "named_secrets" not in repr(config)


def test_an_unused_environment_is_no_secret(tmp_path: Path) -> None:
    assert load_dict(tmp_path, environ={"PASSWORD": "hush"}).secrets == frozenset()


def test_what_comes_in_is_not_interpolated_again(tmp_path: Path) -> None:
    config = load_dict(tmp_path, environ={"X": "${region}"}, pipeline={"description": "${env:X}"})
    assert config.pipeline.description == "${region}"


def test_who_only_deletes_needs_no_files(tmp_path: Path) -> None:
    gone = {
        "function": {"source": "gone"},
        "pipeline": {"template": "gone.j2"},
        "input": {"source": "gone.csv"},
    }
    with pytest.raises(ConfigError) as caught:
        load_dict(tmp_path, **gone)
    assert len(caught.value.problems) == 3
    config = load(tmp_path / "test.yaml", {}, files=False)
    assert (config.function.source, config.input.source) == ((tmp_path / "gone",), tmp_path / "gone.csv")


def test_without_files_everything_else_is_checked(tmp_path: Path) -> None:
    load_dict(tmp_path)
    (tmp_path / "test.yaml").write_text("deployment: UPPER\n")
    with pytest.raises(ConfigError):
        load(tmp_path / "test.yaml", {}, files=False)


def test_our_own_files_are_named_as_ours_where_they_are_not(tmp_path: Path) -> None:
    """As in a package, which holds the program only."""
    document, _ = read_values(write(tmp_path), {})
    values = Values(document, load_schema(), tmp_path, own_folder=tmp_path / "site-packages" / "config")
    problems = [problem for rule in FILE_RULES for problem in rule_problems(rule, values)]
    assert [(problem.path, problem.valid) for problem in problems] == [
        ("pipeline.template", "set it to the path of a pipeline template"),
        ("function.source", "set it to the path of a folder with code"),
        ("input.source", "set it to the path of a CSV file or s3://bucket/key"),
    ]
    for problem in problems:
        assert f"{problem.path} is left out, and geopipe's own is not here: there is no" in problem.what


def test_a_fault_found_later_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(MINIMAL) + "tags:\n  team: maps\n", encoding="utf-8")
    config = load(path, {})
    line = len(path.read_text().splitlines())
    assert config.problem(("tags", "team"), "w", "v") == Problem(str(path), line, 3, "w", "v")
    assert config.problem(("tags", "other"), "w", "v") == Problem(str(path), line - 1, 1, "w", "v")
    assert config.problem(("job", "kind"), "w", "v") == Problem(str(path), 1, 1, "w", "v")
    assert "document" not in repr(config)


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("127.8.9.10", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("", False)],
)
def test_loopback(host: str, here: bool) -> None:
    assert is_loopback(host) is here


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:1", "127.0.0.1"),
        ("http://[::1]:1", "::1"),
        ("http://h:0", None),
        ("http://h:x", None),
        ("http://[", None),
    ],
)
def test_hosts(url: str, host: str | None) -> None:
    assert host_of(url) == host


def test_config_is_frozen() -> None:
    config = load(LOCAL, {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.region = "eu-west-1"  # type: ignore[misc]


@pytest.mark.process
def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from geopipe_runner.config import load; load(sys.argv[1]); "
        "print([name for name in ('boto3', 'botocore', 'moto', 'numpy', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(LOCAL)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
