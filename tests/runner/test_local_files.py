"""Configurations that are loaded together read their files once, and each has its own problems all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from geopipe_runner.config import ConfigFile
from geopipe_runner.config.local_files import LocalFiles
from geopipe_runner.config.messages import quote
from geopipe_runner.errors import ConfigError

FLEET = """\
target: local
region: us-west-2
account_id: "123456789012"
bucket: {name: "${deployment}-data"}
function: {source: code, handler: app.handler}
deployments:
  sound: {}
  linked: {function: {follow_links: true}}
  unknown: {function: {handler: app.missing}}
  also-unknown: {function: {handler: app.missing}}
  other: {function: {source: other}}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> ConfigFile:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    for name, function in (("code", "handler"), ("other", "another")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.py").write_text(f"def {function}(event, context): pass\n")
    return ConfigFile(tmp_path / "fleet.yaml", {}, files=True)


def problems_of(fleet: ConfigFile, name: str, files: LocalFiles | None) -> list[str]:
    try:
        fleet.load(name, files)
    except ConfigError as error:
        return [f"{problem.line}: {problem.what}" for problem in error.problems]
    return []


def test_each_configuration_has_the_problems_that_it_has_alone(fleet: ConfigFile, tmp_path: Path) -> None:
    (tmp_path / "code/linked.py").symlink_to(tmp_path / "fleet.yaml")
    files = LocalFiles()
    together = {name: problems_of(fleet, name, files) for name in fleet.names}
    assert together == {name: problems_of(fleet, name, None) for name in fleet.names}
    link = f'function.source: "linked.py" is a link out of its folder, to {quote(str(tmp_path / "fleet.yaml"))}'
    unknown = 'function.handler "app.missing": app.py has no "missing"'
    assert together == {
        "sound": [f"5: {link}"],
        "linked": [],
        "unknown": [f"5: {link}", f"9: {unknown}"],
        "also-unknown": [f"5: {link}", f"10: {unknown}"],
        "other": ['5: function.handler "app.handler": app.py has no "handler"'],
    }


def test_a_changed_file_is_read_by_the_next_load(fleet: ConfigFile, tmp_path: Path) -> None:
    assert problems_of(fleet, "sound", None) == []
    (tmp_path / "code/app.py").write_text("def renamed(event, context): pass\n")
    assert problems_of(fleet, "sound", None) == ['5: function.handler "app.handler": app.py has no "handler"']


def test_equal_arguments_are_read_once_and_errors_again() -> None:
    reads: list[tuple[str, bool]] = []

    def read(name: str, strict: bool) -> int:
        reads.append((name, strict))
        if strict:
            raise ValueError(name)
        return len(reads)

    files = LocalFiles()
    assert [files.once(read, name, False) for name in ("a", "a", "b", "a")] == [1, 1, 2, 1]
    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            files.once(read, "a", True)
    assert reads == [("a", False), ("b", False), ("a", True), ("a", True)]
