"""The command line: what arguments mean, what a wrong one says, and exit codes."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from geopipe_runner import __version__
from geopipe_runner.cli.commands import load_commands
from geopipe_runner.cli.main import main
from geopipe_runner.cli.parser import parse
from geopipe_runner.cli.reference import reference
from geopipe_runner.context import Options
from geopipe_runner.stages.cleanup import GROUPS
from tests.support.paths import ROOT
from tests.support.runner_fakes import config

LOCAL = str(ROOT / "config" / "local.yaml")


def parsed(*arguments: str) -> argparse.Namespace:
    return parse(list(arguments))[1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["c.yaml"], {"command": "run", "config": "c.yaml", "dry_run": False, "non_interactive": False}),
        (["run", "c.yaml"], {"command": "run", "config": "c.yaml"}),
        (["c.yaml", "--dry-run"], {"command": "run", "dry_run": True}),
        (["--dry-run", "c.yaml"], {"command": "run", "config": "c.yaml", "dry_run": True}),
        (["c.yaml", "--dry-run", "--detailed-exitcode"], {"detailed_exitcode": True}),
        (["--cleanup", "all", "c.yaml"], {"command": "run", "cleanup": "all", "config": "c.yaml"}),
        (["c.yaml", "--cleanup=pipeline, queue"], {"cleanup": ("pipeline", "queue")}),
        (["c.yaml", "--non-interactive", "--verbose"], {"non_interactive": True, "verbose": True}),
        (["c.yaml", "--output-dir", "out", "--new"], {"output_dir": Path("out"), "new": True}),
        (["plan", "c.yaml"], {"command": "plan", "detailed_exitcode": False}),
        (["validate", "c.yaml"], {"command": "validate"}),
        (["cleanup", "c.yaml", "--dry-run"], {"command": "cleanup", "dry_run": True}),
        (["cleanup", "c.yaml", "--cleanup", "none"], {"command": "cleanup", "cleanup": "none"}),
        (["hello", "c.yaml"], {"command": "hello"}),
        (["--verbose", "plan", "c.yaml"], {"command": "plan", "config": "c.yaml", "verbose": True}),
        (["--output", "json", "validate", "c.yaml"], {"command": "validate", "config": "c.yaml", "output": "json"}),
        (["--output=json", "cleanup", "c.yaml"], {"command": "cleanup", "output": "json"}),
        (["--output-dir", "plan", "c.yaml"], {"command": "run", "output_dir": Path("plan"), "config": "c.yaml"}),
        (["--output-dir", "plan", "run", "c.yaml"], {"command": "run", "output_dir": Path("plan"), "config": "c.yaml"}),
        (["--adopt", "queue", "plan", "c.yaml"], {"command": "plan", "adopt": ["queue"]}),
        (["c.yaml", "--output-dir", "plan"], {"command": "run", "output_dir": Path("plan"), "config": "c.yaml"}),
        (["--", "plan"], {"command": "run", "config": "plan"}),
        (["run", "plan"], {"command": "run", "config": "plan"}),
    ],
)
def test_arguments(arguments: list[str], expected: dict[str, object]) -> None:
    found = vars(parsed(*arguments))
    assert {name: found[name] for name in expected} == expected


def test_every_command_has_its_own_module() -> None:
    """The registry is the package itself, and all commands can be listed and explained."""
    commands = load_commands()
    modules = {path.stem for path in (ROOT / "geopipe_runner/cli/commands").glob("*.py")} - {"__init__"}
    assert set(commands) == modules
    assert len({command.POSITION for command in commands.values()}) == len(commands)
    assert [name for name, command in commands.items() if not command.HELP or command.HELP.endswith(".")] == []
    assert [name for name, command in commands.items() if not command.EXAMPLES] == []


@pytest.mark.parametrize("command", load_commands())
def test_examples_can_be_parsed(command: str) -> None:
    for example in load_commands()[command].EXAMPLES:
        assert parsed(*example.split()).command == command


def test_the_schema_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((ROOT / "geopipe_runner/config/schema.json").read_text())


def test_the_reference_is_written_from_the_commands() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    assert page == reference(), "run `make reference`"


@pytest.mark.parametrize(
    ("text", "policy"),
    [("ask", "ask"), ("all", "all"), ("none", "none"), ("queue", ("queue",)), (",".join(GROUPS), GROUPS)],
)
def test_policies(text: str, policy: object) -> None:
    assert parsed("c.yaml", "--cleanup", text).cleanup == policy


@pytest.mark.parametrize("text", ["everything", "pipeline,quue", "", "all,queue", "queue,"])
def test_a_wrong_policy_says_what_is_valid(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", LOCAL, f"--cleanup={text}"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "unknown" in said
    assert "valid are ask, all, none, or a list of pipeline, queue, bucket, function, lambda_role" in said


@pytest.mark.parametrize(("text", "near"), [("pipelines", "pipeline"), ("queue,buckt", "bucket"), ("al", "all")])
def test_a_policy_close_to_a_valid_one_is_guessed(text: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", LOCAL, f"--cleanup={text}"])
    assert f"did you mean {near!r}?" in capsys.readouterr().err


@pytest.mark.parametrize("endpoint", ["https://127.0.0.1:4566", "https://localhost:4566"])
def test_a_local_endpoint_speaks_plain_http(endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        Path(LOCAL).read_text().replace("endpoint: null", f"endpoint: {endpoint}").replace("../", f"{ROOT}/")
    )
    assert main(["validate", str(path)]) == 2
    error = capsys.readouterr().err
    assert "the emulator speaks plain HTTP" in error and endpoint.replace("https", "http") in error


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_an_output_dir_that_is_a_file_is_a_usage_error(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main([LOCAL, "--non-interactive", "--output-dir", str(tmp_path / "file"), *more]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"Error: Cannot write into {tmp_path / 'file'}: File exists.\nName another --output-dir.\n"
    assert captured.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["logs", LOCAL, "more"],
        [LOCAL, "plan"],
        ["plan", LOCAL, "--cleanup=all"],
        [LOCAL, "--nonsense"],
        [LOCAL, "--dry"],
        [LOCAL, "--output-dir"],
        [LOCAL, "--detailed-exitcode"],
        ["--detailed-exitcode", "run", LOCAL],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: geopipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a configuration, such as config/local.yaml"),
        (["statsu", LOCAL], 'there is no command "statsu"; did you mean "status"?'),
        (["deploy", LOCAL], 'there is no command "deploy"; use one of run, plan'),
        (["logs", LOCAL, "more"], "unrecognized arguments: more"),
        (["stop", LOCAL, LOCAL], f"`stop` is about one deployment; name one of these files: {LOCAL}, {LOCAL}"),
        (["logs", "--all", "config"], "`logs` is about one deployment, and --all is for several"),
        (["graph", LOCAL, "--jobs", "3"], "`graph` is about one deployment, and --jobs is for several"),
        (["init", "--all", "x"], "--all is an option of run, plan"),
        (["run", LOCAL, "more", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["plan", LOCAL, LOCAL, "--jobs", "0"], "'0' is not a number from 1 to 100"),
        (["statsu", LOCAL, "--nonsense"], 'did you mean "status"?'),
        (["statsu"], 'did you mean "status"?'),
        (["help", "statsu"], 'did you mean "status"?'),
        ([LOCAL, "status"], f"the command comes first: geopipe status {LOCAL}"),
        ([LOCAL, "--verbose", "rescue"], f"the command comes first: geopipe rescue {LOCAL}"),
        (["no-such-file.yaml", "plan"], "the command comes first: geopipe plan no-such-file.yaml"),
        (["run"], "name a configuration, such as config/local.yaml: geopipe run config/local.yaml"),
        ([LOCAL, "--outputdir", "x"], "did you mean --output-dir?"),
        ([LOCAL, "--output_dir=x"], "did you mean --output-dir?"),
        (["status", LOCAL, "--executoin", "x"], "did you mean --execution?"),
        (["status", LOCAL, "--older-then", "1h"], "did you mean --older-than, an option of callbacks?"),
        (["validate", LOCAL, "--dry-run"], "--dry-run is an option of run, cleanup, not of validate"),
        (["status", LOCAL, "--follow"], "`resume` follows an execution"),
        ([LOCAL, "-c"], "`geopipe run --help` shows the options"),
        (["callbacks", LOCAL, "--fail", " "], "--fail: it is empty"),
        (["cleanup", LOCAL, "--confirm", ""], "--confirm: it is empty; give the name of the deployment"),
        (
            ["logs", LOCAL, "--since", "-5m"],
            "expected one argument; if its value begins with a hyphen, join them with =",
        ),
        *(
            ([*line, ""], f"{line[-1]}: its value is empty; give one, or leave the option out")
            for line in (
                ["cleanup", "--all"],
                ["run", LOCAL, "--output-dir"],
                ["plan", LOCAL, "--out"],
                ["stop", LOCAL, "--execution"],
                ["open", LOCAL, "--resource"],
                ["callbacks", LOCAL, "--step"],
                ["status", LOCAL, "--only"],
                ["apply", LOCAL, "--adopt"],
                ["plan", LOCAL, "--set"],
                ["init", "--folder"],
                ["init", "--name"],
            )
        ),
        (["cleanup", "--all="], "argument --all: its value is empty"),
        (["plan", ""], "the name of a configuration is empty"),
        (["plan", LOCAL, ""], "the name of a configuration is empty"),
        (["logs", LOCAL, "--since", "999999999h"], "'999999999h' is longer than ten years, 87600h"),
    ],
)
def test_wrong_usage_says_what_is_wrong(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["help"], ["run", "--help"], ["help", "cleanup"], ["help", "rescue"]]
)
def test_help_shows_the_exit_codes(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for code in ("0  ", "1  ", "2  ", "3  ", "4  ", "5  ", "130"):
        assert f"\n  {code}" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (0, f"geopipe {__version__}\n")


@pytest.mark.parametrize("command", [name for name, module in load_commands().items() if module.NEEDS != "nothing"])
def test_a_wrong_configuration_is_exit_code_2_for_every_command(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("deployment: x\ntarget: moon\nbuket: {}\n")
    assert main([command, str(bad)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert any(line.startswith(f"{bad}:2:") for line in lines)
    assert any(line.startswith(f"{bad}:3:1: ") and "buket" in line for line in lines)
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("content", [None, b"", b"\x00\xff\xfe", b"a: 1\na: 2\n", b"a:\n\tb: 1\n"])
def test_what_is_no_configuration_is_exit_code_2(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def run_child(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run.py"), *arguments]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=90)


@pytest.mark.process
@pytest.mark.parametrize("program", [["run.py"], ["-m", "geopipe_runner"]], ids=" ".join)
def test_the_shipped_configuration_is_valid(program: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *program, "validate", LOCAL], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{LOCAL} is valid.\n", "")


@pytest.mark.parametrize(
    ("called", "program"),
    [
        ("/x/run.py", "python run.py"),
        ("/x/geopipe_runner/__main__.py", "python -m geopipe_runner"),
        ("/usr/bin/geopipe", "geopipe"),
    ],
)
def test_messages_name_the_program_as_it_was_called(
    called: str, program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [called])
    with pytest.raises(SystemExit):
        main(["statsu"])
    assert capsys.readouterr().err.startswith(f"usage: {program} [COMMAND] CONFIG")


@pytest.mark.process
def test_a_wrong_template_is_exit_code_2(tmp_path: Path) -> None:
    template = tmp_path / "t.json.j2"
    template.write_text('{"Steps": {{ oops | tojson }}}')
    text = Path(LOCAL).read_text()
    path = tmp_path / "c.yaml"
    path.write_text(text.replace("template: null", f"template: {template}").replace("../", f"{ROOT}/"))
    done = run_child("validate", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{template}:1: 'oops' is undefined\n")


def test_the_old_name_of_callbacks_works_but_help_does_not_show_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["rescue", LOCAL]) == parse(["callbacks", LOCAL])
    assert parse(["--older-than", "1h", "rescue", LOCAL]) == parse(["callbacks", LOCAL, "--older-than", "1h"])
    with pytest.raises(SystemExit):
        parse(["--help"])
    shown = capsys.readouterr().out
    assert "callbacks" in shown and "rescue" not in shown


def test_a_detailed_exit_code_is_about_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([LOCAL, "--detailed-exitcode"])
    assert "use it with --dry-run, or with the command plan" in capsys.readouterr().err
    for arguments in ([LOCAL, "--dry-run", "--detailed-exitcode"], ["plan", LOCAL, "--detailed-exitcode"]):
        assert parsed(*arguments).detailed_exitcode


def without_files(folder: Path) -> Path:
    """A configuration whose template, code and input are gone."""
    path = folder / "c.yaml"
    text = Path(LOCAL).read_text().replace("template: null", "template: ../template.json.j2")
    path.write_text(text.replace("../", f"{folder}/gone/"))
    return path


@pytest.mark.parametrize("command", ["run", "plan", "validate"])
def test_what_builds_needs_the_files(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = without_files(tmp_path)
    assert main([command, str(path)]) == 2
    faults = capsys.readouterr().err.splitlines()
    assert len(faults) == 3
    assert all(fault.startswith(f"{path}:") for fault in faults)


@pytest.mark.process
@pytest.mark.parametrize("command", [["cleanup", "--cleanup=all"], ["hello"]])
def test_what_deletes_or_looks_does_not(command: list[str], tmp_path: Path) -> None:
    done = run_child(*command, str(without_files(tmp_path)), "--non-interactive")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_lines_policy_wins_over_the_configurations() -> None:
    assert Options().cleanup_policy(config(cleanup="none")) == "none"
    assert Options(cleanup="all").cleanup_policy(config(cleanup="none")) == "all"
    assert Options(cleanup=("queue",)).cleanup_policy(config(cleanup="all")) == ("queue",)


GREET = """
from __future__ import annotations

import argparse
from typing import Any

POSITION = 99
HELP = "greet the deployment"
DETAILS = ""
EXAMPLES = ("greet config/local.yaml",)
NEEDS = "config"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--loud", action="store_true", help="greet in capitals")


def run(session: Any, arguments: argparse.Namespace) -> int:
    text = f"hello {session.config.deployment}"
    print(text.upper() if arguments.loud else text)
    return 0
"""


@pytest.mark.process
def test_a_new_command_is_one_module_and_the_generated_page(tmp_path: Path) -> None:
    for name in ("geopipe_runner", "config", "lambda", "pipeline_templates", "resources"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs/reference").mkdir(parents=True)
    (tmp_path / "geopipe_runner/cli/commands/greet.py").write_text(GREET)

    def run_module(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    assert "greet     greet the deployment" in run_module("geopipe_runner", "--help")
    assert run_module("geopipe_runner", "greet", "config/local.yaml", "--loud") == "HELLO LOCAL\n"
    run_module("geopipe_runner.cli.reference")
    page = (tmp_path / "docs/reference/cli.md").read_text()
    assert "## greet" in page and "| `--loud` | greet in capitals |" in page
