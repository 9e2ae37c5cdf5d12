"""Against an emulator nothing of the user's AWS set-up is read: every kind is observed in a process full of traps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.kinds import Hands, write_config
from tests.support.paths import ROOT

NOWHERE = "http://127.0.0.1:9"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy")
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS")
TRAPS = {
    "AWS_PROFILE": "nonsense",
    "AWS_DEFAULT_PROFILE": "nonsense",
    **dict.fromkeys((*_PROXIES, *_ENDPOINTS), NOWHERE),
    "AWS_ACCESS_KEY_ID": "real",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_CA_BUNDLE": "/nowhere.pem",
    "REQUESTS_CA_BUNDLE": "/nowhere.pem",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
}


def test_a_plan_in_a_process_full_of_traps(hands: Hands, tmp_path: Path) -> None:
    config = write_config(tmp_path, "trapped", hands.url)
    traps = dict(TRAPS)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        (tmp_path / name).write_text("[default\nnonsense")
        traps[name] = str(tmp_path / name)
    command = [sys.executable, str(ROOT / "run.py"), "plan", str(config.path), "--non-interactive"]
    done = subprocess.run(command, env={**os.environ, **traps}, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.returncode == 0
    assert "Plan: 13 to create, 0 to update, 0 to delete, 0 unchanged." in done.stdout
    assert f"endpoint {hands.url}" in done.stdout
