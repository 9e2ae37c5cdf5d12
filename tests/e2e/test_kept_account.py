"""`emulator.state_dir`: each command starts an emulator of its own, and all of them find one account."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.e2e import Workplace

pytestmark = pytest.mark.slow


def test_a_second_run_finds_what_the_first_has_left(workplace: Workplace) -> None:
    config = workplace.config(endpoint=None, emulator={"state_dir": "kept"}, cleanup="none")
    first = workplace.geopipe(config, "--non-interactive")
    assert first.returncode == 0, first.stderr
    assert "Plan: 13 to create" in first.stdout
    assert (workplace.folder / "kept" / "state.sqlite").exists()
    again = workplace.geopipe(config, "--dry-run", "--non-interactive")
    assert again.returncode == 0, again.stderr
    assert "Plan: 0 to create, 0 to update, 0 to delete, 13 unchanged." in again.stdout
    second = workplace.geopipe(config, "--non-interactive")
    assert second.returncode == 0, second.stderr
    assert "13 unchanged" in second.stdout
    status = workplace.geopipe("status", config)
    assert status.returncode == 0 and "Succeeded" in status.stdout, status.stderr
    removed = workplace.geopipe("cleanup", config, "--non-interactive", "--cleanup=all")
    assert removed.returncode == 0, removed.stderr
    assert "Plan: 13 to create" in workplace.geopipe(config, "--dry-run", "--non-interactive").stdout


def test_a_folder_in_use_is_refused(workplace: Workplace) -> None:
    from geopipe_emulator.state.folder import StateFolder

    config = workplace.config(endpoint=None, emulator={"state_dir": "kept"})
    folder = StateFolder(Path(workplace.folder / "kept"), "123456789012")
    refused = workplace.geopipe(config, "--dry-run", "--non-interactive")
    folder.close()
    assert refused.returncode != 0 and "is in use by another emulator" in refused.stderr
    assert "emulator.state_dir names its state folder" in refused.stderr and "Traceback" not in refused.stderr
