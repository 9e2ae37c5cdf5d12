"""Two commands never change one deployment at the same time, and no ending of a command leaves the lock behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import geopipe_runner as geopipe
from geopipe_runner.aws.lock_owner import LockOwner, read_owner, this_process
from geopipe_runner.errors import LockedError
from tests.support.e2e import Standing, Workplace, start_emulator
from tests.support.lock_worker import BUCKET, KEY, connect_to, lock_of
from tests.support.paths import ROOT
from tests.support.wait import eventually


@pytest.fixture(scope="module")
def emulator() -> Iterator[Standing]:
    """An emulator whose jobs end only when they are stopped."""
    standing = start_emulator("--job-seconds", "600")
    yield standing
    standing.process.send_signal(signal.SIGTERM)
    standing.process.wait(10)


@pytest.fixture
def config(emulator: Standing, workplace: Workplace) -> Iterator[Path]:
    """A configuration, and an account that is empty before and after."""
    provider = {"provider": "sagemaker_geospatial"}
    path = workplace.config(endpoint=emulator.url, cleanup="none", job=provider)
    yield path
    cleaned = workplace.geopipe("cleanup", path, "--non-interactive", "--cleanup=all", "--force-unlock")
    assert cleaned.returncode == 0, cleaned.stderr
    assert emulator.inventory() == {}


def _locks(emulator: Standing) -> list[str]:
    listed = emulator.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="geopipe/")
    return [entry["Key"] for entry in listed.get("Contents", [])]


def _changes(emulator: Standing) -> dict[str, int]:
    """The calls that change resources. A lock that is not free is asked for with PutObject, in vain."""
    services = ("iam:", "lambda:", "logs:", "s3:", "sagemaker:")
    calls = emulator.mutating_calls().items()
    return {call: count for call, count in calls if call.startswith(services) and call != "s3:PutObject"}


def _put_lock(emulator: Standing, owner: LockOwner, **more: Any) -> None:
    body = json.dumps({**owner.document(), "token": "theirs", "lease_seconds": 300, **more})
    emulator.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=body.encode())


def _wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return
    raise AssertionError("".join(seen))


def test_one_command_at_a_time(emulator: Standing, workplace: Workplace, config: Path) -> None:
    running = workplace.start("run", config, "--non-interactive")
    _wait_for_line(running, "Waiting for pipeline execution")
    assert _locks(emulator) == [KEY]
    before = _changes(emulator)
    for arguments in (
        ("run", config),
        ("apply", config, "--set", "function.timeout=77"),
        ("cleanup", config, "--cleanup=all"),
    ):
        refused = workplace.geopipe(*arguments, "--non-interactive")
        assert refused.returncode == 6, refused.stdout + refused.stderr
        assert f"(process {running.pid})" in refused.stderr and "--force-unlock" in refused.stderr
    assert _changes(emulator) == before
    for command in ("plan", "status"):
        assert workplace.geopipe(command, config).returncode == 0

    # A killed command keeps no one out on its own machine.
    running.kill()
    running.wait()
    assert _locks(emulator) == [KEY]
    again = workplace.start("run", config, "--non-interactive")
    _wait_for_line(again, "that process has ended")
    _wait_for_line(again, "Waiting for pipeline execution")
    again.send_signal(signal.SIGINT)
    assert again.wait(60) == 130
    assert _locks(emulator) == []


def test_the_lock_of_another_machine(emulator: Standing, workplace: Workplace, config: Path) -> None:
    assert workplace.geopipe("apply", config, "--non-interactive").returncode == 0
    assert _locks(emulator) == []
    somewhere = LockOwner("alice", "far.example", "another boot", 4242, "1", "", "2026-11-29 18:58:51 UTC")
    _put_lock(emulator, somewhere)
    refused = workplace.geopipe("cleanup", config, "--non-interactive", "--cleanup=pipeline")
    assert refused.returncode == 6
    assert "alice on far.example (process 4242), since 2026-11-29 18:58:51 UTC" in refused.stderr
    assert _locks(emulator) == [KEY]
    forced = workplace.geopipe("cleanup", config, "--non-interactive", "--cleanup=pipeline", "--force-unlock")
    assert forced.returncode == 0 and "Took the lock of alice" in forced.stdout
    assert "Deleted pipeline" in forced.stdout and _locks(emulator) == []

    # Without a sign of life, the lock expires.
    _put_lock(emulator, somewhere, lease_seconds=0)

    def taken() -> bool:
        applied = workplace.geopipe("apply", config, "--non-interactive")
        assert applied.returncode in (0, 6), applied.stderr
        assert applied.returncode == 6 or "no sign of life for" in applied.stdout
        return applied.returncode == 0

    eventually(taken, 90)
    # A failed command releases its lock too.
    broken = workplace.geopipe("apply", config, "--non-interactive", "--set", "function.layers=[arn:aws:lambda:x]")
    assert broken.returncode != 0 and _locks(emulator) == []


def test_a_lock_is_taken_also_if_nothing_is_to_be_changed(
    emulator: Standing, workplace: Workplace, config: Path
) -> None:
    forced = ("--non-interactive", "--force-unlock")
    nowhere = workplace.geopipe("cleanup", config, *forced)
    assert (nowhere.returncode, nowhere.stderr) == (0, "")  # without the bucket, there is no lock
    assert workplace.geopipe("apply", config, "--non-interactive").returncode == 0
    somewhere = LockOwner("alice", "far.example", "another boot", 4242, "1", "", "2026-11-29 18:58:51 UTC")
    for command in (("apply",), ("cleanup", "--cleanup=none"), ("cleanup", "--cleanup=ask")):
        _put_lock(emulator, somewhere)
        before = _changes(emulator)
        unforced = workplace.geopipe(*command, config, "--non-interactive")
        assert unforced.returncode == 0 and _locks(emulator) == [KEY], unforced.stderr  # nothing needs it
        done = workplace.geopipe(*command, config, *forced)
        assert done.returncode == 0 and "Took the lock of alice" in done.stdout, done.stderr
        assert _locks(emulator) == []
        after = _changes(emulator)
        assert {call: after[call] - before.get(call, 0) for call in after if after[call] != before.get(call, 0)} == {
            "s3:DeleteObject": 1
        }
    free = workplace.geopipe("apply", config, *forced)
    assert free.returncode == 0 and "no other command held the lock" in free.stdout and _locks(emulator) == []
    _put_lock(emulator, somewhere)
    geopipe.load(config).apply(force_unlock=True)
    assert _locks(emulator) == []

    _put_lock(emulator, somewhere)
    for command in ("run", "cleanup"):
        contradiction = workplace.geopipe(command, config, "--dry-run", *forced)
        assert contradiction.returncode == 2 and "--dry-run changes nothing" in contradiction.stderr
    assert _locks(emulator) == [KEY]
    embedded = workplace.geopipe("apply", workplace.config(), *forced)
    assert embedded.returncode == 0 and embedded.stdout.count("the emulator of this command needs none") == 1
    workplace.config(endpoint=emulator.url, cleanup="none")  # what the fixture cleans up


def test_racing_processes_hold_it_one_at_a_time(emulator: Standing, workplace: Workplace, config: Path) -> None:
    assert workplace.geopipe("apply", config, "--non-interactive").returncode == 0
    # All of them find the expired lock of another machine first.
    _put_lock(emulator, LockOwner("bob", "far.example", "", 1), lease_seconds=0)
    command = [sys.executable, "-m", "tests.support.lock_worker", str(config), str(workplace.folder), "5"]
    workers = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    outcomes = [(*worker.communicate(timeout=120), worker.returncode) for worker in workers]
    assert outcomes == [("5\n", "", 0)] * 4
    assert _locks(emulator) == []


def test_racing_first_runs(emulator: Standing, workplace: Workplace, config: Path) -> None:
    """None of them sees a bucket, and one of them sets everything up."""
    racers = [workplace.start("apply", config, "--non-interactive") for _ in range(4)]
    output = [racer.communicate(timeout=120)[0] for racer in racers]
    codes = sorted(racer.returncode for racer in racers)
    assert codes[0] == 0 and set(codes) <= {0, 6}, output
    assert workplace.geopipe("plan", config, "--detailed-exitcode").returncode == 0
    assert _locks(emulator) == []


def test_a_holder_gives_signs_of_life_until_the_lock_is_taken_from_it(
    emulator: Standing, workplace: Workplace, config: Path
) -> None:
    assert workplace.geopipe("apply", config, "--non-interactive").returncode == 0
    notes: list[str] = []
    aws, other = connect_to(config), connect_to(config)
    holder = lock_of(aws, lease=5.0, emit=notes.append)
    holder.begin()
    holder.require()
    s3 = emulator.client("s3")
    first = s3.head_object(Bucket=BUCKET, Key=KEY)["ETag"]
    eventually(lambda: s3.head_object(Bucket=BUCKET, Key=KEY)["ETag"] != first, 60)
    second = lock_of(other)
    second.begin()
    with pytest.raises(LockedError, match="Another command is working"):
        second.require()
    second.release()
    assert _locks(emulator) == [KEY]
    forced = lock_of(other, force=True)
    forced.begin()
    forced.require()
    eventually(lambda: notes, 60)
    assert "no longer holds the lock" in notes[0]
    with pytest.raises(LockedError, match="no longer holds"):
        aws.client("s3").put_object(Bucket=BUCKET, Key="output/late", Body=b"")
    holder.release()
    assert _locks(emulator) == [KEY]
    forced.release()
    assert _locks(emulator) == []


def test_only_a_process_of_this_machine_is_known_to_have_ended() -> None:
    here = this_process()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not here.has_ended()
    assert LockOwner(host=here.host, machine=here.machine, process=child.pid).has_ended()
    assert not LockOwner(host=here.host, machine="another", process=child.pid).has_ended()
    assert not LockOwner(host="far", machine=here.machine, process=child.pid).has_ended()
    for number, has_ended in {-1: False, 10**30: True}.items():  # as another program may have written it
        owner = read_owner({"host": here.host, "machine": here.machine, "process": number, "user": "eve\n\u001b[31m x"})
        assert owner.has_ended() is has_ended and str(owner).splitlines() == [str(owner)]
    # The same number, given to another process.
    assert LockOwner(host=here.host, machine=here.machine, process=here.process, process_started="1").has_ended()
