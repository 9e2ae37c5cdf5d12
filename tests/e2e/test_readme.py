"""The documents' commands work: every `sh` block runs, and every other command that a page shows can be parsed.

The `sh` blocks of a page run in their order, in a copy of the project, as a user would run them in a fresh clone.
Blocks without a language are output, or commands that need an execution in a special state.
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

from geopipe_runner.cli.parser import parse
from tests.support.e2e import ACCOUNT, StartStanding
from tests.support.paths import ROOT
from tests.support.small_wheels import pip_with_only, write_wheel
from tests.support.wait import eventually

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(
    r"(?:^|`)((?:\.venv/bin/)?(?:python run\.py|python -m geopipe_emulator|make) [^`#>\n]+)", re.MULTILINE
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES_WITH_BLOCKS = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]
SECONDS = 300
# What the example whole_pipeline uses of humanize.
PACKAGE = "def intcomma(value): return f'{int(value):,}'\n"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def clone(tmp_path: Path, start_standing: StartStanding) -> Path:
    """A copy of the files that git tracks. Its configuration for AWS has an account and an emulator's endpoint."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    url = start_standing().url
    for name in ("us-west-2", "gazetteer", "amazon-location"):
        config = tmp_path / f"config/{name}.yaml"
        settings = config.read_text()
        for shipped, here in (
            ("YOUR-ACCOUNT-ID", ACCOUNT),
            ("\nendpoint: null", f"\nendpoint: {url}"),
            ("\n  poll_interval: 10 ", "\n  poll_interval: 0.2 "),
        ):
            assert shipped in settings
            settings = settings.replace(shipped, here)
        config.write_text(settings)
    return tmp_path


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Credentials as a user of AWS has them, and pip without an index but with wheels of what the examples require."""
    wheels, cache = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("cache")
    for file in (ROOT / "docs/examples").rglob("requirements.txt"):
        name, version = file.read_text(encoding="utf-8").strip().split("==")
        write_wheel(wheels, name, version=version, text=PACKAGE)
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return os.environ | pip_with_only(wheels, cache) | credentials | {"PYTHONUNBUFFERED": "1"}


def run(block: str, folder: Path, environment: dict[str, str]) -> None:
    """Run the block with yes for every question.

    A server that the block starts in the background must come up; then it is ended.
    """
    answers, output = folder / ".answers", folder / ".output"
    answers.write_text("y\n" * 20)
    with answers.open() as stdin, output.open("w") as stdout:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code = process.wait(SECONDS)
    if block.endswith("&"):
        try:
            eventually(lambda: "http://127.0.0.1:" in output.read_text())
        finally:
            os.killpg(process.pid, signal.SIGTERM)
    assert code == 0, f"{block}\n{output.read_text()}"


@pytest.mark.parametrize("page", PAGES_WITH_BLOCKS, ids=name_of)
def test_every_block_runs(page: Path, clone: Path, environment: dict[str, str]) -> None:
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        # The tests cannot run themselves, and where there is no .venv the suite runs on another interpreter.
        run(re.sub(r"^make (run|test)", r"make --dry-run \1", block.strip()), clone, environment)


def test_the_pages_that_must_show_commands_do() -> None:
    assert {"README.md", "docs/examples/own_steps/README.md", "docs/examples/map_rows/README.md"} <= {
        name_of(page) for page in PAGES_WITH_BLOCKS
    }


def test_every_command_that_a_page_shows_exists() -> None:
    targets = (ROOT / "Makefile").read_text()
    found = [(name_of(page), command) for page in PAGES for command in COMMAND.findall(page.read_text("utf-8"))]
    assert len(found) > 60
    wrong = [f"{page}: {command}" for page, command in found if not is_valid(command, targets)]
    assert wrong == []


def is_valid(command: str, targets: str) -> bool:
    words = shlex.split(command)
    if words[0] == "make":
        names = [word for word in words[1:] if "=" not in word]
        return all(
            re.search(rf"^{re.escape(name)}:|/{re.escape(Path(name).name)}:", targets, re.MULTILINE) for name in names
        )
    if words[1] == "-m" or "[" in command or "FILE" in words:
        return True  # started by a block, or the general form
    try:
        parse(words[2:])
    except SystemExit as end:
        return end.code == 0
    return True


def test_the_readme_has_the_order_of_a_first_visit() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == [
        "Try it offline",
        "See the result",
        "Run it on AWS",
        "Three commands",
        "Documentation",
        "Tests",
        "License",
    ]
    assert len(text.split()) <= 700
