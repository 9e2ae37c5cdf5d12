"""How soon a finished job is seen: seconds from a job's end to the end of the callback step that waits for it.

    python -m tests.bench.detection [--seconds 20 120] [--executions 8]

Both ways run the same deployment on an emulator of their own in real time, all of them side by side:

- ours: the function and its policy as they are deployed;
- the samples': the function's role may not call sqs:ChangeMessageVisibility, which the policy of AWS's samples does not
  allow either. What is left is what the samples do: the message is a batch item failure, and comes again when the
  queue's 300 s are over. That the function asks and is refused does not change when a message comes again.

The command line deploys and starts a first execution, is left with Ctrl-C, and that execution is not counted. The
others are started one after the other, with the same parameters. When a message comes again depends on its own age
only, so jobs that take equally long differ little; `--seconds` with other lengths shows other phases. A job is taken to
have ended when it was last seen unfinished: the figures are up to a quarter of a second too large, never too small.

Prints minimum, median and maximum, and how often the function was invoked for a callback. Not a test.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.delayed_emulator import write_config
from tests.support.paths import ROOT

PIPELINE, FUNCTION, ROLE = "sagemaker-sdk-example-pipeline", "SageMakerExampleFunction", "SageMakerExampleLambdaRole"
START, CALLBACK = "vej-processing-step", "vej-callback-step"
COME_BACK_SOON = "sqs:ChangeMessageVisibility"
OURS, SAMPLES = "our way", "the samples' way"
AIMS = {20.0: 6.0, 120.0: 20.0}
"""Our median, at most, by the job's length."""
LONGEST_SPREAD = 10.0
PATIENCE = 420.0
"""More than a job and the queue's visibility timeout together."""

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Detection:
    """One way with jobs of one length: seconds, and invocations, for each execution."""

    way: str
    job_seconds: float
    seconds: tuple[float, ...]
    invocations: tuple[int, ...]


def wait_for(find: Callable[[], _Found | None], pause: float, what: str) -> _Found:
    """What `find` finds; asked again after each pause."""
    deadline = time.monotonic() + PATIENCE
    while (found := find()) is None:
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {PATIENCE:g} s")
        time.sleep(pause)
    return found


class DetectionClient:
    """Reads executions, jobs and logs of one emulated account."""

    def __init__(self, url: str) -> None:
        # A session of its own: creating clients from a shared one in several threads is not safe.
        session = boto3.session.Session("test", "test", region_name="us-west-2")
        config = Config(proxies={})
        names = ("sagemaker", "sagemaker-geospatial", "iam", "logs")
        clients = {name: session.client(name, endpoint_url=url, config=config) for name in names}
        self._sagemaker, self._geospatial, self._iam, self._logs = (clients[name] for name in names)

    def executions(self) -> list[str] | None:
        """The pipeline's executions; None while there is none, or no pipeline."""
        try:
            found = self._sagemaker.list_pipeline_executions(PipelineName=PIPELINE)["PipelineExecutionSummaries"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFound":
                raise
            return None
        return [execution["PipelineExecutionArn"] for execution in found] or None

    def start_like(self, first: str, count: int, spread: float) -> list[str]:
        """Start executions with the parameters of the first one, over `spread` seconds."""
        parameters = self._sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=first)
        started = []
        for _ in range(count):
            answer = self._sagemaker.start_pipeline_execution(
                PipelineName=PIPELINE, PipelineParameters=parameters["PipelineParameters"]
            )
            started.append(answer["PipelineExecutionArn"])
            time.sleep(spread / count)
        return started

    def forbid(self, action: str) -> None:
        """Take one action out of the function's policy."""
        (attached,) = self._iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
        arn = attached["PolicyArn"]
        version = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = self._iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        for statement in document["Statement"]:
            statement["Action"] = [allowed for allowed in statement["Action"] if allowed != action]
        self._iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)

    def job_of(self, execution: str) -> str | None:
        """The ARN of the job that the execution has started."""
        step = self._step(execution, START)
        outputs = step.get("Metadata", {}).get("Lambda", {}).get("OutputParameters", [])
        return next((str(output["Value"]) for output in outputs if output["Name"] == "vej_arn"), None)

    def callback_end(self, execution: str) -> float | None:
        """When the callback step ended, in seconds of the epoch."""
        step = self._step(execution, CALLBACK)
        if step.get("StepStatus") == "Failed":
            raise SystemExit(f"{execution}: {step['FailureReason']}")
        return float(step["EndTime"].timestamp()) if "EndTime" in step else None

    def _step(self, execution: str, name: str) -> dict[str, Any]:
        steps = self._sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
        return next((step for step in steps if step["StepName"] == name), {})

    def watch(self, jobs: Sequence[str]) -> dict[str, float]:
        """Until all of them are done: when each was last seen unfinished, in seconds of the epoch."""
        unfinished: dict[str, float] = {}

        def all_done() -> bool | None:
            now = time.time()
            pages = self._geospatial.get_paginator("list_vector_enrichment_jobs").paginate()
            status = {job["Arn"]: job["Status"] for page in pages for job in page["VectorEnrichmentJobSummaries"]}
            waiting = [arn for arn in jobs if status[arn] != "COMPLETED"]
            unfinished.update(dict.fromkeys(waiting, now))
            return None if waiting else True

        wait_for(all_done, 0.2, "the end of the jobs")
        return unfinished

    def invocations(self, jobs: Sequence[str]) -> list[int] | None:
        """How often the function was invoked for each job's callback; None while the last one is not logged."""
        pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{FUNCTION}")
        # Events come stream by stream, so one stream for each of the function's workers.
        events = sorted((event for page in pages for event in page["events"]), key=lambda event: event["timestamp"])
        lines = [json.loads(event["message"]) for event in events if event["message"].startswith("{")]
        outcomes = [(line["arguments"]["vej_arn"], line["outcome"]) for line in lines if line["message"] == "callback"]
        by_job = [[outcome for of, outcome in outcomes if of == job] for job in jobs]
        # After the first success come the looks at the export.
        return [found.index("success") + 1 for found in by_job] if all("success" in x for x in by_job) else None


@contextmanager
def emulator(job_seconds: float) -> Iterator[str]:
    """The URL of an empty account, in real time."""
    options = ["--time-scale", "1", "--iam", "enforce", "--job-seconds", str(job_seconds)]
    process = subprocess.Popen(
        [sys.executable, "-m", "geopipe_emulator", "--exit-with-stdin", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(30)


def deploy(account: DetectionClient, config: Path) -> str:
    """Have the command line set everything up and start an execution; leave it then. Returns the execution."""
    process = subprocess.Popen(
        [sys.executable, "run.py", str(config), "--non-interactive", "--cleanup=none"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def started() -> str | None:
        if process.poll() is not None:
            raise SystemExit(f"the deployment failed: {process.communicate()[0]}")
        found = account.executions()
        return found[0] if found else None

    first = wait_for(started, 0.2, "the first execution")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate()
    if process.returncode != 130:
        raise SystemExit(f"exit {process.returncode} instead of 130: {said}")
    return first


def measure(way: str, job_seconds: float, count: int) -> Detection:
    """One way, jobs of one length, on an emulator of its own."""
    with emulator(job_seconds) as url, tempfile.TemporaryDirectory() as folder:
        account = DetectionClient(url)
        first = deploy(account, write_config(Path(folder), url))
        if way == SAMPLES:
            account.forbid(COME_BACK_SOON)
        # All jobs have begun, and are known, well before the first has ended.
        started = account.start_like(first, count, min(LONGEST_SPREAD, job_seconds / 2))
        jobs = [wait_for(lambda arn=arn: account.job_of(arn), 0.2, "a job") for arn in started]  # type: ignore[misc]
        ends = account.watch(jobs)
        seen = [
            wait_for(lambda arn=arn: account.callback_end(arn), 1.0, "an answer")  # type: ignore[misc]
            for arn in started
        ]
        invocations = wait_for(lambda: account.invocations(jobs), 0.5, "the log")
    seconds = tuple(end - ends[job] for end, job in zip(seen, jobs, strict=True))
    return Detection(way, job_seconds, seconds, tuple(invocations))


def print_table(detections: Sequence[Detection]) -> None:
    print(f"{'seconds from the end of a job to the next step':56}{'min':>8}{'median':>8}{'max':>8}{'invoked':>9}")
    for found in detections:
        median = statistics.median(found.seconds)
        row = f"jobs of {found.job_seconds:g} s, {found.way} ({len(found.seconds)} executions)"
        figures = "".join(f"{figure:8.1f}" for figure in (min(found.seconds), median, max(found.seconds)))
        aim = AIMS.get(found.job_seconds) if found.way == OURS else None
        verdict = f"  aim: {aim:g}, {'holds' if median <= aim else 'MISSED'}" if aim else ""
        print(f"{row:56}{figures}{statistics.median(found.invocations):9g}{verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=list(AIMS), help="how long the jobs take")
    parser.add_argument("--executions", type=int, default=8, help="of each way and length")
    parser.add_argument("--only-ours", action="store_true", help="spare the 300 s of the samples' way")
    options = parser.parse_args()
    ways = (OURS,) if options.only_ours else (OURS, SAMPLES)
    cases = [(way, seconds, options.executions) for seconds in options.seconds for way in ways]
    with ThreadPoolExecutor(len(cases)) as pool:
        print_table(list(pool.map(lambda case: measure(*case), cases)))


if __name__ == "__main__":
    main()
