"""How long it takes to look at a result of millions of rows, and to save it, and how much memory the command needs.

    python -m tests.bench.preview [--rows 2000000] [--runs 3]

A standing emulator holds one run whose result file has been replaced by a large one. Each figure is a whole command,
from the start of the process to its end, with the peak of its resident memory. `wait4` counts that process alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import yaml

from tests.support.paths import ROOT

BUCKET = "geopipe-local-123456789012"
HEADER = (
    "Longitude,Latitude,reverse_geo.address_number,reverse_geo.country,reverse_geo.label,reverse_geo.municipality,"
    "reverse_geo.neighborhood,reverse_geo.postal_code,reverse_geo.region,reverse_geo.status\n"
)


def main() -> None:
    """Make the result, then look at it and save it, several times in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, standing_emulator() as url:
        folder = Path(scratch)
        config = write_config(folder, url)
        command([config, "--non-interactive", "--cleanup=none"])
        size = replace_result(url, folder / "large.csv", wanted.rows)
        print(f"{wanted.rows:,} rows, {size / 1e6:.0f} MB")
        commands = {"preview": ["results", config], "save": ["results", config, "--output-dir", folder / "out"]}
        for name, arguments in commands.items():
            figures = [command(arguments) for _ in range(wanted.runs)]
            seconds = statistics.median(figure[0] for figure in figures)
            busy = statistics.median(figure[1] for figure in figures)
            peak = max(figure[2] for figure in figures)
            print(f"{name:8} {seconds:6.2f} s (median of {wanted.runs}; {busy:.2f} s of CPU), peak {peak:.0f} MB")
        for path in sorted((folder / "out").iterdir()):
            print(f"         {path.name} {path.stat().st_size / 1e6:.1f} MB")


@contextmanager
def standing_emulator() -> Iterator[str]:
    """The URL of an emulator that lives within the block."""
    command = [sys.executable, "-m", "geopipe_emulator", "--exit-with-stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as emulator:
        assert emulator.stdin and emulator.stdout
        yield emulator.stdout.readline().strip()
        emulator.stdin.close()


def write_config(folder: Path, url: str) -> Path:
    """The shipped configuration, for that emulator."""
    settings = yaml.safe_load((ROOT / "config/local.yaml").read_text(encoding="utf-8"))
    settings["endpoint"] = url
    settings["function"]["source"] = str(ROOT / "lambda")
    settings["pipeline"]["template"] = str(ROOT / "pipeline_templates/reverse_geocoding.json.j2")
    settings["input"]["source"] = str(ROOT / "resources/latlongtest.csv")
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def replace_result(url: str, path: Path, rows: int) -> int:
    """Put a file of so many rows in the place of the run's result; answers its bytes."""
    s3: Any = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=botocore.config.Config(proxies={}, s3={"addressing_style": "path"}),
    )
    (found,) = s3.list_objects_v2(Bucket=BUCKET, Prefix="output/")["Contents"]
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for row in range(rows):
            place = f'"Place {row}, Région, Country",Place {row},,,Région'
            file.write(f"{row % 360 - 180}.25,{row % 180 - 90}.5,,USA,{place},Valid Data\n")
    s3.upload_file(str(path), BUCKET, found["Key"])
    return path.stat().st_size


def command(arguments: list[Any]) -> tuple[float, float, float]:
    """Run one command to its end; answers its seconds, those of CPU among them, and the peak of its memory in MB."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, str(ROOT / "run.py"), *map(str, arguments)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    peak = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, peak


if __name__ == "__main__":
    main()
