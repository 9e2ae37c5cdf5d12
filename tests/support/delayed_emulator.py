"""An emulator at a distance: each of its answers takes some milliseconds longer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.support.paths import ROOT


@contextmanager
def emulator_at(milliseconds: float) -> Iterator[str]:
    """The URL of an emulator, empty, that far away."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.latency", "--milliseconds", str(milliseconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment_without_aws(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(30)


def environment_without_aws() -> dict[str, str]:
    """Nothing of the user's AWS set-up."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_") and not k.lower().endswith("_proxy")}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": str(ROOT)}


def write_config(folder: Path, url: str) -> Path:
    """config/local.yaml for the emulator at `url`."""
    settings = yaml.safe_load((ROOT / "config/local.yaml").read_text())
    settings["endpoint"] = url
    settings["function"]["source"] = str(ROOT / "lambda")
    settings["pipeline"]["template"] = str(ROOT / "pipeline_templates/reverse_geocoding.json.j2")
    settings["input"]["source"] = str(ROOT / "resources/latlongtest.csv")
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path
