"""Wrong configurations as data: each file in configs/ ends with the problems it must give, after `#= `, all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from geopipe_runner.config import load
from geopipe_runner.config.loader import read_values
from geopipe_runner.config.rules import FILE_RULES, RULES, Rule, rule_problems
from geopipe_runner.errors import ConfigError
from tests.support.config_files import MINIMAL_CONFIG
from tests.support.paths import ROOT

FOLDER = Path(__file__).parent / "configs"
CASES = sorted(FOLDER.glob("*.yaml"))
EVERY_RULE = (*RULES, *FILE_RULES)
ENVIRON = {"SECONDS": "30"}


def expected_problems(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    problems = [line.removeprefix("#= ") for line in lines if line.startswith("#= ")]
    return [f"{path}:{text}".replace("<configs>", str(FOLDER)).replace("<root>", str(ROOT)) for text in problems]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_all_problems_are_reported_in_order(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON)
    assert [str(problem) for problem in caught.value.problems] == expected_problems(path)
    assert str(caught.value) == "\n".join(expected_problems(path))
    assert caught.value.exit_code == 2


def test_there_are_cases() -> None:
    assert len(CASES) >= 100


@pytest.fixture(scope="module")
def code_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose code has a broken link, and a file that is too large: such cannot be kept in a repository."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "gone.py").symlink_to("nowhere.py")
    with (folder / "large.bin").open("wb") as file:
        file.truncate(300 * 1024 * 1024)
    path = folder / "case.yaml"
    path.write_text(f"{MINIMAL_CONFIG}function: {{source: .}}\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def rules_with_a_case(code_case: Path) -> set[Rule]:
    rules: set[Rule] = set()
    for path in [*CASES, code_case]:
        try:
            _, values = read_values(path, ENVIRON)
        except ConfigError:
            continue
        rules |= {rule for rule in EVERY_RULE if rule not in rules and rule_problems(rule, values)}
    return rules


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.__name__)
def test_every_rule_has_a_case(rule: Rule, rules_with_a_case: set[Rule]) -> None:
    assert rule in rules_with_a_case
