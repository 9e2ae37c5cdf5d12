"""Against an emulator nothing of the user's AWS set-up is read: every kind is observed in a process full of traps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kinds_world import ROOT, Hands, write_config

NOWHERE = "http://127.0.0.1:9"
TRAPS = {
    "profile": {"AWS_PROFILE": "nonsense", "AWS_DEFAULT_PROFILE": "nonsense"},
    "proxy": dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), NOWHERE),
    "endpoints": dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS"), NOWHERE),
    "credentials": {"AWS_ACCESS_KEY_ID": "real", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"},
    "region": {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
    "certificates": {"AWS_CA_BUNDLE": "/nowhere.pem", "REQUESTS_CA_BUNDLE": "/nowhere.pem"},
}


@pytest.mark.parametrize("traps", [{name: value for trap in TRAPS.values() for name, value in trap.items()}])
def test_a_plan_in_a_process_full_of_traps(hands: Hands, tmp_path: Path, traps: dict[str, str]) -> None:
    config = write_config(tmp_path, "trapped", hands.url)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        (tmp_path / name).write_text("[default\nnonsense")
        traps = {**traps, name: str(tmp_path / name)}
    command = [sys.executable, str(ROOT / "run.py"), "plan", str(config.path), "--non-interactive"]
    done = subprocess.run(command, env={**os.environ, **traps}, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.returncode == 0
    assert "Plan: 13 to create, 0 to update, 0 to delete, 0 unchanged." in done.stdout
    assert f"endpoint {hands.url}" in done.stdout
