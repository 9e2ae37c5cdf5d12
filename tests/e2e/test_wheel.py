"""The wheel works anywhere: in a fresh environment and an empty folder, without this checkout."""

from __future__ import annotations

import os
import subprocess
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.paths import ROOT
from tests.support.wheel import build_wheel, install

# Eight lines or less, all of it needed.
MINIMAL = """\
deployment: ci
target: local
region: us-west-2
account_id: "123456789012"
bucket: {name: ci-bucket-123456789012}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment with the extra `emulator`."""
    return install(wheel, ["emulator"], tmp_path_factory.mktemp("with_emulator"))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "empty" / "minimal.yaml"
    path.parent.mkdir()
    path.write_text(MINIMAL)
    return path


def run_installed(
    commands: Path, config: Path, *arguments: str, with_config: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs the installed `geopipe` in the folder of `config`, with nothing that leads to this checkout."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_"))}
    return subprocess.run(
        [commands / "geopipe", *arguments, *([config.name] if with_config else [])],
        cwd=config.parent,
        env=surroundings | {"PATH": f"{commands}{os.pathsep}{os.defpath}"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_minimal_config_runs_in_an_empty_folder(commands: Path, config: Path) -> None:
    done = run_installed(commands, config, "run", "--non-interactive", "--cleanup=all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Execution finished with status Succeeded." in done.stdout
    assert "200 rows, 200 of them Valid Data." in done.stdout
    assert str(ROOT) not in done.stdout + done.stderr
    assert [path.name for path in config.parent.iterdir()] == [config.name]


def test_a_new_pipeline_runs_in_an_empty_folder(commands: Path, tmp_path: Path) -> None:
    assert run_installed(commands, tmp_path / "config.yaml", "init", with_config=False).returncode == 0
    done = run_installed(commands, tmp_path / "config.yaml", "run", "--non-interactive")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ada,42.75" in done.stdout


def test_the_base_install_validates_and_names_the_missing_extra(wheel: Path, config: Path, tmp_path: Path) -> None:
    commands = install(wheel, [], tmp_path / "venv")
    assert run_installed(commands, config, "validate").returncode == 0
    done = run_installed(commands, config, "run", "--non-interactive")
    assert done.returncode == 1
    assert "pip install 'geopipe-runner[emulator]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_emulator_has_a_command_of_its_own(commands: Path, tmp_path: Path) -> None:
    emulator = subprocess.run(
        [commands / "geopipe-emulator", "--exit-with-stdin"],
        input="",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert emulator.returncode == 0, emulator.stderr
    assert emulator.stdout.startswith("http://127.0.0.1:")


def test_the_wheel_carries_what_the_defaults_name_and_no_caches(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry_points = archive.read(next(name for name in names if name.endswith("/entry_points.txt"))).decode()
        metadata = Parser().parsestr(archive.read(next(name for name in names if name.endswith("/METADATA"))).decode())
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "lambda").glob("*.py")}
    ours |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "pipeline_templates").glob("*.j2")}
    listed = subprocess.run(["git", "ls-files", "docs/examples/starter"], cwd=ROOT, capture_output=True, text=True)
    ours |= set(listed.stdout.splitlines())
    expected = {f"geopipe_runner/files/{name}" for name in ours | {"resources/latlongtest.csv"}}
    assert {name for name in names if name.startswith("geopipe_runner/files/")} == expected
    assert {"geopipe_runner/config/schema.json", "geopipe_runner/py.typed", "geopipe_emulator/py.typed"} <= names
    assert [name for name in names if "_cache" in name or name.endswith(".pyc") or name.startswith("tests")] == []
    assert "[pytest11]\ngeopipe_emulator = geopipe_emulator.pytest_plugin\n" in entry_points
    assert metadata["Name"] == "geopipe-runner"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE", "NOTICE"]
