"""The command line: what arguments mean, what a wrong one says, and exit codes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
from runner_fakes import ROOT, config

from geopipe_runner import __version__, cli
from geopipe_runner import arguments as words
from geopipe_runner.arguments import parse
from geopipe_runner.stages.cleanup import GROUPS
from geopipe_runner.stages.work import Options

LOCAL = str(ROOT / "config" / "local.yaml")


def parsed(*arguments: str) -> argparse.Namespace:
    return words._parser().parse_args(words._with_command(list(arguments)))


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


def test_every_option_with_a_value_is_known_as_one() -> None:
    (commands,) = [action.choices for action in words._parser()._actions if action.dest == "command"]
    assert set(commands) == set(words.COMMANDS)
    options = [option for command in commands.values() for option in command._actions if option.option_strings]
    assert {name for option in options if option.nargs != 0 for name in option.option_strings} == set(
        words._TAKE_A_VALUE
    )


@pytest.mark.parametrize(
    ("text", "policy"),
    [("ask", "ask"), ("all", "all"), ("none", "none"), ("queue", ("queue",)), (",".join(GROUPS), GROUPS)],
)
def test_policies(text: str, policy: object) -> None:
    assert parsed("c.yaml", "--cleanup", text).cleanup == policy


@pytest.mark.parametrize("text", ["everything", "pipeline,quue", "", "all,queue", "queue,"])
def test_a_wrong_policy_says_what_is_valid(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", LOCAL, f"--cleanup={text}"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "unknown" in said
    assert "valid are ask, all, none, or a list of pipeline, queue, bucket, function, lambda_role" in said


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["run", LOCAL, "more"],
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
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: geopipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name a configuration, such as config/local.yaml"),
        (["statsu", LOCAL], 'there is no command "statsu"; did you mean "status"?'),
        (["deploy", LOCAL], 'there is no command "deploy"; use one of run, plan'),
        ([LOCAL, "more"], "unrecognized arguments: more"),
        (["run", LOCAL, "more"], "unrecognized arguments: more"),
        (["statsu", LOCAL, "--nonsense"], "unrecognized arguments:"),
        (["rescue", LOCAL, "--fail", " "], "--fail: it is empty"),
    ],
)
def test_wrong_usage_says_what_is_wrong(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"], ["cleanup", "--help"]])
def test_help_shows_the_exit_codes(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for code in ("0  ", "1  ", "2  ", "3  ", "4  ", "5  ", "130"):
        assert f"\n  {code}" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (0, f"geopipe {__version__}\n")


@pytest.mark.parametrize("command", words.COMMANDS)
def test_a_wrong_configuration_is_exit_code_2_for_every_command(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("deployment: x\ntarget: moon\nbuket: {}\n")
    assert cli.main([command, str(bad)]) == 2
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
    assert cli.main([str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def run_child(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run.py"), *arguments]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=30)


def test_the_shipped_configuration_is_valid() -> None:
    done = run_child("validate", LOCAL)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{LOCAL} is valid.\n", "")


def test_a_wrong_template_is_exit_code_2(tmp_path: Path) -> None:
    template = tmp_path / "t.json.j2"
    template.write_text('{"Steps": {{ oops | tojson }}}')
    text = Path(LOCAL).read_text()
    path = tmp_path / "c.yaml"
    path.write_text(
        text.replace("../pipeline_templates/reverse_geocoding.json.j2", str(template)).replace("../", f"{ROOT}/")
    )
    done = run_child("validate", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{template}:1: 'oops' is undefined\n")


def test_a_detailed_exit_code_is_about_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([LOCAL, "--detailed-exitcode"])
    assert "use it with --dry-run, or with the command plan" in capsys.readouterr().err
    for arguments in ([LOCAL, "--dry-run", "--detailed-exitcode"], ["plan", LOCAL, "--detailed-exitcode"]):
        assert parse(arguments).detailed_exitcode


def without_files(folder: Path) -> Path:
    """A configuration whose template, code and input are gone."""
    path = folder / "c.yaml"
    path.write_text(Path(LOCAL).read_text().replace("../", f"{folder}/gone/"))
    return path


@pytest.mark.parametrize("command", ["run", "plan", "validate"])
def test_what_builds_needs_the_files(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = without_files(tmp_path)
    assert cli.main([command, str(path)]) == 2
    faults = capsys.readouterr().err.splitlines()
    assert len(faults) == 3
    assert all(fault.startswith(f"{path}:") for fault in faults)


@pytest.mark.parametrize("command", [["cleanup", "--cleanup=all"], ["hello"]])
def test_what_deletes_or_looks_does_not(command: list[str], tmp_path: Path) -> None:
    done = run_child(*command, str(without_files(tmp_path)), "--non-interactive")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_lines_policy_wins_over_the_configurations() -> None:
    assert Options().cleanup_policy(config(cleanup="none")) == "none"
    assert Options(cleanup="all").cleanup_policy(config(cleanup="none")) == "all"
    assert Options(cleanup=("queue",)).cleanup_policy(config(cleanup="all")) == ("queue",)
