"""The plan counts the rows of an input as the workers do."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cutting import header_end
from geopipe_runner.inputs.amount import measure
from part_rows import PartReader

PIECES = ["a", "1,2", "1,2\n", "\n", "\n", "\r\n", '"x\n\ny"', '"say ""no"""', ",", " "]


def rows_of_the_job(content: bytes) -> int:
    reader = PartReader(content[header_end(content, b"\n") :], ["a", "b"], None)
    return sum(len(rows.texts) for rows in reader.slices(3))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("quoted", [True, False])
def test_the_plan_and_the_workers_count_the_same_rows(tmp_path: Path, mark: str, quoted: bool) -> None:
    choice, path = random.Random(11), tmp_path / "rows.csv"
    pieces = PIECES if quoted else [piece for piece in PIECES if '"' not in piece]
    different = []
    for _ in range(250):
        text = f"{mark}{''.join(choice.choices(pieces, k=choice.randrange(1, 25)))}\nend,1\n"
        path.write_text(text, encoding="utf-8", newline="")
        if measure(path).rows != rows_of_the_job(text.encode()):
            different.append(text)
    assert different == []
