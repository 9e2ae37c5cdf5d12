"""The verbs on executions: whoever left can come back, and nothing stays stuck."""

from __future__ import annotations

import json
import re
import signal
from functools import partial

import pytest

from e2e_world import Standing, StartStanding, Workplace, eventually
from test_failures import _wait_for

PIPELINE = "sagemaker-sdk-example-pipeline"


def _leave_running(workplace: Workplace, standing: Standing) -> str:
    """A run that somebody began and left with Ctrl-C; answers the configuration's path."""
    config = workplace.config(endpoint=standing.url)
    process = workplace.start(config, "--non-interactive", "--cleanup=none")
    _wait_for(process, "Execution status is Executing.")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    return str(config)


def _statuses(standing: Standing) -> list[str]:
    found = standing.client("sagemaker").list_pipeline_executions(PipelineName=PIPELINE)["PipelineExecutionSummaries"]
    return [entry["PipelineExecutionStatus"] for entry in found]


def test_resume_then_status_and_logs(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "3")
    config = _leave_running(workplace, standing)
    going = workplace.geopipe("status", config)
    assert going.returncode == 0 and "Executing" in going.stdout and "vej-processing-step" in going.stdout
    resumed = workplace.geopipe("resume", config, "--non-interactive", "--cleanup=none")
    assert resumed.returncode == 0, resumed.stderr
    assert "200 rows, 200 of them Valid Data." in resumed.stdout
    assert _statuses(standing) == ["Succeeded"]
    done = workplace.geopipe("status", config, "--output", "json")
    execution = json.loads(done.stdout.splitlines()[0])
    assert execution["status"] == "Succeeded" and len(execution["steps"]) == 4
    by_run_id = workplace.geopipe("status", config, "--execution", execution["run_id"])
    assert execution["arn"] in by_run_id.stdout
    logs = workplace.geopipe("logs", config)
    assert logs.returncode == 0 and "START RequestId" in logs.stdout and '"callback"' in logs.stdout
    again = workplace.geopipe("resume", config, "--non-interactive", "--cleanup=all")
    assert again.returncode == 0 and "200 rows" in again.stdout
    assert standing.inventory() == {}


def test_stop(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "600")
    config = _leave_running(workplace, standing)
    stopped = workplace.geopipe("stop", config)
    assert stopped.returncode == 0, stopped.stderr
    assert ", Stopped, started" in stopped.stdout and "Somebody stopped it" not in stopped.stdout
    assert _statuses(standing) == ["Stopped"]
    again = workplace.geopipe("stop", config)
    assert again.returncode == 5 and "has ended already: Stopped" in again.stderr


def test_retry_after_the_cause_is_mended(workplace: Workplace, standing: Standing) -> None:
    """The function failed for a reason outside the job: the steps that succeeded are not run again."""
    config = workplace.config(endpoint=standing.url, function={"environment": {}})
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 0
    refused = workplace.geopipe("retry", config, "--non-interactive")
    assert refused.returncode == 5 and "Succeeded" in refused.stderr

    functions = standing.client("lambda")
    functions.update_function_configuration(FunctionName="SageMakerExampleFunction", Handler="handler.nobody")
    standing.client("sagemaker").start_pipeline_execution(
        PipelineName=PIPELINE, ClientRequestToken="y" * 32, PipelineParameters=_parameters(standing)
    )
    failed = workplace.geopipe("resume", config, "--non-interactive", "--cleanup=none")
    assert failed.returncode == 3 and "vej-processing-step failed" in failed.stderr
    functions.update_function_configuration(FunctionName="SageMakerExampleFunction", Handler="handler.lambda_handler")
    retried = workplace.geopipe("retry", config, "--non-interactive", "--cleanup=none")
    assert "Execution finished with status Succeeded." in retried.stdout, retried.stderr
    assert _statuses(standing) == ["Succeeded", "Succeeded"]


def _parameters(standing: Standing) -> list[dict[str, str]]:
    sagemaker = standing.client("sagemaker")
    (first,) = sagemaker.list_pipeline_executions(PipelineName=PIPELINE)["PipelineExecutionSummaries"]
    arn = first["PipelineExecutionArn"]
    found = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"]
    return [{"Name": entry["Name"], "Value": entry["Value"]} for entry in found]


def test_retry_is_refused_where_the_job_itself_failed(workplace: Workplace, standing: Standing) -> None:
    source = workplace.folder / "wrong.csv"
    source.write_text("lon,lat\n1,2\n")
    config = workplace.config(endpoint=standing.url, input={"source": str(source)})
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 3
    refused = workplace.geopipe("retry", config, "--non-interactive")
    assert refused.returncode == 5
    assert "CLIENT_ERROR" in refused.stderr and f"python run.py run {config}" in refused.stderr


@pytest.mark.parametrize(("answer", "became"), [(["--fail", "given up"], "Failed"), (["--succeed"], "Succeeded")])
def test_rescue_of_a_callback_whose_message_is_gone(
    workplace: Workplace, start_standing: StartStanding, answer: list[str], became: str
) -> None:
    standing = start_standing("--job-seconds", "600")
    config = _leave_running(workplace, standing)
    queue = standing.client("sqs").get_queue_url(QueueName="sagemaker-sdk-example-queue")["QueueUrl"]
    standing.client("sqs").purge_queue(QueueUrl=queue)
    young = workplace.geopipe("rescue", config)
    assert young.returncode == 0 and "No callback has waited longer than 10 min 00 s." in young.stdout
    shown = workplace.geopipe("rescue", config, "--older-than", "0s")
    assert "vej-callback-step has waited since" in shown.stdout and "job IN_PROGRESS" in shown.stdout
    assert _statuses(standing) == ["Executing"]
    answered = workplace.geopipe("rescue", config, "--older-than", "0s", *answer)
    assert answered.returncode == 0 and "answered with" in answered.stdout
    steps = workplace.geopipe("status", config)
    assert ("given up" in steps.stdout) == (became == "Failed")
    assert re.search(rf"vej-callback-step +Callback +{became}", steps.stdout)


def test_nothing_to_show(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    for verb in ("status", "resume", "stop", "retry", "logs"):
        done = workplace.geopipe(verb, config, "--non-interactive")
        assert done.returncode == 2, (verb, done.stderr)
        assert "has no execution yet" in done.stderr and "Traceback" not in done.stderr
    assert workplace.geopipe("rescue", config).returncode == 0
    named = workplace.geopipe("status", config, "--execution", "nonsense")
    assert named.returncode == 2 and "no execution nonsense" in named.stderr and "starts one" not in named.stderr


def test_ctrl_c_of_resume_says_only_what_is_known(workplace: Workplace, start_standing: StartStanding) -> None:
    """It has not looked at the resources, so it does not say that there are none."""
    standing = start_standing("--job-seconds", "600")
    config = _leave_running(workplace, standing)
    process = workplace.start("resume", config, "--non-interactive")
    _wait_for(process, "Execution status is Executing.")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    (arn,) = re.findall(r"The execution (\S+) goes on\.", rest)
    assert process.returncode == 130 and "Nothing is there" not in rest
    assert f"To go on: python run.py resume {config} --execution {arn.rsplit('/', 1)[-1]}\n" in rest


def test_a_run_waits_for_one_of_ours_that_is_being_stopped(workplace: Workplace, start_standing: StartStanding) -> None:
    """Whoever was stopping it is gone, and so is its message: the callback is answered all the same."""
    standing = start_standing("--job-seconds", "600")
    config = _leave_running(workplace, standing)
    sagemaker, functions = standing.client("sagemaker"), standing.client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
    eventually(lambda: not functions.list_event_source_mappings()["EventSourceMappings"])
    (left,) = sagemaker.list_pipeline_executions(PipelineName=PIPELINE)["PipelineExecutionSummaries"]
    arn = left["PipelineExecutionArn"]
    # Stopped before its callback waits, it would need no answer.
    steps = partial(sagemaker.list_pipeline_execution_steps, PipelineExecutionArn=arn)
    eventually(lambda: len(steps()["PipelineExecutionSteps"]) == 2)
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert _statuses(standing) == ["Stopping"]
    process = workplace.start(config, "--non-interactive", "--cleanup=none")
    told = _wait_for(process, "Execution status is Executing.")
    assert f"Stopping execution {arn}." in told
    assert sorted(_statuses(standing)) == ["Executing", "Stopped"]
    process.kill()
    process.communicate(timeout=30)
