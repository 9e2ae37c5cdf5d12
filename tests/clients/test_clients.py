"""The scenario of `tests/support/clients` with AWS's command line and SDKs, and with Terraform.

Each client has an emulator of its own that holds roles to their policies, and must leave the account empty.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from geopipe_emulator.process import Emulator
from tests.support.clients import scenario
from tests.support.clients.install import JAVASCRIPT_CLIENT, environment

CLIENTS = Path(scenario.__file__).parent
SECONDS = 900
# A folder that mirrors registry.terraform.io. Without it, Terraform's own configuration says where providers are.
PROVIDERS = "TERRAFORM_PROVIDERS"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(iam="enforce", account_id=scenario.ACCOUNT, region=scenario.REGION) as emulator:
        yield emulator


@pytest.fixture
def inputs(tmp_path: Path, emulator: Emulator) -> Path:
    scenario.write_inputs(tmp_path, emulator.url)
    return tmp_path


def run(command: list[str], emulator: Emulator, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a client with nothing but the endpoint in its AWS settings, and with a home of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        command,
        env={**inherited, **home, **emulator.environment, **more},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def check(done: subprocess.CompletedProcess[str], emulator: Emulator) -> None:
    """The client succeeded, made the calls of the scenario, and left nothing."""
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    calls = {(call["service"], call["operation"]): call["count"] for call in emulator.calls()}
    expected = {"StartPipelineExecution": 3, "RetryPipelineExecution": 1, "StopPipelineExecution": 1}
    assert {operation: calls.get(("sagemaker", operation)) for operation in expected} == expected
    check_empty(emulator)


def check_empty(emulator: Emulator) -> None:
    left = {
        "roles": emulator.client("iam").list_roles()["Roles"],
        "policies": emulator.client("iam").list_policies(Scope="Local")["Policies"],
        "queues": emulator.client("sqs").list_queues().get("QueueUrls", []),
        "buckets": emulator.client("s3").list_buckets()["Buckets"],
        "functions": emulator.client("lambda").list_functions()["Functions"],
        "layers": emulator.client("lambda").list_layers()["Layers"],
        "mappings": [
            mapping
            for mapping in emulator.client("lambda").list_event_source_mappings()["EventSourceMappings"]
            if mapping["State"] != "Deleting"
        ],
        "pipelines": emulator.client("sagemaker").list_pipelines()["PipelineSummaries"],
        "log groups": emulator.client("logs").describe_log_groups()["logGroups"],
    }
    assert not any(left.values()), left


def need_node() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on the PATH: the scenario has a Node.js function")
    return node


def test_aws_cli_1(emulator: Emulator, inputs: Path) -> None:
    need_node()
    programs = environment("aws-cli-1") / "bin"
    script = CLIENTS / "aws_cli.py"
    check(run([str(programs / "python"), str(script), str(inputs), str(programs / "aws")], emulator, inputs), emulator)


@pytest.mark.parametrize("version", ["2", "3"])
def test_sagemaker_sdk(emulator: Emulator, inputs: Path, version: str) -> None:
    need_node()
    python = environment(f"sagemaker-sdk-{version}") / "bin" / "python"
    check(run([str(python), str(CLIENTS / "sagemaker_sdk.py"), str(inputs)], emulator, inputs), emulator)


def test_javascript_sdk_3(emulator: Emulator, inputs: Path) -> None:
    node = need_node()
    names = inputs / "scenario.json"
    names.write_text(json.dumps(names_for_javascript()), encoding="utf-8")
    command = [node, str(CLIENTS / "javascript.mjs"), str(inputs), str(names)]
    check(run(command, emulator, inputs, CLIENT_PACKAGES=str(environment(JAVASCRIPT_CLIENT))), emulator)


def names_for_javascript() -> dict[str, Any]:
    return {
        "account": scenario.ACCOUNT,
        "region": scenario.REGION,
        "role": scenario.ROLE,
        "bucket": scenario.BUCKET,
        "queue": scenario.QUEUE,
        "queue_arn": scenario.QUEUE_ARN,
        "python": scenario.PYTHON,
        "pipeline": scenario.PIPELINE,
        "marker": scenario.MARKER,
        "functions": [
            [scenario.PYTHON, scenario.PYTHON_RUNTIME, scenario.PYTHON_HANDLER, "python.zip"],
            [scenario.NODE, scenario.NODE_RUNTIME, scenario.NODE_HANDLER, "node.zip"],
        ],
        "visibility_seconds": scenario.VISIBILITY_SECONDS,
        "function_seconds": scenario.FUNCTION_SECONDS,
        "patience_seconds": scenario.PATIENCE_SECONDS,
        "success": scenario.SUCCESS,
        "retry": scenario.RETRY,
        "stop": scenario.STOP,
        "outputs": scenario.outputs(),
    }


def test_terraform(emulator: Emulator, inputs: Path) -> None:
    """Apply, a second plan that is empty, an execution, an update, and destroy."""
    need_node()
    if shutil.which("terraform") is None:
        pytest.skip("TERRAFORM IS NOT TESTED: terraform is not on the PATH")
    shutil.copy(CLIENTS / "main.tf", inputs)
    settings = terraform_settings(inputs)

    def terraform(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run(["terraform", *arguments, "-no-color"], emulator, inputs, **settings)

    initialized = terraform("init", "-input=false")
    if initialized.returncode:
        reason = f"set {PROVIDERS} to a folder that mirrors hashicorp/aws"
        pytest.skip(
            f"TERRAFORM IS NOT TESTED: terraform init found no provider; {reason}\n{initialized.stderr[-1000:]}"
        )
    variables = [f"-var=queue_url={scenario.queue_url(emulator.url)}", f"-var=definition={inputs / 'definition.json'}"]
    for memory in (128, 256):
        changed = [*variables, f"-var=memory={memory}"]
        applied = terraform("apply", "-input=false", "-auto-approve", *changed)
        assert applied.returncode == 0, f"{applied.stdout[-3000:]}\n{applied.stderr[-5000:]}"
        again = terraform("plan", "-input=false", "-detailed-exitcode", *changed)
        assert again.returncode == 0, f"the second plan is not empty:\n{again.stdout[-5000:]}\n{again.stderr[-3000:]}"
        check_execution(emulator)
    # Lambda makes the log groups of functions that run. Terraform knows nothing of them, on AWS neither.
    destroyed = terraform("destroy", "-input=false", "-auto-approve", *variables)
    assert destroyed.returncode == 0, f"{destroyed.stdout[-3000:]}\n{destroyed.stderr[-5000:]}"
    check_empty(emulator)


def terraform_settings(folder: Path) -> Mapping[str, str]:
    """Environment variables that lead Terraform to the mirror, where there is one."""
    settings = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    mirror = os.environ.get(PROVIDERS)
    if not mirror:
        return settings
    file = folder / "terraform.rc"
    path = json.dumps(str(Path(mirror).resolve()))
    file.write_text(
        f"provider_installation {{\n  filesystem_mirror {{\n    path = {path}\n  }}\n}}\n", encoding="utf-8"
    )
    return {**settings, "TF_CLI_CONFIG_FILE": str(file)}


def check_execution(emulator: Emulator) -> None:
    sagemaker = emulator.client("sagemaker")
    execution = sagemaker.start_pipeline_execution(PipelineName=scenario.PIPELINE)["PipelineExecutionArn"]

    def status() -> str:
        described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
        return str(described["PipelineExecutionStatus"])

    scenario.wait_for(status, "Succeeded")
    scenario.check_outputs(
        sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
    )
