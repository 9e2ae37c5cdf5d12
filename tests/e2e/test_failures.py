"""Failures are reported, have their exit code, and leave nothing behind where that is the policy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.e2e import Standing, StartStanding, Workplace
from tests.support.output import wait_for_output
from tests.support.paths import ROOT
from tests.support.wait import eventually

PIPELINE = "sagemaker-sdk-example-pipeline"


def _handler(workplace: Workplace, code: str) -> dict[str, str]:
    folder = workplace.folder / "code"
    folder.mkdir()
    (folder / "handler.py").write_text(code)
    return {"source": str(folder)}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def lambda_handler(event, context):\n    raise RuntimeError('the sky fell')\n", "the sky fell"),
        ("import pandas\n\ndef lambda_handler(event, context):\n    return {}\n", "No module named 'pandas'"),
    ],
    ids=["handler raises", "package AWS does not have"],
)
def test_broken_handler_fails_the_run_and_leaves_nothing(
    workplace: Workplace, standing: Standing, code: str, message: str
) -> None:
    config = workplace.config(endpoint=standing.url, function=_handler(workplace, code))
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 3
    assert "vej-processing-step" in done.stderr and message in done.stderr
    assert "\nTraceback" not in done.stderr  # the function's own is indented, as the log line it is
    assert standing.inventory() == {}


_LOGS_SECRETS = """
import os

def lambda_handler(event, context):
    print("with", os.environ["DB_PASSWORD"], "on", os.environ["STAGE"], "as", os.environ["WHO"])
    raise RuntimeError(f"not as geo:{os.environ['DB_PASSWORD']}@db, nor with '{os.environ['WHO']}'")
"""


def test_no_secret_that_a_function_logs_is_printed_or_saved(workplace: Workplace, standing: Standing) -> None:
    function = {
        **_handler(workplace, _LOGS_SECRETS),
        "environment": {"DB_PASSWORD": "${env:PW}", "WHO": "${env:API_TOKEN}", "STAGE": "${env:STAGE}"},
    }
    config = workplace.config(endpoint=standing.url, function=function)
    env = {"PW": "hunter2", "API_TOKEN": "correct/horse-battery", "STAGE": "blue-stage"}
    summary = workplace.folder / "summary.md"
    env["GITHUB_STEP_SUMMARY"] = str(summary)
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=none", "--output-dir", "out", env=env)
    logs = workplace.geopipe("logs", config, env=env)
    events = workplace.geopipe("status", config, "--output", "json", env=env)
    assert done.returncode == 3
    saved = [path for path in (workplace.folder / "out").rglob("*") if path.is_file()]
    assert {path.name for path in saved} >= {"run.json", "report.html", "report.md"}
    shown = [done.stdout, done.stderr, logs.stdout, events.stdout, *(path.read_text() for path in (summary, *saved))]
    assert not any("hunter2" in text or "horse" in text for text in shown)
    for text in (done.stderr, logs.stdout, events.stdout):
        assert "with (hidden) on blue-stage as (hidden)" in text  # a stage is no secret
    assert "not as geo:(hidden)@db, nor with '(hidden)'" in done.stderr
    workplace.geopipe("cleanup", config, "--cleanup=all", "--non-interactive", env=env)


@pytest.mark.parametrize(("policy", "advised"), [("all", False), ("none", True)])
def test_retry_is_advised_only_where_the_execution_remains(
    workplace: Workplace, standing: Standing, policy: str, advised: bool
) -> None:
    code = "def lambda_handler(event, context):\n    raise RuntimeError('the sky fell')\n"
    config = workplace.config(endpoint=standing.url, function=_handler(workplace, code))
    done = workplace.geopipe(config, "--non-interactive", f"--cleanup={policy}")
    assert done.returncode == 3 and "(handler-error)" in done.stderr
    assert ("`retry`" in done.stderr) is advised


def test_an_output_that_is_too_long_is_no_error_of_the_handler(workplace: Workplace, standing: Standing) -> None:
    code = "def lambda_handler(event, context):\n    return {'statusCode': 200, 'vej_arn': 'x' * 1025}\n"
    config = workplace.config(endpoint=standing.url, function=_handler(workplace, code))
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 3
    assert "(output-too-long)" in done.stderr and "1,024 characters" in done.stderr


def _start_and_fail(standing: Standing, steps: list[dict[str, Any]] | None = None) -> None:
    """Start the pipeline, with other `steps` where given, and wait until the execution has failed."""
    sagemaker = standing.client("sagemaker")
    if steps is not None:
        definition = json.dumps({"Version": "2020-12-01", "Steps": steps})
        sagemaker.update_pipeline(PipelineName=PIPELINE, PipelineDefinition=definition)
    arn = sagemaker.start_pipeline_execution(PipelineName=PIPELINE)["PipelineExecutionArn"]
    status = partial(sagemaker.describe_pipeline_execution, PipelineExecutionArn=arn)
    eventually(lambda: status()["PipelineExecutionStatus"] == "Failed")


def test_a_missing_function_is_named_without_the_log_of_another_execution(
    workplace: Workplace, standing: Standing
) -> None:
    config = workplace.config(endpoint=standing.url)
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 0
    standing.client("lambda").delete_function(FunctionName="SageMakerExampleFunction")
    _start_and_fail(standing)
    status = workplace.geopipe("status", config)
    assert "ended Failed (function-missing)." in status.stdout and "Step vej-processing-step failed" in status.stdout
    assert "Last lines of" not in status.stdout and "The log lines show" not in status.stdout
    assert "The function does not exist" in status.stdout


def test_a_missing_queue_is_named_and_no_answer_is_blamed(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 0
    queues = standing.client("sqs")
    url = queues.get_queue_url(QueueName="sagemaker-sdk-example-queue")["QueueUrl"]
    queues.delete_queue(QueueUrl=url)
    _start_and_fail(standing, [{"Name": "ask", "Type": "Callback", "SqsQueueUrl": url, "Arguments": {"a": "b"}}])
    status = workplace.geopipe("status", config)
    assert "ended Failed (queue-missing)." in status.stdout and "Step ask failed" in status.stdout
    assert "comes with the answer" not in status.stdout and "The queue does not exist" in status.stdout


def test_only_the_log_lines_of_this_execution_are_shown(workplace: Workplace, standing: Standing) -> None:
    """Two executions at the same time: each has its own lines."""
    code = (
        "import time\n\n"
        "def lambda_handler(event, context):\n"
        "    print(event['execution'], event['text'])\n"
        "    time.sleep(1)\n"
        "    raise RuntimeError(event['text'])\n"
    )
    config = workplace.config(endpoint=standing.url, function=_handler(workplace, code))
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 3
    sagemaker = standing.client("sagemaker")
    function = standing.client("lambda").get_function(FunctionName="SageMakerExampleFunction")["Configuration"]
    arguments = {"execution": {"Get": "Execution.PipelineExecutionArn"}, "text": {"Get": "Parameters.text"}}
    step = {"Name": "talk", "Type": "Lambda", "FunctionArn": function["FunctionArn"], "Arguments": arguments}
    parameter = {"Name": "text", "Type": "String", "DefaultValue": "none"}
    definition = json.dumps({"Version": "2020-12-01", "Parameters": [parameter], "Steps": [step]})
    sagemaker.update_pipeline(PipelineName=PIPELINE, PipelineDefinition=definition)
    texts = {}
    for text in ("first-text", "second-text"):
        parameters = [{"Name": "text", "Value": text}]
        arn = sagemaker.start_pipeline_execution(PipelineName=PIPELINE, PipelineParameters=parameters)
        texts[arn["PipelineExecutionArn"]] = text
    for arn, text in texts.items():
        status = partial(sagemaker.describe_pipeline_execution, PipelineExecutionArn=arn)
        eventually(lambda status=status: status()["PipelineExecutionStatus"] == "Failed")  # type: ignore[misc]
        (other,) = set(texts.values()) - {text}
        for command in ("status", "logs"):
            shown = workplace.geopipe(command, config, "--execution", arn).stdout
            assert f"{arn} {text}" in shown and other not in shown, (command, shown)


def test_failed_job_is_explained_by_the_job(workplace: Workplace, standing: Standing) -> None:
    source = standing.put_input(b"lon,lat\n1,2\n")
    before = standing.inventory()
    config = workplace.config(endpoint=standing.url, input={"source": source})
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 3
    assert "Step vej-callback-step failed" in done.stderr
    assert "CLIENT_ERROR" in done.stderr and "lon" in done.stderr
    assert standing.inventory() == before


def test_input_that_cannot_work_is_refused_before_anything_is_created(workplace: Workplace, standing: Standing) -> None:
    source = workplace.folder / "wrong.csv"
    source.write_text("lng,lat\n1,2\n")
    config = workplace.config(endpoint=standing.url, input={"source": str(source)})
    for command in (["validate", config], ["plan", config], [config, "--dry-run"], [config, "--non-interactive"]):
        done = workplace.geopipe(*command)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "has no columns 'Longitude' and 'Latitude'" in done.stderr and "did you mean 'lng'" in done.stderr
    assert standing.calls() == []


def test_input_in_another_form_is_converted(workplace: Workplace, standing: Standing) -> None:
    source = workplace.folder / "points.csv"
    source.write_bytes("Longitude;Latitude;Ort\n11.57;48.14;M\u00fcnchen\n".encode("latin-1"))
    config = workplace.config(endpoint=standing.url, input={"source": str(source)})
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=none")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "points.csv is converted" in done.stdout and "M\u00fcnchen" in done.stdout
    again = workplace.geopipe("plan", config, "--detailed-exitcode")
    assert again.returncode == 0, again.stdout


@pytest.mark.parametrize(
    ("rows", "share", "said"),
    [(b"x,y\n" * 3, 1.0, "none of its 3 result rows"), (b"11,48\nx,y\nx,y\n", 0.5, "only 1 of its 3 result rows")],
)
def test_result_without_enough_valid_rows_is_a_failure(
    workplace: Workplace, standing: Standing, rows: bytes, share: float, said: str
) -> None:
    source = standing.put_input(b"Longitude,Latitude\n" + rows)
    config = workplace.config(endpoint=standing.url, input={"source": source}, job={"max_invalid_share": share})
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=none")
    assert done.returncode == 3, done.stdout + done.stderr
    assert said in done.stderr and "no-valid-rows" in done.stderr


def test_execution_that_takes_too_long(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "600")
    config = workplace.config(endpoint=standing.url, execution={"timeout": 2})
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 3
    assert "has not ended after 2 s" in done.stderr
    assert "Stopping execution" in done.stdout
    assert standing.inventory() == {}


def test_foreign_resource_is_refused_untouched(workplace: Workplace, standing: Standing) -> None:
    queue = standing.client("sqs").create_queue(QueueName="sagemaker-sdk-example-queue")["QueueUrl"]
    before = standing.mutating_calls()
    config = workplace.config(endpoint=standing.url)
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 5
    assert "sagemaker-sdk-example-queue" in done.stderr and "do not belong to this deployment" in done.stderr
    assert standing.mutating_calls() == before
    assert standing.client("sqs").list_queues()["QueueUrls"] == [queue]


def test_wrong_configuration(workplace: Workplace) -> None:
    config = workplace.folder / "wrong.yaml"
    config.write_text((ROOT / "config/local.yaml").read_text().replace("\nbucket:", "\nbuckett:"))
    done = workplace.geopipe(config)
    assert done.returncode == 2
    assert 'unknown key "buckett"' in done.stderr and 'did you mean "bucket"' in done.stderr
    assert done.stderr.startswith(f"{config}:") and "Traceback" not in done.stderr


def test_wrong_arguments(workplace: Workplace) -> None:
    assert workplace.geopipe().returncode == 2
    assert workplace.geopipe("no-such-file.yaml").returncode == 2
    wrong = workplace.geopipe(ROOT / "config/local.yaml", "--cleanup=everything")
    assert wrong.returncode == 2 and "pipeline" in wrong.stderr


def test_aws_without_credentials(workplace: Workplace) -> None:
    """One clear message, and not a try to reach anything."""
    filled = (ROOT / "config/us-west-2.yaml").read_text().replace("YOUR-ACCOUNT-ID", "111122223333")
    config = workplace.folder / "aws.yaml"
    config.write_text(filled.replace("../", f"{ROOT}/"))
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"HOME": str(workplace.folder), "AWS_EC2_METADATA_DISABLED": "true"}
    done = workplace.geopipe(config, "--dry-run", only_env=env)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("Error: No AWS credentials found")
    assert "Traceback" not in done.stderr


def test_end_of_input_at_a_question_is_an_abort(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    done = workplace.geopipe(config, answers="n\n")
    assert done.returncode == 130
    assert "The input ended at a question" in done.stderr
    assert f"To continue: python run.py run {config}\nTo clean up: python run.py cleanup {config}\n" in done.stderr
    assert standing.inventory()["pipelines"] == ["sagemaker-sdk-example-pipeline"]
    done = workplace.geopipe("cleanup", config, answers="")
    assert done.returncode == 130
    assert f"To continue: python run.py cleanup {config}\n" in done.stderr and "To clean up" not in done.stderr


def test_ctrl_c_of_apply_names_apply(workplace: Workplace, start_standing: StartStanding) -> None:
    """A run would do more than the user has asked for."""
    standing = start_standing("--function-pending-seconds", "600")
    config = workplace.config(endpoint=standing.url)
    process = workplace.start("apply", config, "--non-interactive")
    eventually(lambda: standing.client("lambda").list_functions()["Functions"])
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=90)
    assert process.returncode == 130
    assert f"To continue: python run.py apply {config}\nTo clean up: python run.py cleanup {config}\n" in rest


def test_ctrl_c_detaches_and_the_next_run_resumes(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "12")
    config = workplace.config(endpoint=standing.url)
    first = workplace.start(config, "--non-interactive", "--cleanup=all")
    wait_for_output(first, "Execution status is Executing.")
    first.send_signal(signal.SIGINT)
    rest, _ = first.communicate(timeout=90)
    assert first.returncode == 130
    assert "continues" in rest and "To clean up" in rest and "Traceback" not in rest
    again = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert again.returncode == 0, again.stderr
    assert "Resuming pipeline execution." in again.stdout
    assert standing.mutating_calls()["sagemaker:StartPipelineExecution"] == 1
    assert standing.inventory() == {}


def test_killed_run_is_resumed(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "12")
    config = workplace.config(endpoint=standing.url)
    first = workplace.start(config, "--non-interactive", "--cleanup=all")
    wait_for_output(first, "Execution status is Executing.")
    first.kill()
    first.communicate(timeout=90)
    again = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert again.returncode == 0, again.stderr
    assert "Resuming pipeline execution." in again.stdout
    assert standing.inventory() == {}


def test_sigterm_cleans_up_when_the_policy_is_all(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "600")
    config = workplace.config(endpoint=standing.url)
    process = workplace.start(config, "--non-interactive", "--cleanup=all")
    wait_for_output(process, "Execution status is Executing.")
    process.terminate()
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert standing.inventory() == {}
    assert "Terminated. \n" not in rest and "continues" not in rest and "Nothing exists." in rest


def test_output_without_a_reader_is_like_sigterm(workplace: Workplace, standing: Standing) -> None:
    command = " ".join(workplace.command(workplace.config(endpoint=standing.url), "--non-interactive", "--cleanup=all"))
    script = f"set -o pipefail; {command} | head -40 >/dev/null"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=90)
    assert done.returncode == 130
    assert "Standard output was closed" in done.stderr and "Traceback" not in done.stderr
    assert standing.inventory() == {}


def test_a_refusal_is_never_followed_by_a_clean_up(workplace: Workplace, start_standing: StartStanding) -> None:
    """Neither next to a running execution of other work, nor where something is not ours."""
    standing = start_standing("--job-seconds", "600")
    first = workplace.start(workplace.config(endpoint=standing.url), "--non-interactive", "--cleanup=none")
    wait_for_output(first, "Execution status is Executing.")
    first.kill()
    first.communicate(timeout=90)
    inventory = standing.inventory()
    other = workplace.config(
        endpoint=standing.url, job={"longitude_column": "Latitude", "latitude_column": "Longitude"}
    )
    second = workplace.geopipe(other, "--non-interactive", "--cleanup=all")
    assert second.returncode == 5 and "--new" in second.stderr
    assert standing.inventory() == inventory
    url = standing.client("sqs").get_queue_url(QueueName="sagemaker-sdk-example-queue")["QueueUrl"]
    standing.client("sqs").untag_queue(QueueUrl=url, TagKeys=["geopipe:deployment"])
    foreign = workplace.geopipe(workplace.config(endpoint=standing.url), "--non-interactive", "--cleanup=all")
    assert foreign.returncode == 5 and "--adopt queue" in foreign.stderr
    assert standing.inventory() == inventory


def test_an_input_that_changed_is_not_resumed(workplace: Workplace, start_standing: StartStanding) -> None:
    """The results would be those of another file."""
    standing = start_standing("--job-seconds", "600")
    source = workplace.folder / "points.csv"
    source.write_text("Longitude,Latitude\n2.2945,48.8584\n")
    config = workplace.config(endpoint=standing.url, input={"source": str(source)})
    first = workplace.start(config, "--non-interactive", "--cleanup=none")
    wait_for_output(first, "Execution status is Executing.")
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=90)
    source.write_text("Longitude,Latitude\n151.2093,-33.8688\n")
    before = standing.mutating_calls()
    again = workplace.geopipe(config, "--non-interactive")
    assert again.returncode == 5 and "have not ended" in again.stderr
    made = {call for call, count in standing.mutating_calls().items() if count != before.get(call)}
    of_the_function = {"sqs:ChangeMessageVisibility", "sagemaker-geospatial:StartVectorEnrichmentJob"}
    assert made <= of_the_function | {"s3:PutObject", "s3:DeleteObject"}  # and the deployment's lock


def test_results_that_cannot_be_saved_cost_nothing(workplace: Workplace, standing: Standing) -> None:
    (workplace.folder / "file").write_text("")
    config = workplace.config(endpoint=standing.url)
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all", "--output-dir", workplace.folder / "file/x")
    assert done.returncode == 2 and "--output-dir" in done.stderr
    assert standing.mutating_calls() == {}


def test_ctrl_c_of_an_embedded_run_leaves_no_process(workplace: Workplace) -> None:
    config = workplace.config(emulator={"job_seconds": 600})
    process = workplace.start(config, "--non-interactive", "--cleanup=all")
    seen = wait_for_output(process, "Execution status is Executing.")
    port = seen.split("http://127.0.0.1:")[1].split(" ")[0]
    assert _processes_with(f"127.0.0.1:{port}") or _processes_with("geopipe_emulator")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=90)
    assert process.returncode == 130
    assert "nothing remains" in rest
    deadline = time.monotonic() + 10
    while (left := _descendants_of_emulator(port)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def _descendants_of_emulator(port: str) -> list[str]:
    """Workers know their emulator by its URL in their environment."""
    return [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/environ")
        if f"127.0.0.1:{port}".encode() in _read(path) and path.parent.name != str(os.getpid())
    ]


def _processes_with(text: str) -> list[str]:
    return [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if text.encode() in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
