"""Runs the whole scenario 2,000 times on one emulator, 50 executions at a time, and watches the emulator's process.

    python -m tests.bench.executions [--count 2000] [--in-flight 50] [--rows 10]

geopipe sets the deployment up and runs it once. Then plain calls start the executions. Each has two Lambda steps and
two callbacks. Prints executions per second, and memory, CPU time, threads and open files of the emulator after each
quarter. What an account keeps (executions, log lines, objects of S3) is on disk, apart from a little of each.

The exit code is 1 if an execution does not succeed, or if something grows from the first quarter to the last: memory by
more than a tenth, threads or files by more than what one moment differs from another.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config

from tests.support.delayed_emulator import environment_without_aws
from tests.support.paths import ROOT

MOST_GROWTH = 0.10
# Threads and files of executions in flight come and go.
MOST_MORE = 40
_POLL_SECONDS = 0.25
_REGION = "us-west-2"
_SUMMARIES = "PipelineExecutionSummaries"
_SETTINGS = ("--iam=enforce", "--job-initializing-seconds=0", "--job-seconds=0", "--export-seconds=0")


@dataclass(frozen=True)
class Snapshot:
    """The emulator's process at one moment, without its functions' processes; `memory` in MB, `cpu` in seconds."""

    ended: int
    seconds: float
    memory: float
    cpu: float
    threads: int
    files: int

    @classmethod
    def take(cls, pid: int, ended: int, seconds: float) -> Snapshot:
        lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        status = {line[0]: line[1] for line in lines if len(line) > 1}
        memory, threads = int(status["VmRSS:"]) / 1024, int(status["Threads:"])
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        cpu = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
        return cls(ended, seconds, memory, cpu, threads, len(list(Path(f"/proc/{pid}/fd").iterdir())))


def main() -> int:
    """Run them and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--rows", type=int, default=10, help="rows of the input of each execution")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geopipe-bench-") as folder, emulator() as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        config = write_config(Path(folder), url, options.rows)
        run = [sys.executable, "run.py", str(config), "--non-interactive", "--cleanup", "none"]
        subprocess.run(run, cwd=ROOT, env=environment_without_aws(), check=True, stdout=subprocess.DEVNULL)
        statuses, snapshots = execute(url, process.pid, options.count, options.in_flight)
    seconds = snapshots[-1].seconds
    print(
        f"{options.count:,} executions in {seconds:.1f} s: {options.count / seconds:.1f} per second, {dict(statuses)}"
    )
    print(f"{'ended':>8}{'seconds':>9}{'MB':>8}{'CPU s':>8}{'threads':>9}{'files':>7}")
    for shot in snapshots:
        print(f"{shot.ended:8,}{shot.seconds:9.1f}{shot.memory:8.1f}{shot.cpu:8.1f}{shot.threads:9}{shot.files:7}")
    return verdict(statuses, snapshots)


def execute(url: str, pid: int, count: int, in_flight: int) -> tuple[Counter[str], list[Snapshot]]:
    """Start `count` executions like the pipeline's last one, at most `in_flight` at a time, and wait for all."""
    keys = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench", "region_name": _REGION}
    sagemaker: Any = boto3.client("sagemaker", endpoint_url=url, config=Config(proxies={}), **keys)
    pipeline = sagemaker.list_pipelines()["PipelineSummaries"][0]["PipelineName"]
    first = sagemaker.list_pipeline_executions(PipelineName=pipeline)[_SUMMARIES][0]
    listed = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=first["PipelineExecutionArn"])
    parameters = listed["PipelineParameters"]

    def start() -> str:
        answer = sagemaker.start_pipeline_execution(PipelineName=pipeline, PipelineParameters=parameters)
        return str(answer["PipelineExecutionArn"])

    statuses: Counter[str] = Counter()
    snapshots: list[Snapshot] = []
    quarters = iter([*(count * part // 4 for part in (1, 2, 3, 4)), sys.maxsize])
    quarter = next(quarters)
    began, running, unstarted = time.monotonic(), set[str](), count
    while running or unstarted:
        for _ in range(min(unstarted, in_flight - len(running))):
            running.add(start())
            unstarted -= 1
        time.sleep(_POLL_SECONDS)
        # One call for all: as many calls as executions would be a load of their own.
        newest = sagemaker.list_pipeline_executions(PipelineName=pipeline, SortBy="CreationTime", MaxResults=100)
        found = {one["PipelineExecutionArn"]: one["PipelineExecutionStatus"] for one in newest[_SUMMARIES]}
        for execution in list(running):
            if execution not in found:
                one = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
                found[execution] = one["PipelineExecutionStatus"]
            if found[execution] != "Executing":
                running.remove(execution)
                statuses[found[execution]] += 1
        if statuses.total() >= quarter:
            snapshots.append(Snapshot.take(pid, statuses.total(), time.monotonic() - began))
            quarter = next(quarters)
    return statuses, snapshots


def verdict(statuses: Counter[str], snapshots: list[Snapshot]) -> int:
    """Return the exit code, and say what does not hold."""
    first, last = snapshots[0], snapshots[-1]
    wrong = [f"{number} executions are {status}" for status, number in statuses.items() if status != "Succeeded"]
    if last.memory > first.memory * (1 + MOST_GROWTH):
        wrong.append(f"memory grows by {last.memory / first.memory - 1:.0%}")
    if last.threads > first.threads + MOST_MORE or last.files > first.files + MOST_MORE:
        wrong.append("threads or files grow")
    print("\n".join(wrong) or f"memory changes by {last.memory / first.memory - 1:+.0%}; nothing else grows")
    return 1 if wrong else 0


@contextmanager
def emulator() -> Iterator[subprocess.Popen[str]]:
    """Start an emulator, as a standing one is started, that ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "geopipe_emulator", "--exit-with-stdin", *_SETTINGS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment_without_aws(),
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(60)


def write_config(folder: Path, url: str, rows: int) -> Path:
    """Write config/local.yaml for the emulator at `url`, with an input of that many rows."""
    settings = yaml.safe_load((ROOT / "config/local.yaml").read_text(encoding="utf-8"))
    with (ROOT / "resources/latlongtest.csv").open(newline="") as source, (folder / "input.csv").open("w") as target:
        csv.writer(target, lineterminator="\n").writerows(itertools.islice(csv.reader(source), rows + 1))
    settings["endpoint"] = url
    settings["function"]["source"] = str(ROOT / "lambda")
    settings["input"]["source"] = str(folder / "input.csv")
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
