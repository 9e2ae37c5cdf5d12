"""What a storm is: the weather of a seed, the runs in it, and what is looked at afterwards. See `harness.py`."""

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

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT), str(HERE), str(ROOT / "tests/e2e")]

from e2e_world import Standing, Workplace  # noqa: E402
from geopipe_runner.emulator.clients import INTERNAL_MARK  # noqa: E402
from watched_emulator import CONTROL, TRUTHS  # noqa: E402

FAULT_RATE = 0.2
ROWS = 200
QUEUE = "sagemaker-sdk-example-queue"
FAULTS = "/_geopipe/faults"
ROLES = ("SageMakerExampleLambdaRole", "SageMakerExampleRole")
_ROUND_WITHIN = 600.0
_GOING_ON = ("INITIALIZING", "IN_PROGRESS", "STOPPING")
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Durations = Mapping[str, tuple[float, float]]
SLOW: Durations = {
    "iam_propagation_seconds": (2.0, 10.0),
    "queue_deleted_seconds": (15.0, 30.0),
    "function_pending_seconds": (0.5, 4.0),
    "mapping_creating_seconds": (0.5, 3.0),
    "job_initializing_seconds": (0.5, 2.0),
    "job_seconds": (0.5, 3.0),
    "export_seconds": (0.5, 3.0),
}
"""Seconds, from and to; each seed takes its own between them."""
BRISK: Durations = {name: (low / 2, low / 2) for name, (low, _) in SLOW.items()} | {"queue_deleted_seconds": (3.0, 3.0)}
"""Everything just slow enough to be met."""


@dataclass(frozen=True)
class Round:
    """One run of the command: its exit code, its events, and what it wrote to standard error."""

    exit_code: int | None
    """None for a run that had to be ended."""
    events: tuple[dict[str, Any], ...]
    errors: str

    def having(self, event: str) -> list[dict[str, Any]]:
        return [document for document in self.events if document["event"] == event]

    @property
    def problems(self) -> Iterator[str]:
        """What is not as it should be."""
        if self.exit_code != 0:
            yield f"exit code {self.exit_code}"
        statuses = [ended["status"] for ended in self.having("execution_ended")]
        if statuses[-1:] != ["Succeeded"]:
            yield f"executions ended {statuses}"
        rows = [(results["rows"], results["valid"]) for results in self.having("results")]
        if rows != [(ROWS, ROWS)]:
            yield f"rows and valid rows: {rows}"


@dataclass(frozen=True)
class Outcome:
    """What became of one seed."""

    seed: int
    seconds: float
    rounds: tuple[Round, ...]
    faults: Mapping[str, int]
    truths: Mapping[str, int]
    left: tuple[str, ...] = field(default=())
    """What was there in the end, and should not be."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is not as it should be; nothing for a seed that passes."""
        told = [f"run {n}: {p}" for n, run in enumerate(self.rounds, 1) for p in run.problems]
        return (*told, *self.left)

    @property
    def unmet(self) -> list[str]:
        """Slow truths that this seed did not come across."""
        return [truth for truth in TRUTHS if not self.truths.get(truth)]

    def line(self) -> str:
        """All of it on one line."""
        codes = " ".join(str(run.exit_code) for run in self.rounds)
        faults = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()))
        truths = f"not met: {', '.join(self.unmet)}" if self.unmet else "all slow truths met"
        verdict = "FAILED" if self.problems else "passed"
        return f"seed {self.seed:3d} {verdict}  exit {codes}  {self.seconds:5.1f} s  faults: {faults}  {truths}"


def weather(seed: int, slow: Durations) -> dict[str, Any]:
    """The emulator's settings for a seed."""
    chance = random.Random(seed)
    durations = {name: round(chance.uniform(*bounds), 2) for name, bounds in slow.items()}
    return {"faults": FAULT_RATE, "fault_seed": seed, "iam": "enforce", "duplicate_deliveries": 0.5, **durations}


def storm(seed: int, folder: Path, slow: Durations = SLOW, *, only_first: bool = False) -> Outcome:
    """Run the command in the weather of `seed` until a run fails, then look at what is left."""
    began = time.monotonic()
    settings = weather(seed, slow)
    log = folder / "emulator.log"
    with watched(settings, log) as emulator:
        workplace = Workplace(folder)
        config = workplace.config(endpoint=emulator.url, iam={"propagation_timeout": 120})
        runs: list[Round] = []
        for cleanup in _before_each(emulator, settings):
            runs.append(_run(workplace, config, cleanup))
            if only_first or any(runs[-1].problems):
                break
        faults = _ask(emulator, FAULTS)["injected"]
        truths = _ask(emulator, CONTROL)
        _ask(emulator, FAULTS, {"rate": 0})
        left = tuple(_left(emulator, runs))
    broken = ("the emulator itself failed, see its log",) if "Traceback" in log.read_text() else ()
    return Outcome(seed, time.monotonic() - began, tuple(runs), faults, truths, (*left, *broken))


def _before_each(emulator: Standing, settings: Mapping[str, Any]) -> Iterator[str]:
    """The clean-up policy of each run, given once what happens before it has happened."""
    _delete_a_queue(emulator)
    yield "all"
    yield "none"
    _empty_policies(emulator, random.Random(settings["fault_seed"]).choice([ROLES[:1], ROLES[1:], ROLES]))
    time.sleep(settings["iam_propagation_seconds"])  # the time itself is meant: now everybody knows of it
    yield "all"


@contextmanager
def watched(settings: Mapping[str, Any], log: Path) -> Iterator[Standing]:
    """An emulator that counts what its clients meet; `log` takes what it complains about."""
    command = [sys.executable, str(HERE / "watched_emulator.py"), json.dumps(settings)]
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
    """So that the run's queue has a name that is not free at once."""
    sqs = _spared(emulator, "sqs")
    sqs.delete_queue(QueueUrl=sqs.create_queue(QueueName=QUEUE)["QueueUrl"])


def _empty_policies(emulator: Standing, roles: Sequence[str]) -> None:
    """The drift that hurts most: the roles may do nothing any more."""
    nothing = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [nothing]})
    iam = _spared(emulator, "iam")
    attached = [p for r in roles for p in iam.list_attached_role_policies(RoleName=r)["AttachedPolicies"]]
    for policy in attached:
        iam.create_policy_version(PolicyArn=policy["PolicyArn"], PolicyDocument=document, SetAsDefault=True)


def _spared(emulator: Standing, service: str) -> Any:
    """A client that meets no faults, as those of the emulator's own services meet none."""
    return boto3.client(
        service,
        endpoint_url=emulator.url,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=botocore.config.Config(proxies={}, user_agent_extra=INTERNAL_MARK),
    )


def _run(workplace: Workplace, config: Path, cleanup: str) -> Round:
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
        return Round(None, _events(out), errors)
    return Round(process.returncode, _events(out), errors)


def _events(out: str) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in out.splitlines())


def _left(emulator: Standing, runs: Sequence[Round]) -> Iterator[str]:
    for service, names in emulator.inventory().items():
        yield f"{service} left behind: {', '.join(names)}"
    jobs = emulator.client("sagemaker-geospatial").list_vector_enrichment_jobs()["VectorEnrichmentJobSummaries"]
    going = [job["Arn"] for job in jobs if job["Status"] in _GOING_ON]
    if going:
        yield f"jobs that go on: {', '.join(going)}"
    executions = sum(len(run.having("execution_started")) for run in runs)
    if not len(runs) <= len(jobs) <= executions:
        yield f"{len(jobs)} jobs for {executions} executions in {len(runs)} runs"


def _ask(emulator: Standing, path: str, put: Mapping[str, Any] | None = None) -> Any:
    """What the emulator says about itself; `put` changes it."""
    data = json.dumps(put).encode() if put is not None else None
    request = urllib.request.Request(emulator.url + path, data, method="PUT" if data else "GET")
    with _NO_PROXY.open(request, timeout=30) as answer:
        return json.load(answer)
