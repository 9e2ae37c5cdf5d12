"""Nothing of a protected deployment is deleted before its name was given, whichever way it would be deleted."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import geopipe_runner as geopipe
from geopipe_runner.errors import RefusedError
from tests.support.e2e import Standing, StartStanding, Workplace

NAME = "local"


def _refuses(workplace: Workplace, standing: Standing, *arguments: object, because: str) -> None:
    """The command ends with exit code 5, and has called nothing."""
    before = standing.calls()
    done = workplace.geopipe(*arguments)
    assert done.returncode == 5, done.stdout + done.stderr
    assert because in done.stderr
    assert standing.calls() == before


def test_a_protected_deployment_needs_its_name(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url, protect=True, cleanup="none")
    assert workplace.geopipe("apply", config, "--non-interactive").returncode == 0
    everything = standing.inventory()
    quiet = (config, "--non-interactive")

    needs_name = f"pass --confirm {NAME}"
    _refuses(workplace, standing, "cleanup", *quiet, "--cleanup=all", because=needs_name)
    _refuses(workplace, standing, "cleanup", config, "--output", "json", "--cleanup=queue", because=needs_name)
    _refuses(workplace, standing, "run", *quiet, "--cleanup=all", because=needs_name)
    _refuses(workplace, standing, "resume", *quiet, "--cleanup=all", because=needs_name)
    _refuses(workplace, standing, "apply", *quiet, "--prune", because=f"{needs_name}; to keep it, leave out --prune")
    for command in ("cleanup", "run"):
        wrong = (command, *quiet, "--cleanup=all", "--confirm", "prod")
        _refuses(workplace, standing, *wrong, because="--confirm names prod")
    deployment = geopipe.load(config)
    with pytest.raises(RefusedError, match="protected"):
        deployment.cleanup()
    with pytest.raises(RefusedError, match="names prod"):
        deployment.cleanup(confirm="prod")

    typed = workplace.geopipe("cleanup", config, "--cleanup=all", answers="prod\n")
    assert typed.returncode == 5, typed.stdout + typed.stderr
    assert "Type its name to delete" in typed.stdout and "Nothing was deleted" in typed.stderr
    assert standing.inventory() == everything

    shown = workplace.geopipe("cleanup", *quiet, "--cleanup=all", "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert workplace.geopipe("plan", *quiet).returncode == 0
    pruned = workplace.geopipe("apply", *_renamed(workplace, standing), "--prune", "--confirm", NAME)
    assert pruned.returncode == 0, pruned.stderr
    assert "Deleted queue" in pruned.stdout
    typed = workplace.geopipe("cleanup", config, "--cleanup=all", answers=f"{NAME}\n")
    assert typed.returncode == 0, typed.stdout + typed.stderr
    assert standing.inventory() == {}
    deployment.apply()
    deployment.cleanup(confirm=NAME)
    assert standing.inventory() == {}


def _renamed(workplace: Workplace, standing: Standing) -> tuple[Path, str]:
    """The same deployment with another name of its queue, which leaves the first queue behind."""
    path = workplace.config(endpoint=standing.url, protect=True, cleanup="none", queue={"name": "another-queue"})
    return path, "--non-interactive"


def test_a_signal_deletes_nothing_that_is_protected(workplace: Workplace, start_standing: StartStanding) -> None:
    """`all` cleans up after SIGTERM, when no one can type the name any more."""
    standing = start_standing("--job-seconds", "600")
    job = {"provider": "sagemaker_geospatial"}
    config = workplace.config(endpoint=standing.url, protect=True, cleanup="all", job=job)
    running = workplace.start("run", config)
    assert running.stdout is not None
    lines = []
    for line in running.stdout:
        lines.append(line)
        if "Waiting for pipeline execution" in line:
            running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 130, "".join(lines)
    assert "is protected" in "".join(lines)
    assert "pipelines" in standing.inventory()
