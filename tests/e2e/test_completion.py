"""Completion in real shells: what is typed, the key Tab, and what the line then is.

A shell that this machine lacks is skipped. Debian: `apt install zsh fish`; or set ZSH and FISH to their paths.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.support.paths import ROOT
from tests.support.wait import eventually

pytestmark = pytest.mark.slow

# What is typed, and the line after Tab. Each has one candidate.
CASES = {
    "geopipe vali": "geopipe validate",
    "geopipe --verbose clean": "geopipe --verbose cleanup",
    "geopipe plan loc": "geopipe plan local.yaml",
    "geopipe loc": "geopipe local.yaml",
    "geopipe plan conf": "geopipe plan configs/",
    "geopipe plan configs/o": "geopipe plan configs/other.yml",
    "geopipe --yes": "geopipe --yes-cost",
    "geopipe cleanup local.yaml --dry": "geopipe cleanup local.yaml --dry-run",
    "geopipe --output js": "geopipe --output json",
    "geopipe plan --output=js": "geopipe plan --output=json",
    "geopipe --output json pl": "geopipe --output json plan",
    "geopipe results local.yaml --output-dir conf": "geopipe results local.yaml --output-dir configs/",
    "geopipe plan local.yaml --plan-out no": "geopipe plan local.yaml --plan-out notes.txt",
    "geopipe local.yaml --set job.prov": "geopipe local.yaml --set job.provider=",
    "geopipe local.yaml --set job.provider=ama": "geopipe local.yaml --set job.provider=amazon_location",
    "geopipe local.yaml --set=job.provider=ama": "geopipe local.yaml --set=job.provider=amazon_location",
    "geopipe local.yaml --set job.workers=4 --new --cleanup no": (
        "geopipe local.yaml --set job.workers=4 --new --cleanup none"
    ),
    "geopipe completion fi": "geopipe completion fish",
    "geopipe graph --format mer": "geopipe graph --format mermaid",
    # Nothing to complete: the command does not take it.
    "geopipe status --dry": "geopipe status --dry",
    "geopipe plan notes": "geopipe plan notes",
    "geopipe schema loc": "geopipe schema loc",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder with configurations, another file, and a script for each shell."""
    (tmp_path / "configs").mkdir()
    for name in ("local.yaml", "notes.txt", "configs/other.yml"):
        (tmp_path / name).touch()
    for shell in ("bash", "zsh", "fish"):
        command = [sys.executable, str(ROOT / "run.py"), "completion", shell]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        (tmp_path / f"_{shell}").write_text(done.stdout)
    return tmp_path


def find_shell(name: str) -> str:
    path = os.environ.get(name.upper()) or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed, so its completion is not tested")
    return path


def lines_after_tab(folder: Path, shell: str, arguments: list[str], setup: list[str]) -> dict[str, str]:
    """Returns the line after Tab for each case. `setup` binds Control-G to a command that writes it into `seen`."""
    home = {"HOME": str(folder), "ZDOTDIR": str(folder), "TERM": "dumb", "PS1": "> ", "INPUTRC": "/dev/null"}
    terminal = pexpect.spawn(
        shell, arguments, cwd=str(folder), env=os.environ | home, timeout=90, dimensions=(50, 250), encoding="utf-8"
    )
    seen = folder / "seen"
    found: dict[str, str] = {}
    try:
        for line in [*setup, "touch ready"]:
            terminal.sendline(line)
        eventually(lambda: (folder / "ready").exists())
        (folder / "ready").unlink()
        for typed in CASES:
            seen.unlink(missing_ok=True)
            # Control-U empties the line.
            terminal.send(f"\x15{typed}\t\x07")
            found[typed] = eventually(lambda: seen.exists() and seen.read_text().strip(), what=f"{shell}: {typed}")
    finally:
        terminal.close(force=True)
    return found


def test_bash(folder: Path) -> None:
    setup = ["source ./_bash", 'bind -x \'"\\C-g": printf "%s\\n" "$READLINE_LINE" > seen\'']
    assert lines_after_tab(folder, find_shell("bash"), ["--norc", "--noprofile", "-i"], setup) == CASES


def test_zsh(folder: Path) -> None:
    (folder / "_zsh").rename(folder / "_geopipe")
    setup = [
        "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; bindkey -e; setopt no_beep no_list_beep",
        "write_line() { print -r -- \"$BUFFER\" > seen; }; zle -N write_line; bindkey '^G' write_line",
    ]
    assert lines_after_tab(folder, find_shell("zsh"), ["-f", "-i"], setup) == CASES


def test_zsh_with_a_sourced_script(folder: Path) -> None:
    command = "autoload -Uz compinit; compinit -u -D; source ./_zsh; print ${_comps[geopipe]}"
    done = subprocess.run(
        [find_shell("zsh"), "-f", "-c", command], cwd=folder, capture_output=True, text=True, timeout=90
    )
    assert (done.stdout, done.returncode) == ("_geopipe\n", 0), done.stderr


def test_fish(folder: Path) -> None:
    """Fish prints the candidates of a line by itself."""
    found = {}
    for typed in CASES:
        quoted = typed.replace("'", "\\'")
        done = subprocess.run(
            [find_shell("fish"), "--no-config", "-c", f"source ./_fish; complete -C '{quoted}'"],
            cwd=folder,
            env=os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, done.stderr
        candidates = [line.split("\t")[0] for line in done.stdout.splitlines()]
        before, _, word = typed.rpartition(" ")
        found[typed] = f"{before} {candidates[0] if len(candidates) == 1 else candidates if candidates else word}"
    assert found == CASES


def test_an_unknown_shell_is_refused() -> None:
    command = [sys.executable, str(ROOT / "run.py"), "completion", "tcsh"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 2 and "choose from" in done.stderr
