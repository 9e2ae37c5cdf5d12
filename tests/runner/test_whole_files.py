"""Files that appear whole, never through a link, and the lock of an output folder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from geopipe_runner import events
from geopipe_runner.errors import AwsError
from geopipe_runner.report.composite import CompositeReport, PlanFile
from geopipe_runner.report.run_files import RunFiles
from geopipe_runner.report.run_record import RunRecord
from geopipe_runner.whole_files import FolderLock, PartFile, write_named, write_whole
from tests.support.event_examples import PLAN
from tests.support.reports import Recorder
from tests.support.result_files import HEADER, read
from tests.support.runner_fakes import deployment, shipped

HOLD = """
import sys
from pathlib import Path
from geopipe_runner.whole_files import FolderLock, PartFile
FolderLock(Path(sys.argv[1])).acquire()
part = PartFile(Path(sys.argv[1]) / "results.csv", 1)
part.write(b"half a file")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    part = PartFile(path)
    part.write(b"after")
    assert path.read_text() == "before"
    part.commit()
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    parts = [PartFile(tmp_path / "file") for _ in range(2)]
    assert len({part.temporary for part in parts}) == 2
    for number, part in enumerate(parts):
        part.write(str(number).encode() * 100_000)
    for part in reversed(parts):
        part.commit()
    assert (tmp_path / "file").read_text() == "0" * 100_000
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_link_is_replaced_and_its_target_is_not_written(tmp_path: Path) -> None:
    target, folder = tmp_path / "target", tmp_path / "out"
    folder.mkdir()
    target.write_text("precious")
    for name in ("results.csv", "results.geojson", "results.parquet", "run.json", "report.md", "report.html"):
        (folder / name).symlink_to(target)
    read(HEADER + "1,2,USA,Valid Data\n", save_to=folder)
    files = RunFiles(folder, RunRecord(Path("x.yaml")), str)
    files.handle(events.Finished(0))
    assert target.read_text() == "precious"
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_a_part_file_never_follows_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", bytes)  # zeros
    (tmp_path / f".file.{'0' * 16}.part").symlink_to(tmp_path / "target")
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "file", "text")
    assert not (tmp_path / "target").exists()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_whole(tmp_path / "folder", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


# A path that the user chose


def plan_into(path: Path) -> None:
    PlanFile(path).handle(events.Planned(shipped(), deployment().account, PLAN))


def test_a_plan_replaces_the_target_of_the_users_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "plan.json")
    plan_into(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "plan.json").read_text().startswith("{")


def test_a_plan_can_go_to_a_pipe_that_is_read() -> None:
    """As a shell's `--plan-out >(program)` does it."""
    reading, writing = os.pipe()
    text = "x" * 200_000  # more than a pipe holds
    texts: list[str] = []

    def read_pipe() -> None:
        with os.fdopen(reading, encoding="utf-8") as stream:
            texts.append(stream.read())

    reader = threading.Thread(target=read_pipe)
    reader.start()
    write_named(Path(f"/dev/fd/{writing}"), text)
    os.close(writing)
    reader.join(60)
    assert texts == [text]


def test_a_plan_is_not_written_to_a_pipe_that_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AwsError, match=r"Cannot write .*pipe") as caught:
        plan_into(tmp_path / "pipe")
    assert caught.value.hint == "Name another file."


def test_a_plan_can_go_to_a_device() -> None:
    plan_into(Path("/dev/null"))


# The lock


def test_a_lock_counts_within_a_process(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path / "new"), FolderLock(tmp_path / "new" / ".." / "new")
    first.acquire()
    second.acquire()
    first.release()
    second.release()
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.process
def test_a_locked_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        (part,) = tmp_path.iterdir()
        with pytest.raises(AwsError, match=f"Another geopipe command is writing into {tmp_path}"):
            read(HEADER, save_to=tmp_path)
        recorder = Recorder()
        report = CompositeReport(recorder, RunFiles(tmp_path, RunRecord(Path("x.yaml")), pytest.fail))
        with pytest.raises(AwsError, match="Another geopipe command") as caught:
            report.emit(events.Welcome())
        report.emit(events.Failed(caught.value))
        with pytest.raises(AwsError):
            report.emit(events.Finished(1))
        assert [type(event) for event in recorder.events] == [events.Welcome, events.Failed, events.Finished]
        assert list(tmp_path.iterdir()) == [part]
        holder.kill()
    # The system has released the lock. What the killed command left is deleted, other files are not.
    (tmp_path / ".hidden.part").write_text("mine")
    read(HEADER, save_to=tmp_path)
    assert not part.exists() and (tmp_path / ".hidden.part").exists() and (tmp_path / "results.csv").exists()


def test_a_failure_before_the_lock_stays_the_first_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    files = RunFiles(tmp_path / "file", RunRecord(Path("x.yaml")), pytest.fail)
    files.handle(events.Failed(AwsError("first")))
    with pytest.raises(AwsError, match="Cannot write into"):
        files.handle(events.Finished(1))
