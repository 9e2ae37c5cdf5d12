"""A configuration extends another one, and the command line goes before both: values, positions, paths and types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import geopipe_runner
from geopipe_runner.cli.main import main
from geopipe_runner.config import Config, load
from geopipe_runner.errors import ConfigError, UsageError

BASE = """\
target: local
region: us-west-2
account_id: "123456789012"
bucket: {name: "${deployment}-data"}
tags: {team: maps, stage: test}
function:
  timeout: 30
  memory: 512
cleanup: [queue, bucket]
input: {source: rows.csv}
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    (tmp_path / "rows.csv").write_text("Longitude,Latitude\n1,2\n")
    (tmp_path / "base.yaml").write_text(BASE)

    def write(text: str, name: str = "team/mine.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def problems_of(path: Path, settings: tuple[str, ...] = (), environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {}, settings=settings)
    folder = f"{path.parent.parent}/"
    return [str(problem).replace(folder, "") for problem in caught.value.problems]


def test_sections_are_merged_and_other_values_replaced(write: Any, tmp_path: Path) -> None:
    path = write(
        "extends: ../base.yaml\ndeployment: mine\nfunction: {timeout: 60}\ncleanup: [pipeline]\ntags: {stage: live}\n"
    )
    config = load(path, {})
    assert (config.function.timeout, config.function.memory) == (60, 512)
    assert config.tags == {"team": "maps", "stage": "live"}
    assert config.cleanup == ("pipeline",)
    assert config.bucket.name == "mine-data"
    assert config.input.source == tmp_path / "rows.csv"


def test_several_levels_and_a_section_set_to_null(write: Any) -> None:
    write("extends: base.yaml\nfunction: {memory: 1024}\nprofile: work\n", "middle.yaml")
    config = load(write("extends: ../middle.yaml\ndeployment: mine\nprofile: null\n"), {})
    assert (config.function.memory, config.function.timeout, config.profile) == (1024, 30, None)


def test_the_command_line_goes_first(write: Any) -> None:
    path = write("extends: ../base.yaml\ndeployment: mine\n")
    settings = (
        "function.timeout=90",
        "deployment=other",
        "account_id=012345678901",
        "cleanup=[function]",
        'tags={"a": "1"}',
        "job.max_invalid_share=0.5",
        "bucket.force_destroy=true",
        "profile=null",
        "pipeline.description=012 and: more",
    )
    config = load(path, {}, settings=settings)
    assert (config.function.timeout, config.deployment, config.account_id) == (90, "other", "012345678901")
    assert (config.cleanup, config.bucket.name, config.profile) == (("function",), "other-data", None)
    assert config.tags == {"team": "maps", "stage": "test", "a": "1"}
    assert (config.job.max_invalid_share, config.bucket.force_destroy) == (0.5, True)
    assert config.pipeline.description == "012 and: more"


def test_a_problem_names_the_text_it_is_in(write: Any) -> None:
    write(BASE.replace("512", "lots").replace("us-west-2", "nowhere"), "wrong.yaml")
    path = write("extends: ../wrong.yaml\ndeployment: mine\nfunctoin: {}\n")
    found = problems_of(path, ("job.provider=gazeteer", "execution.timeout=soon"))
    places = [problem.split(": ")[0] for problem in found]
    assert places == [
        "--set execution.timeout=soon:1:19",
        "--set job.provider=gazeteer:1:14",
        "team/mine.yaml:3:1",
        "wrong.yaml:2:9",
        "wrong.yaml:8:11",
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a.yaml": "extends: b.yaml\n", "b.yaml": "extends: a.yaml\n"}, "b.yaml:1:10: "),
        ({"a.yaml": "extends: a.yaml\n"}, "a.yaml:1:10: "),
        ({"a.yaml": "extends: c.yaml\n"}, "a.yaml:1:10: extends: there is no file "),
        (
            {"a.yaml": "extends: ~no-such-user/b.yaml\n"},
            'a.yaml:1:10: extends: there is no file "~no-such-user/b.yaml"',
        ),
        ({"a.yaml": "extends: ${env:BASE}\n"}, 'a.yaml:1:10: extends: there is no file "${env:BASE}"'),
        ({"a.yaml": "extends: [b.yaml]\n", "b.yaml": BASE}, "a.yaml:1:10: extends is not the path of a file"),
        ({"a.yaml": "extends: 5\n"}, "a.yaml:1:10: extends is not the path of a file"),
        ({"a.yaml": "extends: b.yaml\n", "b.yaml": "just text\n"}, "b.yaml:1:1: the file has text but no settings"),
        ({"a.yaml": "extends: b.yaml\n", "b.yaml": "x: [1\n"}, "b.yaml:1:4: a bracket is opened"),
        ({"a.yaml": "extends: ..\n"}, ".:1:1: this is a folder"),
        ({f"{n}.yaml": f"extends: {n + 1}.yaml\n" for n in range(30)}, "19.yaml:1:10: more than 20 files"),
    ],
)
def test_files_that_cannot_be_extended(files: dict[str, str], expected: str, tmp_path: Path) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(folder / next(iter(files)), {})
    (problem,) = caught.value.problems
    assert str(problem).replace(f"{folder}/", "").replace(f"{tmp_path}:", ".:").startswith(expected)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("job.workers", '--set:1:1: "job.workers" is not key.path=value'),
        ("=4", '--set:1:1: "=4" is not key.path=value'),
        ("job..workers=4", '--set:1:1: "job..workers=4" is not key.path=value'),
        ("job.wrokers=4", "--set job.wrokers=4:1:1: unknown key"),
        ("job.workers=", "--set job.workers=:1:13: there is no value"),
        ("job.workers=[1", "--set job.workers=[1:1:13: a bracket is opened"),
        ("job.workers=many", "--set job.workers=many:1:13: job.workers is"),
        ("pipeline.parameters.x=012", "--set pipeline.parameters.x=012:1:23: "),
        ("extends=b.yaml", "--set extends=b.yaml:1:1: extends can only be in a file"),
        ("function=5", "--set function=5:1:10: function is the number 5"),
    ],
)
def test_settings_that_cannot_be_used(setting: str, expected: str, write: Any) -> None:
    assert problems_of(write("extends: ../base.yaml\ndeployment: mine\n"), (setting,))[0].startswith(expected)


@pytest.mark.parametrize(
    ("key", "written", "environ", "expected"),
    [
        ("function.timeout", "${env:T}", {"T": "45"}, 45),
        ("function.timeout", "${env:T:-50}", {}, 50),
        ("execution.poll_interval", "${env:T}", {"T": " 0.25 "}, 0.25),
        ("execution.poll_interval", "${env:T}.5", {"T": "1"}, 1.5),
        ("bucket.force_destroy", "${env:T}", {"T": "true"}, True),
        ("pipeline.experiments", "${env:T:-false}", {}, False),
        ("profile", "${env:T:-}", {}, None),
        ("endpoint", "${env:T:-null}", {}, None),
        ("job.price_per_1000", "${env:T}", {"T": "null"}, None),
        ("pipeline.description", "${env:T}", {"T": "007"}, "007"),
    ],
)
def test_the_environment_gives_what_the_key_wants(
    key: str, written: str, environ: dict[str, str], expected: Any, write: Any
) -> None:
    section, _, name = key.rpartition(".")
    line = f'{section}: {{{name}: "{written}"}}' if section else f'{name}: "{written}"'
    line = line.replace("bucket: {", 'bucket: {name: "a-bucket", ')
    config: Any = load(write(f"extends: ../base.yaml\ndeployment: mine\n{line}\n"), environ)
    for part in key.split("."):
        config = getattr(config, part)
    assert config == expected and type(config) is type(expected)


@pytest.mark.parametrize(
    ("key", "value"), [("timeout", "soon"), ("timeout", "1e3"), ("memory", "true"), ("memory", "")]
)
def test_the_environment_cannot_give_another_type(key: str, value: str, write: Any) -> None:
    path = write(f"extends: ../base.yaml\ndeployment: mine\nfunction: {{{key}: '${{env:T}}'}}\n")
    (problem,) = problems_of(path, environ={"T": value})
    assert problem.startswith(f"team/mine.yaml:3:{14 + len(key)}: function.{key} is ")


def test_config_shows_every_value_with_its_origin(
    write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("extends: ../base.yaml\ndeployment: mine\n")
    assert main(["config", str(path), "--output", "json", "--set", "function.timeout=60"]) == 0
    (event,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"config"' in line]
    found = {entry["key"]: (entry["value"], entry["origin"]) for entry in event["values"]}
    assert found["function.timeout"] == (60, "--set function.timeout=60")
    assert found["function.memory"] == (512, f"{tmp_path}/base.yaml:8")
    assert found["deployment"] == ("mine", f"{path}:2")
    assert found["bucket.name"] == ("mine-data", f"{tmp_path}/base.yaml:4")
    assert found["function.batch_size"] == (10, "default")
    assert main(["config", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(found)
    assert next(line for line in lines if line.startswith("deployment: ")).split("  # ") == [
        next(line for line in lines if line.startswith("deployment: ")).split("  # ")[0],
        f"{path}:2",
    ]


def test_values_from_the_environment_that_may_be_secret_are_not_shown(
    write: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "sesame-opens-0815")
    path = write("extends: ../base.yaml\ndeployment: mine\nfunction: {environment: {KEY: '${env:API_KEY}'}}\n")
    assert main(["config", str(path)]) == 0
    assert "sesame" not in capsys.readouterr().out


def test_what_is_loaded_says_nothing_of_its_layers(write: Any) -> None:
    """A configuration means the same, however it was put together."""
    layered: Config = load(write("extends: ../base.yaml\ndeployment: mine\n"), {})
    whole: Config = load(write(BASE.replace("rows.csv", "../rows.csv") + "deployment: mine\n", "team/whole.yaml"), {})
    assert {**vars(layered), "path": 0, "document": 0} == {**vars(whole), "path": 0, "document": 0}


MANY = """\
extends: base.yaml
function: {timeout: 60}
deployments:
  places-eu: {region: eu-west-1, job: {provider: gazetteer}, tags: {stage: live}}
  places-us:
  other: {deployment: places-old, function: {memory: x}}
"""


def test_each_entry_of_deployments_is_a_configuration(write: Any) -> None:
    path = write(MANY, "many.yaml")
    europe, america = (load(path, {}, deployment=name) for name in ("places-eu", "places-us"))
    assert (europe.deployment, europe.region, europe.bucket.name) == ("places-eu", "eu-west-1", "places-eu-data")
    assert (america.deployment, america.region, america.bucket.name) == ("places-us", "us-west-2", "places-us-data")
    assert europe.tags == {"team": "maps", "stage": "live"}
    assert (europe.function.timeout, europe.function.memory) == (60, 512)
    assert load(path, {}, settings=("function.timeout=5",), deployment="places-eu").function.timeout == 5
    assert europe.argument == f"{path} --only places-eu"
    assert geopipe_runner.load(path, deployment="places-us").config == america
    with pytest.raises(ConfigError, match=r'many\.yaml:6:54: function\.memory is "x"'):
        load(path, {}, deployment="other")


def test_a_deployment_of_several_has_to_be_chosen(write: Any) -> None:
    path = write(MANY, "many.yaml")
    with pytest.raises(UsageError, match="has 3 deployments: places-eu, places-us, other"):
        load(path, {})
    with pytest.raises(UsageError, match="no deployment 'place-eu'") as caught:
        load(path, {}, deployment="place-eu")
    assert caught.value.hint == 'Did you mean "places-eu"?'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("deployments: {}\n", "1:14: deployments is not a section with entries"),
        ("deployments: [a]\n", "1:14: deployments is not a section with entries"),
        ("deployments:\n  a: 1\n", "2:6: the entry \"a\" is not a section"),
        ("deployment: x\ndeployments:\n  a: {}\n", "1:1: deployment does not go with deployments"),
        ("deployments:\n  a: {extends: base.yaml}\n", "2:7: extends cannot be in an entry of deployments"),
        ("extends: base.yaml\ndeployments:\n  Not_a_name: {}\n", "3:3: deployment \"Not_a_name\" is not allowed"),
    ],
)  # fmt: skip
def test_wrong_deployments_are_refused_where_they_stand(text: str, problem: str, write: Any) -> None:
    assert any(found.startswith(f"many.yaml:{problem}") for found in problems_of_many(write(text, "many.yaml")))


def problems_of_many(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return [str(problem).removeprefix(f"{path.parent}/") for problem in caught.value.problems]
