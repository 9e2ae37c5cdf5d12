"""How long a large reverse geocoding job takes, export included, and how much memory the emulator needs for it.

    python -m tests.bench.geocode_million [--rows 1000000] [--runs 3]

Each run is a fresh process with the emulator inside; its peak resident memory counts everything: the input and the
output held by the emulated S3 too. Prints a line for each run and the medians.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.large_inputs import write_points_of_the_globe
from tests.support.paths import ROOT

BUCKET = "geocode-million"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "sagemaker-geospatial.amazonaws.com"},
        }
    ],
}


def measure(path: Path) -> dict[str, float]:
    """Job and export of the file at `path`, in this process."""
    from geopipe_emulator.emulator import EmulatorServer
    from geopipe_emulator.services.sagemaker_geospatial import GeospatialService

    server = EmulatorServer(services=[GeospatialService])
    server.start()
    try:
        environment = server.environment
        s3, geospatial = environment.client("s3"), environment.client("sagemaker-geospatial")
        role = environment.client("iam").create_role(RoleName="bench", AssumeRolePolicyDocument=json.dumps(TRUST))
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        s3.upload_file(str(path), BUCKET, "input.csv")
        started = time.perf_counter()
        arn = run_job(geospatial, role["Role"]["Arn"])
        worked = time.perf_counter()
        run_export(geospatial, role["Role"]["Arn"], arn)
        ended = time.perf_counter()
    finally:
        server.stop()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)
    return {"seconds": ended - started, "job": worked - started, "export": ended - worked, "peak_mb": peak}


def run_job(geospatial: Any, role_arn: str) -> str:
    columns = {"XAttributeName": "Longitude", "YAttributeName": "Latitude"}
    arn: str = geospatial.start_vector_enrichment_job(
        Name="bench",
        ExecutionRoleArn=role_arn,
        InputConfig={
            "DocumentType": "CSV",
            "DataSourceConfig": {"S3Data": {"S3Uri": f"s3://{BUCKET}/input.csv"}},
        },
        JobConfig={"ReverseGeocodingConfig": columns},
    )["Arn"]
    wait(geospatial, arn, "Status", "COMPLETED")
    return arn


def run_export(geospatial: Any, role_arn: str, arn: str) -> None:
    output = {"S3Data": {"S3Uri": f"s3://{BUCKET}/output/"}}
    geospatial.export_vector_enrichment_job(Arn=arn, ExecutionRoleArn=role_arn, OutputConfig=output)
    wait(geospatial, arn, "ExportStatus", "SUCCEEDED")


def wait(geospatial: Any, arn: str, member: str, wanted: str) -> None:
    while True:
        job = geospatial.get_vector_enrichment_job(Arn=arn)
        if job[member] == wanted:
            return
        if job[member] not in ("INITIALIZING", "IN_PROGRESS"):
            raise SystemExit(f"{member} is {job[member]}: {job}")
        time.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.input:
        print(json.dumps(measure(options.input)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "input.csv")
        write_points_of_the_globe(path, options.rows)
        runs = [one_run(path, options.rows) for _ in range(options.runs)]
    seconds, peak = (statistics.median(run[key] for run in runs) for key in ("seconds", "peak_mb"))
    print(f"median: {seconds:.1f} s, {options.rows / seconds:,.0f} rows/s, peak {peak:.0f} MB")
    return 0


def one_run(path: Path, rows: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.geocode_million", "--input", str(path)]
    answer = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, text=True
    )
    run: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    print(
        f"{rows} rows: {run['seconds']:.1f} s (job {run['job']:.1f}, export {run['export']:.1f}), "
        f"{rows / run['seconds']:,.0f} rows/s, peak {run['peak_mb']:.0f} MB",
        flush=True,
    )
    return run


if __name__ == "__main__":
    sys.exit(main())
