"""Messages of parts that come twice, and a part that fails: no row changes, and `retry` does only what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.e2e import ACCOUNT, Standing, StartStanding, Workplace

ROWS = 90_000
POISONED = 45_000
BUCKET = f"geopipe-local-{ACCOUNT}"
# A function sees no file of the test, so both use the bucket: what was done, and whether the cause is gone.
CODE = f"""
import boto3

S3 = boto3.client("s3")


def transform(rows):
    numbers = [int(row["number"]) for row in rows]
    if {POISONED} in numbers and not S3.list_objects_v2(Bucket={BUCKET!r}, Prefix="cured")["KeyCount"]:
        raise ArithmeticError("poisoned")
    S3.put_object(Bucket={BUCKET!r}, Key=f"worked/{{numbers[0]}}", Body=b"")
    return [{{"square": number * number}} for number in numbers]
"""


@pytest.fixture
def standing(start_standing: StartStanding) -> Standing:
    return start_standing("--duplicate-deliveries", "1")


@pytest.fixture
def config(workplace: Workplace, standing: Standing) -> Path:
    """Three parts, and workers that get every message twice."""
    (workplace.folder / "squares.py").write_text(CODE)
    numbers = workplace.folder / "numbers.csv"
    numbers.write_text("number,text\n" + "".join(f'{n},"a row, the text of which is long"\n' for n in range(ROWS)))
    return workplace.config(
        endpoint=standing.url,
        function={"source": str(workplace.folder / "squares.py")},
        job={
            "kind": "map_rows",
            "transform": "squares",
            "columns": ["square"],
            "part_size_mb": 1,
            "workers": 2,
            "worker_timeout": 30,
        },
        input={"source": str(numbers)},
    )


def test_a_poisoned_part_fails_the_run_and_a_retry_does_only_what_is_missing(
    workplace: Workplace, standing: Standing, config: Path
) -> None:
    s3, folder = standing.client("s3"), workplace.folder / "out"

    def worked() -> set[str]:
        """Returns the first row of each slice that `transform` finished since the last call."""
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix="worked/").get("Contents", [])]
        for key in keys:
            s3.delete_object(Bucket=BUCKET, Key=key)
        return set(keys)

    failed = workplace.geopipe(config, "--non-interactive", "--cleanup=none")
    assert failed.returncode == 3, failed.stdout + failed.stderr
    assert "ArithmeticError: poisoned" in failed.stderr and "rows " in failed.stderr, failed.stderr
    done = worked()
    s3.put_object(Bucket=BUCKET, Key="cured", Body=b"")
    retried = workplace.geopipe("retry", config, "--non-interactive", "--cleanup=none", "--output-dir", folder)
    assert retried.returncode == 0, retried.stdout + retried.stderr
    # Some rows at a time are passed to `transform`: none of them twice, though the part that failed had done some.
    again = worked()
    assert again and len(done) > len(again) and not done & again
    lines = (folder / "results.csv").read_text().splitlines()
    assert lines[0] == "number,text,square" and len(lines) == ROWS + 1
    assert all(
        line == f'{number},"a row, the text of which is long",{number * number}'
        for number, line in enumerate(lines[1:])
    )
