"""What a terminal shows of the input while its job runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from geopipe_runner.stages.job_status import COUNTED, describe


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("lon,lat\n1,2\n3,4\n", "2 rows"),
        ("lon,lat\n1,2", "1 row"),
        ("lon,lat\n", "0 rows"),
        ("", "0 rows"),
        ('note,lon\n"two\nlines",2\n\n', "1 row"),
        ("a\n" + "b\n" * 1500, "1,500 rows"),
        ("x" * (COUNTED + 1), "8 MB"),
    ],
    ids=lambda value: str(len(value)),
)
def test_rows_are_counted_as_csv_has_them(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "input.csv"
    file.write_text(content)
    assert describe(file) == message


def test_a_file_that_no_longer_exists_is_no_failure(tmp_path: Path) -> None:
    assert describe(tmp_path / "gone.csv") == ""
