"""Which deployments a command line names, what they claim, and the exit code of all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from geopipe_runner.cli.commands import load_commands, takes_several
from geopipe_runner.cli.parser import BEST_TO_WORST, EXIT_CODES, parse
from geopipe_runner.cli.selection import DeploymentSelection, select
from geopipe_runner.cli.several import worst_exit_code
from geopipe_runner.config import load
from geopipe_runner.errors import ConfigError, UsageError
from geopipe_runner.stages.claims import Claimant, find_worlds

BASE = """\
target: {target}
region: us-west-2
account_id: "123456789012"
job: {{provider: gazetteer}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet/.hidden").mkdir(parents=True)
    (tmp_path / "empty/.hidden").mkdir(parents=True)
    (tmp_path / "empty/.hidden/x.yaml").write_text("")
    (tmp_path / "empty/notes.txt").write_text("")
    (tmp_path / "fleet/base.yaml").write_text(BASE.format(target="aws"))
    (tmp_path / "fleet/.hidden/x.yaml").write_text("")
    for name in ("b", "a"):
        (tmp_path / f"fleet/{name}.yml").write_text(f"extends: base.yaml\ndeployment: {name}\n")
    (tmp_path / "many.yaml").write_text("extends: fleet/base.yaml\ndeployments: {m1: {}, m2: {}}\n")
    return tmp_path


def chosen(*arguments: str, command: str = "plan") -> DeploymentSelection:
    module, parsed = parse([command, *arguments])
    return select(parsed, files=False, several=takes_several(module))


@pytest.mark.parametrize(
    ("arguments", "titles", "is_set"),
    [
        (["fleet/a.yml"], ["fleet/a.yml"], False),
        (["fleet/b.yml", "fleet/a.yml"], ["fleet/b.yml", "fleet/a.yml"], True),
        (["fleet/b.yml", "--jobs", "3", "fleet/a.yml"], ["fleet/b.yml", "fleet/a.yml"], True),
        (["--jobs=3", "fleet/b.yml"], ["fleet/b.yml"], False),
        (["fleet/?.yml"], ["fleet/a.yml", "fleet/b.yml"], True),
        (["fleet/[a].yml"], ["fleet/a.yml"], True),
        (["--all", "fleet"], ["fleet/a.yml", "fleet/b.yml"], True),
        (["--all", "fleet", "./fleet/a.yml"], ["fleet/a.yml", "fleet/b.yml"], True),
        (["many.yaml"], ["many.yaml (m1)", "many.yaml (m2)"], True),
        (["many.yaml", "--only", "m2"], ["many.yaml (m2)"], False),
        (["many.yaml", "fleet/a.yml", "--only", "m*,a"], ["many.yaml (m1)", "many.yaml (m2)", "fleet/a.yml"], True),
    ],
)
def test_files_patterns_folders_and_entries(
    arguments: list[str], titles: list[str], is_set: bool, folder: Path
) -> None:
    selection = chosen(*arguments)
    assert [deployment.title for deployment in selection.deployments] == titles
    assert selection.is_set is is_set


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no*.yaml"], r"No file matches 'no\*\.yaml'"),
        (["--all", "nowhere"], "There is no folder nowhere"),
        (["--all", "fleet/a.yml"], "fleet/a.yml is not a folder"),
        (["--all", "empty"], "There are no files in empty or below that end with .yaml or .yml"),
        (["--all", "fleet", "--all", "empty"], "There are no files in empty or below"),
        (["many.yaml", "fleet/c.yml"], "There is no file 'fleet/c.yml'"),
        (["fle*"], r"'fle\*' matches folders only, such as fleet"),
        (["many.yaml", "--only", "m3"], "no deployment is called 'm3'"),
    ],
)
def test_what_matches_nothing_is_refused(arguments: list[str], message: str, folder: Path) -> None:
    with pytest.raises(UsageError, match=message):
        chosen(*arguments)


# The commands that take several configurations, and those about one.
SEVERAL = [name for name, module in load_commands().items() if takes_several(module)]
ONE = [name for name, module in load_commands().items() if module.NEEDS != "nothing" and not takes_several(module)]


def hint_of(*arguments: str, command: str) -> str:
    with pytest.raises(UsageError) as caught:
        chosen(*arguments, command=command)
    return f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("command", [*SEVERAL, *ONE])
def test_every_command_says_what_to_name_instead_of_a_folder(command: str, folder: Path) -> None:
    (folder / "deep/in ner").mkdir(parents=True)
    (folder / "deep/in ner/x.yaml").write_text("")
    several = command in SEVERAL
    assert hint_of("fleet", command=command) == "fleet is a folder, not a configuration. " + (
        "Name a file, such as fleet/a.yml, or pass --all fleet for every configuration in the folder and below."
        if several
        else "Name a file: fleet/a.yml, fleet/b.yml, fleet/base.yaml."
    )
    assert hint_of("deep", command=command).endswith(
        "such as deep/in ner/x.yaml, or pass --all deep for every configuration in the folder and below."
        if several
        else "Name a file: deep/in ner/x.yaml."
    )
    assert hint_of("empty", command=command) == (
        "empty is a folder, not a configuration. There are no files in empty or below that end with .yaml or .yml."
    )
    assert ("--all fleet" in hint_of("fl*", command=command)) is several
    assert ("--all 'deep/in ner'" in hint_of("deep/in ner", command=command)) is several
    assert hint_of("fleet/*.json", command=command) == (
        "No file matches 'fleet/*.json'. YAML files in fleet: a.yml, b.yml, base.yaml."
    )


def test_one_of_several_names_is_a_folder_or_wrong(folder: Path) -> None:
    for arguments in (["many.yaml", "fleet"], ["fleet", "--only", "a"], ["fleet", "--all", "fleet"]):
        assert hint_of(*arguments, command="plan").startswith("fleet is a folder, not a configuration. Name a file")
    assert hint_of("many.yaml", "fleet/bse", command="plan") == (
        "There is no file 'fleet/bse'. Did you mean \"base.yaml\"? YAML files in fleet: a.yml, b.yml, base.yaml."
    )


@pytest.mark.parametrize("arguments", [["broken.yaml", "--only", "m1"], ["many.yaml", "broken.yaml", "--only", "m3"]])
def test_a_name_may_be_in_a_file_that_cannot_be_read(arguments: list[str], folder: Path) -> None:
    (folder / "broken.yaml").write_text("deployments: {m1: {}\n")
    with pytest.raises(ConfigError, match=r"^broken\.yaml:1:14: a bracket is opened"):
        chosen(*arguments)


def test_the_worst_exit_code_counts() -> None:
    assert set(BEST_TO_WORST) == set(EXIT_CODES)
    assert worst_exit_code([0, 4, 0]) == 4
    assert worst_exit_code([2, 5, 3, 1]) == 1
    assert worst_exit_code([130, 1]) == 130
    assert worst_exit_code([]) == 0


def claimants(folder: Path, **texts: str) -> list[Claimant]:
    found = []
    for name, text in texts.items():
        path = folder / f"{name}.yaml"
        target, _, rest = text.partition(";")
        (folder / "fleet/base.yaml").write_text(BASE.format(target=target))
        path.write_text(f"extends: fleet/base.yaml\n{rest}\n")
        found.append(Claimant(name, load(path, {}, files=False)))
    return found


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        # Names that are derived from the deployment count too.
        (
            "deployment: a\nbucket: {name: one}",
            "deployment: a\nbucket: {name: two}",
            "deployment a, IAM policy a-lambda-.* and 14 more",
        ),
        ("deployment: a\nbucket: {name: one}", "deployment: b\nbucket: {name: one}", "bucket one, .* in all accounts"),
        (
            "deployment: a\nbucket: {name: one}\nqueue: {name: q}",
            "deployment: b\nbucket: {name: two}\nqueue: {name: q}",
            "queue q, queue q-dlq, .* in account 123456789012, us-west-2",
        ),
        # IAM has no regions.
        (
            "deployment: a\nbucket: {name: one}",
            "deployment: a\nbucket: {name: two}\nregion: eu-west-1",
            "IAM role a-lambda-role .* in every region",
        ),
        # A bucket's name is the same in all accounts, roles are not.
        (
            "deployment: a\nbucket: {name: one}",
            "deployment: a\nbucket: {name: one}\naccount_id: '111111111111'",
            "^  first and second: bucket one, input file [^,]* in all accounts",
        ),
    ],
)
def test_what_two_configurations_claim_is_refused(first: str, second: str, shared: str, folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_worlds(claimants(folder, first=f"aws;{first}", second=f"aws;{second}"))
    assert caught.value.exit_code == 2
    assert "first and second: " in caught.value.message
    assert re.search(shared, caught.value.message, re.MULTILINE), caught.value.message
    # Emulators of their own keep them apart.
    worlds = find_worlds(claimants(folder, first=f"local;{first}", second=f"local;{second}"))
    assert worlds[0] != worlds[1]


def test_other_accounts_regions_and_endpoints_are_no_conflict(folder: Path) -> None:
    role = "arn:aws:iam::123456789012:role/ours"
    ours = f"deployment: a\nbucket: {{name: one}}\niam: {{lambda_role: '{role}', sagemaker_role: '{role}'}}"
    find_worlds(
        claimants(
            folder,
            ours=f"aws;{ours}",
            # Without roles of its own, a deployment may have its name in each region.
            region=f"aws;{ours.replace('one', 'two')}\nregion: eu-west-1",
            account="aws;deployment: a\nbucket: {name: three}\naccount_id: '111111111111'",
            endpoint=f"aws;{ours}\nendpoint: http://127.0.0.1:4566",
        )
    )


def test_local_deployments_share_an_emulator_where_their_settings_allow(folder: Path) -> None:
    own = "local;deployment: {0}\nbucket: {{name: {0}-data}}"
    worlds = find_worlds(
        claimants(
            folder,
            one=own.format("one"),
            two=own.format("two") + "\nregion: eu-west-1",
            slow=own.format("three") + "\nemulator: {job_seconds: 1}",
            other=own.format("four") + "\naccount_id: '111111111111'",
        )
    )
    assert worlds[0] == worlds[1]
    assert len(set(worlds)) == 3


@pytest.mark.parametrize(
    ("more", "what"),
    [("emulator: {state_dir: kept, job_seconds: 1}", "different settings"), ("account_id: '111111111111'", "accounts")],
)
def test_two_emulators_with_one_state_folder_are_refused(more: str, what: str, folder: Path) -> None:
    own = "local;deployment: {0}\nbucket: {{name: {0}-data}}\n"
    kept = "emulator: {state_dir: kept}\n"
    same = {"one": own.format("one") + kept, "two": own.format("two") + kept}
    assert len(set(find_worlds(claimants(folder, **same)))) == 1
    other = own.format("three") + (more if "state_dir" in more else kept + more)
    with pytest.raises(UsageError, match=rf"one and other have the same `emulator.state_dir`, but .*{what}"):
        find_worlds(claimants(folder, **same, other=other))
