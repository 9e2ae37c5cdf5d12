"""What goes wrong is said, has its exit code, and leaves nothing behind where that is the policy."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from e2e_world import ROOT, Standing, StartStanding, Workplace


def _handler(workplace: Workplace, code: str) -> dict[str, str]:
    folder = workplace.folder / "code"
    folder.mkdir()
    (folder / "handler.py").write_text(code)
    return {"source": str(folder)}


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def lambda_handler(event, context):\n    raise RuntimeError('the sky fell')\n", "the sky fell"),
        ("import pandas\n\ndef lambda_handler(event, context):\n    return {}\n", "No module named 'pandas'"),
    ],
    ids=["handler raises", "package AWS does not have"],
)
def test_broken_handler_fails_the_run_and_leaves_nothing(
    workplace: Workplace, standing: Standing, code: str, told: str
) -> None:
    config = workplace.config(endpoint=standing.url, function=_handler(workplace, code))
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 3
    assert "vej-processing-step" in done.stderr and told in done.stderr
    assert "\nTraceback" not in done.stderr  # the function's own is indented, as the log line it is
    assert standing.inventory() == {}


def test_failed_job_is_explained_by_the_job(workplace: Workplace, standing: Standing) -> None:
    source = workplace.folder / "wrong.csv"
    source.write_text("lon,lat\n1,2\n")
    config = workplace.config(endpoint=standing.url, input={"source": str(source)})
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 3
    assert "Step vej-callback-step failed" in done.stderr
    assert "CLIENT_ERROR" in done.stderr and "lon" in done.stderr
    assert standing.inventory() == {}


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
    assert "sagemaker-sdk-example-queue" in done.stderr and "not ours" in done.stderr
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
    assert f"python run.py cleanup {config}" in done.stderr
    assert standing.inventory()["pipelines"] == ["sagemaker-sdk-example-pipeline"]


def _wait_for(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} never came:\n{seen}")


def test_ctrl_c_detaches_and_the_next_run_resumes(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "4")
    config = workplace.config(endpoint=standing.url)
    first = workplace.start(config, "--non-interactive", "--cleanup=all")
    _wait_for(first, "Execution status is Executing.")
    first.send_signal(signal.SIGINT)
    rest, _ = first.communicate(timeout=30)
    assert first.returncode == 130
    assert "goes on" in rest and "To clean up" in rest and "Traceback" not in rest
    again = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert again.returncode == 0, again.stderr
    assert "Resuming pipeline execution." in again.stdout
    assert standing.mutating_calls()["sagemaker:StartPipelineExecution"] == 1
    assert standing.inventory() == {}


def test_killed_run_is_resumed(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "3")
    config = workplace.config(endpoint=standing.url)
    first = workplace.start(config, "--non-interactive", "--cleanup=all")
    _wait_for(first, "Execution status is Executing.")
    first.kill()
    first.communicate(timeout=30)
    again = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert again.returncode == 0, again.stderr
    assert "Resuming pipeline execution." in again.stdout
    assert standing.inventory() == {}


def test_sigterm_cleans_up_when_the_policy_is_all(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "600")
    config = workplace.config(endpoint=standing.url)
    process = workplace.start(config, "--non-interactive", "--cleanup=all")
    _wait_for(process, "Execution status is Executing.")
    process.terminate()
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert standing.inventory() == {}
    assert "Terminated. \n" not in rest and "goes on" not in rest and "Nothing is there." in rest


def test_output_nobody_reads_is_like_sigterm(workplace: Workplace, standing: Standing) -> None:
    command = " ".join(workplace.command(workplace.config(endpoint=standing.url), "--non-interactive", "--cleanup=all"))
    script = f"set -o pipefail; {command} | head -40 >/dev/null"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=90)
    assert done.returncode == 130
    assert "Standard output was closed" in done.stderr and "Traceback" not in done.stderr
    assert standing.inventory() == {}


def test_a_refusal_is_never_followed_by_a_clean_up(workplace: Workplace, start_standing: StartStanding) -> None:
    """Neither beside a running execution of other work, nor where something is not ours."""
    standing = start_standing("--job-seconds", "600")
    first = workplace.start(workplace.config(endpoint=standing.url), "--non-interactive", "--cleanup=none")
    _wait_for(first, "Execution status is Executing.")
    first.kill()
    first.communicate(timeout=30)
    there = standing.inventory()
    other = workplace.config(endpoint=standing.url, job={"longitude_column": "Longitude", "latitude_column": "Lat"})
    beside = workplace.geopipe(other, "--non-interactive", "--cleanup=all")
    assert beside.returncode == 5 and "--new" in beside.stderr
    assert standing.inventory() == there
    url = standing.client("sqs").get_queue_url(QueueName="sagemaker-sdk-example-queue")["QueueUrl"]
    standing.client("sqs").untag_queue(QueueUrl=url, TagKeys=["geopipe:deployment"])
    foreign = workplace.geopipe(workplace.config(endpoint=standing.url), "--non-interactive", "--cleanup=all")
    assert foreign.returncode == 5 and "--adopt queue" in foreign.stderr
    assert standing.inventory() == there


def test_an_input_that_changed_is_not_resumed(workplace: Workplace, start_standing: StartStanding) -> None:
    """The results would be those of another file."""
    standing = start_standing("--job-seconds", "600")
    source = workplace.folder / "points.csv"
    source.write_text("Longitude,Latitude\n2.2945,48.8584\n")
    config = workplace.config(endpoint=standing.url, input={"source": str(source)})
    first = workplace.start(config, "--non-interactive", "--cleanup=none")
    _wait_for(first, "Execution status is Executing.")
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    source.write_text("Longitude,Latitude\n151.2093,-33.8688\n")
    before = standing.mutating_calls()
    again = workplace.geopipe(config, "--non-interactive")
    assert again.returncode == 5 and "have not ended" in again.stderr
    made = {call for call, count in standing.mutating_calls().items() if count != before.get(call)}
    assert made <= {"sqs:ChangeMessageVisibility", "sagemaker-geospatial:StartVectorEnrichmentJob"}  # the function's


def test_results_that_cannot_be_saved_cost_nothing(workplace: Workplace, standing: Standing) -> None:
    (workplace.folder / "file").write_text("")
    config = workplace.config(endpoint=standing.url)
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all", "--output-dir", workplace.folder / "file/x")
    assert done.returncode == 1 and "--output-dir" in done.stderr
    assert standing.mutating_calls() == {}


def test_ctrl_c_of_an_embedded_run_leaves_no_process(workplace: Workplace) -> None:
    config = workplace.config(emulator={"job_seconds": 600})
    process = workplace.start(config, "--non-interactive", "--cleanup=all")
    seen = _wait_for(process, "Execution status is Executing.")
    port = seen.split("http://127.0.0.1:")[1].split(" ")[0]
    assert _processes_with(f"127.0.0.1:{port}") or _processes_with("geopipe_runner.emulator")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
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
