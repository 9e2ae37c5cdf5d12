"""The documents hang together: links lead somewhere, and a reader of the README can reach every file of `docs/`."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import yaml

from tests.support.source_files import ROOT

LINK = re.compile(r"(?:\]\(|src=\")(?!https?://)([^)\s\"]+)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def links_of(page: Path) -> list[tuple[Path, str]]:
    """Returns the target file and the anchor of every link into the project."""
    found = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        name, _, anchor = link.partition("#")
        found.append(((page.parent / name).resolve() if name else page, anchor))
    return found


def anchors_of(page: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere() -> None:
    wrong = []
    for page in PAGES:
        for target, anchor in links_of(page):
            if not target.exists():
                wrong.append(f"{page.relative_to(ROOT)}: there is no {target}")
            elif anchor and anchor not in anchors_of(target):
                wrong.append(f"{page.relative_to(ROOT)}: {target.name} has no heading for #{anchor}")
    assert wrong == []


def test_every_page_is_reachable() -> None:
    """A link to a folder reaches all files in it; only pages lead further."""
    reached: set[Path] = set()
    to_read = [ROOT / "README.md"]
    while to_read:
        page = to_read.pop()
        reached.add(page)
        for target, _ in links_of(page):
            files = target.rglob("*") if target.is_dir() else [target]
            to_read += [file for file in files if file.suffix == ".md" and file not in reached]
            reached.update(files if isinstance(files, list) else target.rglob("*"))
    listed = subprocess.run(["git", "ls-files", "-z", "docs"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert len(files) > 20
    assert [str(file.relative_to(ROOT)) for file in files if file.is_file() and file not in reached] == []


def test_every_term_is_defined_once() -> None:
    page = (ROOT / "docs/vocabulary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\*\*(.+?)\*\*: .{10,}", page, re.MULTILINE)
    assert len(terms) == page.count("**") // 2 > 20
    assert terms == sorted(set(terms))


def test_the_license_is_complete() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert [number for number in range(1, 10) if f"\n   {number}. " not in text] == []
    assert "END OF TERMS AND CONDITIONS" in text
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert "GeoNames" in notice and "CC BY 4.0" in notice and "Natural Earth" in notice


def test_ci_and_the_hooks_run_targets_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    commands += [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    assert "make test" in commands and len(commands) > 2
    assert [command for command in commands if command.removeprefix("make ") not in targets] == []
    assert {repo["repo"] for repo in hooks["repos"]} == {"local"}


def test_make_help_lists_every_target() -> None:
    """Aliases of old names and files have no explanation, all other targets do."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert phony
    targets = set(phony[1].replace("\\\n", " ").split()) - {"crash-test", "storm-test"}
    # The tests may run under `make`, which would announce the nested call.
    command = ["make", "--no-print-directory", "help"]
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    shown = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in shown.splitlines()} == targets
