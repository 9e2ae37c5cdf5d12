"""One seed of the fault test: the emulator's settings, the runs, and the checks afterwards. See `harness.py`."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.config

from geopipe_emulator.clients import INTERNAL_MARK
from tests.support.e2e import Standing, Workplace
from tests.support.faults.watched_emulator import CONTROL, EFFECTS, JOBS
from tests.support.paths import ROOT

DEFAULT_PROVIDER = "sagemaker_geospatial"
FAULT_RATE = 0.2
ROWS = 200
QUEUE = "sagemaker-sdk-example-queue"
FAULTS = "/_geopipe/faults"
ROLES = ("SageMakerExampleLambdaRole", "SageMakerExampleRole")
_ROUND_WITHIN = 600.0
_RUNNING = ("INITIALIZING", "IN_PROGRESS", "STOPPING")
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Durations = Mapping[str, tuple[float, float]]
# Seconds, from and to; each seed has its own value in between.
FULL: Durations = {
    "iam_propagation_seconds": (2.0, 10.0),
    "queue_deleted_seconds": (15.0, 30.0),
    "function_pending_seconds": (0.5, 4.0),
    "mapping_creating_seconds": (0.5, 3.0),
    "job_initializing_seconds": (0.5, 2.0),
    "job_seconds": (0.5, 3.0),
    "export_seconds": (0.5, 3.0),
}
# Everything just slow enough to be seen.
SHORT: Durations = {name: (low / 2, low / 2) for name, (low, _) in FULL.items()} | {"queue_deleted_seconds": (3.0, 3.0)}


@dataclass(frozen=True)
class CommandRun:
    """One run of the command: its exit code, its events, and what it wrote to standard error."""

    # None for a run that did not end in time.
    exit_code: int | None
    events: tuple[dict[str, Any], ...]
    errors: str

    def having(self, event: str) -> list[dict[str, Any]]:
        return [document for document in self.events if document["event"] == event]

    @property
    def problems(self) -> Iterator[str]:
        """Yields each way in which the run differs from a successful one."""
        if self.exit_code != 0:
            yield f"exit code {self.exit_code}"
        statuses = [event["status"] for event in self.having("execution_ended")]
        if statuses[-1:] != ["Succeeded"]:
            yield f"executions ended {statuses}"
        rows = [(results["rows"], results["valid"]) for results in self.having("results")]
        if rows != [(ROWS, ROWS)]:
            yield f"rows and valid rows: {rows}"


@dataclass(frozen=True)
class SeedResult:
    """The result of one seed."""

    seed: int
    seconds: float
    runs: tuple[CommandRun, ...]
    faults: Mapping[str, int]
    effects: Mapping[str, int]
    # Resources and jobs that should not exist at the end.
    leftovers: tuple[str, ...] = field(default=())

    @property
    def problems(self) -> tuple[str, ...]:
        """Returns all problems; none for a seed that passes."""
        problems = [f"run {n}: {p}" for n, run in enumerate(self.runs, 1) for p in run.problems]
        return (*problems, *self.leftovers)

    @property
    def unseen(self) -> list[str]:
        """Returns the effects that this seed did not see."""
        return [effect for effect in EFFECTS if not self.effects.get(effect)]

    def line(self) -> str:
        """Returns the result on one line."""
        codes = " ".join(str(run.exit_code) for run in self.runs)
        faults = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()))
        effects = f"not seen: {', '.join(self.unseen)}" if self.unseen else "all effects seen"
        verdict = "FAILED" if self.problems else "passed"
        return f"seed {self.seed:3d} {verdict}  exit {codes}  {self.seconds:5.1f} s  faults: {faults}  {effects}"


def settings_of(seed: int, bounds: Durations) -> dict[str, Any]:
    """Returns the emulator's settings for a seed."""
    generator = random.Random(seed)
    durations = {name: round(generator.uniform(*limits), 2) for name, limits in bounds.items()}
    fixed = {"faults": FAULT_RATE, "fault_seed": seed, "iam": "enforce", "duplicate_deliveries": 0.5}
    # In real time, a job would be over before its callback is checked for the second time.
    return {**fixed, "time_scale": 0.02, **durations}


def run_seed(
    seed: int,
    folder: Path,
    bounds: Durations = FULL,
    *,
    only_first: bool = False,
    provider: str = DEFAULT_PROVIDER,
) -> SeedResult:
    """Run the command with the settings of `seed` until a run fails, then check what is left."""
    began = time.monotonic()
    settings = settings_of(seed, bounds)
    log = folder / "emulator.log"
    with watched(settings, log) as emulator:
        workplace = Workplace(folder)
        config = workplace.config(endpoint=emulator.url, iam={"propagation_timeout": 120}, job={"provider": provider})
        runs: list[CommandRun] = []
        for cleanup in _prepare_runs(emulator, settings):
            runs.append(_run(workplace, config, cleanup))
            if only_first or any(runs[-1].problems):
                break
        faults = _request(emulator, FAULTS)["injected"]
        effects = _request(emulator, CONTROL)
        _request(emulator, FAULTS, {"rate": 0})
        leftovers = tuple(_leftovers(emulator, runs, has_jobs=provider == DEFAULT_PROVIDER))
    broken = ("the emulator itself failed, see its log",) if "Traceback" in log.read_text() else ()
    return SeedResult(seed, time.monotonic() - began, tuple(runs), faults, effects, (*leftovers, *broken))


def _prepare_runs(emulator: Standing, settings: Mapping[str, Any]) -> Iterator[str]:
    """Yields the clean-up policy of each run after preparing the account for it."""
    _delete_a_queue(emulator)
    yield "all"
    yield "none"
    _empty_policies(emulator, random.Random(settings["fault_seed"]).choice([ROLES[:1], ROLES[1:], ROLES]))
    time.sleep(settings["iam_propagation_seconds"])  # not a wait for a condition: the change itself takes this long
    yield "all"


@contextmanager
def watched(settings: Mapping[str, Any], log: Path) -> Iterator[Standing]:
    """An emulator that counts the effects that its clients see. It writes its errors to `log`."""
    command = [sys.executable, "-m", "tests.support.faults.watched_emulator", json.dumps(settings)]
    pipe = subprocess.PIPE
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Standing(process.stdout.readline().strip(), process)
    finally:
        process.stdin.close()
        process.wait(10)


def _delete_a_queue(emulator: Standing) -> None:
    """Create and delete the queue, so that its name is not free for the next run."""
    sqs = _client_without_faults(emulator, "sqs")
    sqs.delete_queue(QueueUrl=sqs.create_queue(QueueName=QUEUE)["QueueUrl"])


def _empty_policies(emulator: Standing, roles: Sequence[str]) -> None:
    """Empty the policies, so that the roles have no permissions."""
    nothing = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [nothing]})
    iam = _client_without_faults(emulator, "iam")
    attached = [p for r in roles for p in iam.list_attached_role_policies(RoleName=r)["AttachedPolicies"]]
    for policy in attached:
        iam.create_policy_version(PolicyArn=policy["PolicyArn"], PolicyDocument=document, SetAsDefault=True)


def _client_without_faults(emulator: Standing, service: str) -> Any:
    """Returns a client whose calls never fail, like those of the emulator's own services."""
    return boto3.client(
        service,
        endpoint_url=emulator.url,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=botocore.config.Config(proxies={}, user_agent_extra=INTERNAL_MARK),
    )


def _run(workplace: Workplace, config: Path, cleanup: str) -> CommandRun:
    process = subprocess.Popen(
        workplace.command(config, "--non-interactive", f"--cleanup={cleanup}", "--output", "json"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=workplace.folder,
    )
    try:
        out, errors = process.communicate(timeout=_ROUND_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        out, errors = process.communicate()
        return CommandRun(None, _events(out), errors)
    return CommandRun(process.returncode, _events(out), errors)


def _events(out: str) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in out.splitlines())


def _leftovers(emulator: Standing, runs: Sequence[CommandRun], *, has_jobs: bool) -> Iterator[str]:
    for service, names in emulator.inventory().items():
        yield f"{service} left behind: {', '.join(names)}"
    jobs = emulator.client("sagemaker-geospatial").list_vector_enrichment_jobs()["VectorEnrichmentJobSummaries"]
    running = [job["Arn"] for job in jobs if job["Status"] in _RUNNING]
    if running:
        yield f"jobs that still run: {', '.join(running)}"
    if not has_jobs:
        return
    executions = sum(len(run.having("execution_started")) for run in runs)
    started = _request(emulator, JOBS)
    if not len(runs) <= len(started) <= executions:
        yield f"{len(started)} jobs for {executions} executions in {len(runs)} runs"


def _request(emulator: Standing, path: str, put: Mapping[str, Any] | None = None) -> Any:
    """Read a document of the emulator's control API; `put` replaces it."""
    data = json.dumps(put).encode() if put is not None else None
    request = urllib.request.Request(emulator.url + path, data, method="PUT" if data else "GET")
    with _NO_PROXY.open(request, timeout=90) as response:
        return json.load(response)
