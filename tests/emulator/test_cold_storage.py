"""What moves to disk comes back unchanged, leaves the disk with its owner, and stays in memory if the disk is full."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from geopipe_emulator.cold_storage import ColdBytes, ColdMapping, ColdStorage, ColdValue
from geopipe_emulator.services.s3.cold_objects import ColdContent
from geopipe_emulator.state.records import RecordTables

VALUE: dict[str, Any] = {"text": "ä\ud800", "bytes": b"\0\xff", "nested": [1, None, {"a": (1, 2)}]}


def rows_of(storage: ColdStorage) -> int:
    ((count,),) = storage._opened().execute("SELECT count(*) FROM kept")
    return int(count)


def test_values_come_back_as_copies() -> None:
    cold = ColdValue(VALUE)
    assert cold.read() == VALUE
    cold.read()["nested"].append("changed")
    assert cold.read() == VALUE


def test_bytes_in_a_value_stay_on_disk_until_they_are_read() -> None:
    storage = ColdStorage()
    part = ColdBytes(b"part" * 10_000, storage)
    cold = ColdValue({"part": part, "again": [part], "text": "t"})
    del part
    first, second = cold.read(), cold.read()
    assert first["part"] is first["again"][0] is second["part"]
    assert first["part"].read() == b"part" * 10_000 and first["text"] == "t"
    assert len(cold._data.read()) < 500
    del cold, first
    ColdBytes(b"next", storage).read()
    assert second["part"].read() == b"part" * 10_000


def test_a_mapping_reads_like_a_dict() -> None:
    cold = ColdMapping(VALUE)
    assert cold == VALUE
    assert (dict(cold.items()), list(cold), len(cold), cold["bytes"], "other" in cold) == (
        *(VALUE, list(VALUE), 3, b"\0\xff"),
        False,
    )
    assert ColdMapping(cold) == VALUE


def test_what_nothing_refers_to_is_removed() -> None:
    storage = ColdStorage()
    kept = [ColdBytes(bytes([number]) * 1000, storage) for number in range(100)]
    assert rows_of(storage) == 100
    del kept[10:]
    last = ColdBytes(b"last", storage)
    assert rows_of(storage) == 11
    assert [cold.read() for cold in kept] == [bytes([number]) * 1000 for number in range(10)]
    assert last.read() == b"last"


def test_on_a_full_disk_new_values_stay_in_memory_and_old_ones_are_unharmed() -> None:
    storage = ColdStorage()
    before = [ColdBytes(bytes([number]) * 3000, storage) for number in range(20)]
    storage._opened().execute("PRAGMA max_page_count = 25")
    after = [ColdBytes(bytes([number]) * 50_000, storage) for number in range(5)]
    assert rows_of(storage) == 20
    assert [cold.read() for cold in before] == [bytes([number]) * 3000 for number in range(20)]
    assert [cold.read() for cold in after] == [bytes([number]) * 50_000 for number in range(5)]
    del before[5:]
    assert ColdBytes(b"fits again", storage).read() == b"fits again"
    assert rows_of(storage) == 6


# No file of this process can be longer than 300 kB. The system then refuses a write, as it does on a full disk.
WITH_A_SMALL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
from geopipe_emulator.cold_storage import ColdBytes, ColdStorage
storage = ColdStorage()
kept = [ColdBytes(bytes([number % 256]) * 1000, storage) for number in range(5000)]
wrong = sum(cold.read() != bytes([number % 256]) * 1000 for number, cold in enumerate(kept))
on_disk = sum(isinstance(cold._kept, int) for cold in kept)
print(wrong, 100 < on_disk < 300)
"""


def test_reads_do_not_depend_on_a_disk_that_became_full_later() -> None:
    process = subprocess.run([sys.executable, "-c", WITH_A_SMALL_DISK], capture_output=True, text=True)
    assert (process.stdout, process.stderr) == ("0 True\n", "")


def test_the_file_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    storage = ColdStorage()
    assert ColdBytes(b"data", storage).read() == b"data"
    assert isinstance(storage.add(b"more"), int)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("chosen", ["", "chosen"])
def test_the_file_is_in_the_chosen_folder_or_in_one_that_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    places: list[Any] = []

    def refuse(prefix: str, dir: Path) -> tuple[int, str]:
        places.append(dir)
        raise OSError(28, "No space left on device")

    folder = tmp_path / chosen if chosen else None
    if folder is not None:
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder or "/tmp"))
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert ColdStorage().add(b"data") == b"data"
    assert places == [folder or Path("/var/tmp")]


def test_without_a_folder_for_the_file_everything_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert ColdStorage().add(b"data") == b"data"


def test_without_a_place_for_the_file_everything_stays_in_memory() -> None:
    class Nowhere(ColdStorage):
        def _opened(self) -> sqlite3.Connection:
            raise sqlite3.OperationalError("unable to open database file")

    assert ColdBytes(b"data", Nowhere()).read() == b"data"


def test_threads_share_the_file() -> None:
    storage, wrong = ColdStorage(), []

    def work(number: int) -> None:
        for turn in range(200):
            data = f"{number} {turn}".encode() * 50
            if ColdBytes(data, storage).read() != data:
                wrong.append((number, turn))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_table_moves_values_to_disk_as_they_change() -> None:
    table = RecordTables().open("thing", is_cold=lambda value: value["status"] == "ended")
    table["a"], table["b"] = {"status": "running"}, {"status": "ended", "text": "b"}
    assert table["a"] is table["a"]
    assert table["b"] == {"status": "ended", "text": "b"} and table["b"] is not table["b"]
    assert (table.get("b"), table.get("c"), table.get("c", 1)) == ({"status": "ended", "text": "b"}, None, 1)
    table["a"] = {"status": "ended", "text": "a"}
    assert table.values() == [{"status": "ended", "text": "a"}, {"status": "ended", "text": "b"}]
    assert table.items()[1] == ("b", {"status": "ended", "text": "b"})
    assert table.pop("b")["text"] == "b" and "b" not in table and table.pop("b", None) is None


def test_content_can_be_read_in_parts_and_replaced() -> None:
    content = ColdContent(b"0123456789")
    assert (content.read(4), content.read(4), content.read(4), content.read(4)) == (b"0123", b"4567", b"89", b"")
    content.seek(2)
    assert content.read() == b"23456789"
    content.seek(0)
    content.truncate()
    content.write(b"new")
    content.write(b" content")
    content.seek(4)
    assert content.read() == b"content"
