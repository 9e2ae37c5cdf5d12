"""The script of the step `prepare`: keeps the usable trips, splits them, and says how good they are.

It reads and writes below /opt/ml/processing, as in any processing job. SAGEMAKER_BASE_DIR names another folder in its
place where a system does not let the emulator show that one.
"""

import argparse
import csv
import json
import os
import statistics
from pathlib import Path

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "processing"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--test-share", type=float, default=0.2)
    test_share = parser.parse_args().test_share
    rows = [row for path in sorted((BASE / "input/trips").glob("*.csv")) for row in read(path)]
    usable = [row for row in rows if is_usable(row)]
    every = round(1 / test_share)
    test, train = usable[::every], [row for number, row in enumerate(usable) if number % every]
    write(BASE / "train/train.csv", train)
    write(BASE / "test/test.csv", test)
    slope, intercept = statistics.linear_regression(values(train, "km"), values(train, "minutes"))
    errors = [abs(slope * float(row["km"]) + intercept - float(row["minutes"])) for row in test]
    quality = {
        "rows": {"all": len(rows), "usable": len(usable), "usable_share": len(usable) / len(rows)},
        "baseline": {"minutes_per_km": slope, "error": statistics.fmean(errors)},
    }
    (BASE / "quality").mkdir(exist_ok=True)
    (BASE / "quality/quality.json").write_text(json.dumps(quality, indent=2))
    print(f"{len(usable)} of {len(rows)} trips are usable: {len(train)} for training, {len(test)} for the test")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def is_usable(row: dict[str, str]) -> bool:
    try:
        return 0 < float(row["km"]) < 500 and 0 < float(row["minutes"]) < 1000
    except ValueError:
        return False


def values(rows: list[dict[str, str]], column: str) -> list[float]:
    return [float(row[column]) for row in rows]


def write(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
