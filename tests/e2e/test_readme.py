"""What the README and the example's tell people to type works: every block is run, every command in a table is read.

Blocks marked `sh` are run in their order, in a copy of the project, as a user would in a fresh clone. Blocks without a
mark are output, or commands that a block above has shown already; those of other languages are no commands.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from e2e_world import ACCOUNT, ROOT, StartStanding
from geopipe_runner.arguments import parse

PAGES = ("README.md", "docs/examples/own_steps/README.md")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
IN_A_TABLE = re.compile(r"`(python run\.py [^`]+|make [^`]+)`")
SECONDS = 300


def blocks(page: str) -> list[str]:
    return [block.strip() for block in BLOCK.findall((ROOT / page).read_text())]


@pytest.fixture
def clone(tmp_path: Path, start_standing: StartStanding) -> Path:
    """A copy of what git knows, on this environment; the configuration for AWS has an account and an endpoint."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    config = tmp_path / "config/us-west-2.yaml"
    filled = config.read_text().replace("YOUR-ACCOUNT-ID", ACCOUNT)
    assert "\nendpoint: null" in filled
    config.write_text(filled.replace("\nendpoint: null", f"\nendpoint: {start_standing().url}"))
    return tmp_path


def run(block: str, folder: Path) -> None:
    """With answers for whoever asks, and credentials as a user of AWS has them. What it leaves running is ended."""
    env = os.environ | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    answers, output = folder / ".answers", folder / ".output"
    answers.write_text("y\n" * 20)
    with answers.open() as given, output.open("w") as told:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env=env,
            stdin=given,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code = process.wait(SECONDS)
    if "&" in block:
        os.killpg(process.pid, signal.SIGTERM)
    assert code == 0, f"{block}\n{output.read_text()}"


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page: str, clone: Path) -> None:
    found = blocks(page)
    assert found
    for block in found:
        # The tests cannot run themselves, and where there is no .venv the suite runs on another interpreter.
        run(block.replace("make test", "make --dry-run test"), clone)


def test_every_command_of_the_tables_is_one() -> None:
    page = (ROOT / "README.md").read_text()
    targets = (ROOT / "Makefile").read_text()
    found = [command for line in page.splitlines() if line.startswith("|") for command in IN_A_TABLE.findall(line)]
    assert len(found) > 15
    for command in found:
        words = shlex.split(command)
        if words[0] == "make":
            assert re.search(rf"^{re.escape(words[1])}:", targets, re.MULTILINE), command
        else:
            parse(words[2:])


def test_the_order_is_that_of_the_examples() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    wanted = ["Overview", "Prerequisites", "Run", "What it does", "Resources it creates", "Clean up", "Tests"]
    wanted += ["Troubleshooting", "See also"]
    assert [heading for heading in headings if heading in wanted] == wanted


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in ("architecture", "failures"))])
def test_every_link_into_the_project_leads_somewhere(page: str) -> None:
    place = (ROOT / page).parent
    links = re.findall(r"(?:\]\(|src=\")(?!https?://|#)([^)#\"]+)", (ROOT / page).read_text())
    assert [link for link in links if not (place / link).exists()] == []
