"""Commands on executions: a user who left can come back, and nothing stays stuck."""

from __future__ import annotations

import json
import re
import signal
from functools import partial

import pytest

from tests.support.e2e import Standing, StartStanding, Workplace
from tests.support.output import wait_for_output
from tests.support.wait import eventually

PIPELINE = "sagemaker-sdk-example-pipeline"


def _leave_running(workplace: Workplace, standing: Standing) -> str:
    """Start a run and leave it with Ctrl-C. Returns the configuration's path."""
    config = workplace.config(endpoint=standing.url)
    process = workplace.start(config, "--non-interactive", "--cleanup=none")
    wait_for_output(process, "Execution status is Executing.")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=90)
    return str(config)


def _statuses(standing: Standing) -> list[str]:
    found = standing.client("sagemaker").list_pipeline_executions(PipelineName=PIPELINE)["PipelineExecutionSummaries"]
    return [entry["PipelineExecutionStatus"] for entry in found]


def test_resume_then_status_and_logs(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "20")
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
    assert ", Stopped, started" in stopped.stdout and "execution-stopped" not in stopped.stdout
    assert _statuses(standing) == ["Stopped"]
    again = workplace.geopipe("stop", config)
    assert again.returncode == 5 and "has ended already: Stopped" in again.stderr


def test_retry_after_the_cause_is_fixed(workplace: Workplace, standing: Standing) -> None:
    """The function failed for a reason outside the job: the steps that succeeded are not run again."""
    config = workplace.config(endpoint=standing.url, function={"environment": {}})
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 0
    refused = workplace.geopipe("retry", config, "--non-interactive")
    assert refused.returncode == 5 and "Succeeded" in refused.stderr

    functions = standing.client("lambda")
    functions.update_function_configuration(FunctionName="SageMakerExampleFunction", Handler="handler.missing")
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


def test_retry_is_refused_where_the_job_itself_failed(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "600")
    config = _leave_running(workplace, standing)
    jobs = standing.client("sagemaker-geospatial")
    (job,) = eventually(lambda: jobs.list_vector_enrichment_jobs()["VectorEnrichmentJobSummaries"])
    jobs.stop_vector_enrichment_job(Arn=job["Arn"])
    eventually(lambda: _statuses(standing) == ["Failed"])
    refused = workplace.geopipe("retry", config, "--non-interactive")
    assert refused.returncode == 5
    assert "Job STOPPED" in refused.stderr and f"python run.py run {config}" in refused.stderr


@pytest.mark.parametrize(("answer", "became"), [(["--fail", "given up"], "Failed"), (["--succeed"], "Succeeded")])
def test_a_callback_whose_message_is_gone_is_answered_by_hand(
    workplace: Workplace, start_standing: StartStanding, answer: list[str], became: str
) -> None:
    standing = start_standing("--job-seconds", "600")
    config = _leave_running(workplace, standing)
    sagemaker = standing.client("sagemaker")
    (execution,) = sagemaker.list_pipeline_executions(PipelineName=PIPELINE)["PipelineExecutionSummaries"]
    steps = partial(sagemaker.list_pipeline_execution_steps, PipelineExecutionArn=execution["PipelineExecutionArn"])
    eventually(lambda: len(steps()["PipelineExecutionSteps"]) == 2)
    queue = standing.client("sqs").get_queue_url(QueueName="sagemaker-sdk-example-queue")["QueueUrl"]
    standing.client("sqs").purge_queue(QueueUrl=queue)
    young = workplace.geopipe("callbacks", config)
    assert young.returncode == 0 and "No callback has waited longer than 10 min 00 s." in young.stdout
    shown = workplace.geopipe("callbacks", config, "--older-than", "0s")
    assert "vej-callback-step has waited since" in shown.stdout and "job IN_PROGRESS" in shown.stdout
    refused = workplace.geopipe("callbacks", config, "--older-than", "0s", "--non-interactive", *answer)
    assert refused.returncode == 5 and "With --yes" in refused.stderr
    declined = workplace.geopipe("callbacks", config, "--older-than", "0s", *answer, answers="n\n")
    assert declined.returncode == 0 and "step vej-callback-step of execution" in declined.stdout
    assert _statuses(standing) == ["Executing"]
    named = ("--execution", execution["PipelineExecutionDisplayName"], "--step", "vej-callback-step", "--yes")
    answered = workplace.geopipe("callbacks", config, "--older-than", "0s", *named, *answer)
    assert answered.returncode == 0 and "answered with" in answered.stdout
    status = workplace.geopipe("status", config)
    assert ("given up" in status.stdout) == (became == "Failed")
    assert re.search(rf"vej-callback-step +Callback +{became}", status.stdout)


@pytest.mark.parametrize("command", [["status"], ["logs"], ["callbacks", "--older-than", "0s"]], ids=lambda c: c[0])
def test_what_an_execution_waits_for_is_said(
    workplace: Workplace, start_standing: StartStanding, command: list[str]
) -> None:
    """Also by the command that gave up waiting."""
    standing = start_standing("--job-seconds", "600")
    config = workplace.config(endpoint=standing.url, execution={"timeout": 3})
    late = workplace.geopipe(config, "--non-interactive", "--cleanup=none")
    assert late.returncode == 3 and "has not ended after 3 s" in late.stderr
    assert "Step vej-callback-step (Callback) has waited for" in late.stderr
    functions = standing.client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    said = workplace.geopipe(*command, config)
    assert said.returncode == 0, said.stderr
    assert "Its job: job IN_PROGRESS, export not started." in said.stdout
    assert "The event source mapping is Disabl" in said.stdout
    assert f"`python run.py run {config}` enables it." in said.stdout


def test_nothing_to_show(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    for verb in ("status", "resume", "stop", "retry", "logs"):
        done = workplace.geopipe(verb, config, "--non-interactive")
        assert done.returncode == 2, (verb, done.stderr)
        assert "has no execution yet" in done.stderr and "Traceback" not in done.stderr
    assert workplace.geopipe("callbacks", config).returncode == 0
    named = workplace.geopipe("status", config, "--execution", "nonsense")
    assert named.returncode == 2 and "no execution nonsense" in named.stderr and "starts one" not in named.stderr


def test_ctrl_c_of_resume_says_only_what_is_known(workplace: Workplace, start_standing: StartStanding) -> None:
    """It has not read the resources, so it does not say that there are none."""
    standing = start_standing("--job-seconds", "600")
    config = _leave_running(workplace, standing)
    process = workplace.start("resume", config, "--non-interactive")
    wait_for_output(process, "Execution status is Executing.")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=90)
    (arn,) = re.findall(r"The execution (\S+) continues\.", rest)
    assert process.returncode == 130 and "Nothing exists" not in rest
    assert f"To continue: python run.py resume {config} --execution {arn.rsplit('/', 1)[-1]}\n" in rest


def test_a_run_waits_for_one_of_ours_that_is_being_stopped(workplace: Workplace, start_standing: StartStanding) -> None:
    """The command that was stopping it is gone, and so is its message. The callback is answered all the same."""
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
    output = wait_for_output(process, "Execution status is Executing.")
    assert f"Stopping execution {arn}." in output
    assert sorted(_statuses(standing)) == ["Executing", "Stopped"]
    process.kill()
    process.communicate(timeout=90)
