"""One command on several deployments, as real processes: isolation, the table, events, signals and what is refused."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml

from tests.support.e2e import Standing, Workplace, start_emulator
from tests.support.output import wait_for_output
from tests.support.paths import ROOT

FLEET = "docs/examples/many_accounts/fleet.yaml"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Standing]:
    """One for all tests: each has deployments of its own."""
    # A job takes long enough to be interrupted. The provider `gazetteer` needs none.
    standing = start_emulator("--job-seconds", "600")
    yield standing
    standing.process.send_signal(signal.SIGTERM)
    standing.process.wait(30)


def write_fleet(folder: Path, url: str | None, deployments: dict[str, Any], **more: Any) -> Path:
    settings: dict[str, Any] = {
        "target": "local",
        "endpoint": url,
        "region": "us-west-2",
        "account_id": "123456789012",
        "bucket": {"name": "${deployment}-data"},
        "iam": {"propagation_timeout": 0},
        "job": {"provider": "gazetteer"},
        "execution": {"poll_interval": 0.2},
        "emulator": {"time_scale": 0.02},
        **more,
        "deployments": deployments,
    }
    path = folder / "fleet.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


def rows_of(output: str) -> dict[str, list[str]]:
    """Returns the rows of the table at the end, by the names of the deployments."""
    heading, table = output.rpartition("deployment ")[1:]
    assert heading
    return {line.split()[0]: line.split()[1:] for line in table.splitlines()[1:] if line.strip()}


def columns_of(output: str) -> list[str]:
    """Returns the headings of the table at the end that not every command has."""
    heading = output.rpartition("\ndeployment ")[2].partition("\n")[0].split()
    assert [*heading[:2], *heading[-3:]] == ["account", "region", "time", "exit", "code"]
    return heading[2:-3]


def test_a_failure_stops_no_other_deployment(workplace: Workplace, emulator: Standing) -> None:
    deployments = {
        "good-one": {},
        "good-two": {"region": "eu-west-1"},
        "elsewhere": {"endpoint": "http://127.0.0.1:9"},
        "not-ours": {"bucket": {"name": "a-bucket-of-others"}},
        "unclear": {"function": {"memory": "much"}},
    }
    emulator.client("s3").create_bucket(
        Bucket="a-bucket-of-others", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    fleet = write_fleet(workplace.folder, emulator.url, deployments)
    done = workplace.geopipe("run", fleet, "--non-interactive", "--output-dir", "out", "--cleanup=none", "--jobs", "3")
    rows = rows_of(done.stdout)
    assert {name: row[-1] for name, row in rows.items()} == {
        "good-one": "0",
        "good-two": "0",
        "elsewhere": "1",
        "not-ours": "5",
        "unclear": "2",
    }, done.stderr
    assert done.returncode == 1
    assert rows["good-two"][:5] == ["123456789012", "eu-west-1", "+19", "Succeeded", "200"]
    assert rows["unclear"][:2] == ["-", "-"]
    assert columns_of(done.stdout) == ["changes", "execution", "rows"]
    assert "not-ours: Error: Nothing was done, because these do not belong to this deployment" in done.stderr
    assert f"{fleet}:" in done.stderr and "\nunclear: " not in done.stderr  # as editors recognize it
    out = workplace.folder / "out"
    assert sorted(path.name for path in out.iterdir()) == ["elsewhere", "good-one", "good-two", "not-ours", "unclear"]
    record = json.loads((out / "good-two/run.json").read_text())
    assert (record["deployment"], record["region"], record["results"]["rows"]) == ("good-two", "eu-west-1", 200)
    assert "good-one" not in (out / "good-two/transcript.txt").read_text()
    assert (out / "good-one/results.csv").stat().st_size > 0

    two = ("--only", "good-*")
    same = workplace.geopipe("plan", fleet, *two, "--detailed-exitcode")
    assert same.returncode == 0, same.stderr
    assert "== good-one in account 123456789012, us-west-2" in same.stdout
    assert {row[2] for row in rows_of(same.stdout).values()} == {"none"}
    assert columns_of(same.stdout) == ["changes"]
    only_planned = workplace.geopipe("run", fleet, *two, "--dry-run", "--non-interactive")
    assert columns_of(only_planned.stdout) == ["changes"]
    valid = workplace.geopipe("validate", fleet, *two)
    assert columns_of(valid.stdout) == []
    assert rows_of(valid.stdout)["good-one"][:2] == ["123456789012", "us-west-2"]

    shown_status = workplace.geopipe("status", fleet, *two).stdout
    assert columns_of(shown_status) == ["execution"]
    assert {row[2] for row in rows_of(shown_status).values()} == {"Succeeded"}
    status = workplace.geopipe("status", fleet, *two, "--output", "json")
    events = [json.loads(line) for line in status.stdout.splitlines()]
    shown = {event["deployment"]: event for event in events if event["event"] == "execution"}
    assert {name: (event["region"], event["status"]) for name, event in shown.items()} == {
        "good-one": ("us-west-2", "Succeeded"),
        "good-two": ("eu-west-1", "Succeeded"),
    }
    *_, summary, finished = events
    assert [result["execution"] for result in summary["deployments"]] == ["Succeeded", "Succeeded"]
    assert (summary["event"], finished) == ("summary", {"time": finished["time"], "event": "finished", "exit_code": 0})

    would_go = workplace.geopipe("cleanup", fleet, *two, "--cleanup=all", "--non-interactive", "--dry-run")
    assert {row[2] for row in rows_of(would_go.stdout).values()} == {"-19"}

    # The name of a protected one needs no names of the others.
    deployments["good-one"]["protect"] = True
    write_fleet(workplace.folder, emulator.url, deployments)
    gone = workplace.geopipe("cleanup", fleet, *two, "--cleanup=all", "--non-interactive", "--confirm", "good-one")
    assert gone.returncode == 0, gone.stderr
    assert {row[2] for row in rows_of(gone.stdout).values()} == {"-19"}


def test_doctor_and_open_take_several(workplace: Workplace, emulator: Standing) -> None:
    deployments = {"seen-one": {}, "seen-two": {"region": "eu-west-1"}, "silent": {"endpoint": "http://127.0.0.1:9"}}
    fleet = write_fleet(workplace.folder, emulator.url, deployments)
    before = emulator.mutating_calls()
    examined = workplace.geopipe("doctor", fleet)
    assert {name: row[-1] for name, row in rows_of(examined.stdout).items()} == {
        "seen-one": "0",
        "seen-two": "0",
        "silent": "1",
    }
    assert (examined.returncode, examined.stderr) == (1, "")
    assert columns_of(examined.stdout) == []
    blocks = {block.split()[0]: block for block in examined.stdout.split("== ")[1:]}
    assert "ok       account      123456789012 in eu-west-1" in blocks["seen-two"]
    assert "problem  endpoint     Nothing listens" in blocks["silent"]
    assert emulator.mutating_calls() == before

    opened = workplace.geopipe("open", fleet, "--only", "seen-*,silent", "--resource", "queue", "--output", "json")
    events = [json.loads(line) for line in opened.stdout.splitlines()]
    links = {event["deployment"]: event["links"] for event in events if event["event"] == "links"}
    assert {name: [link["url"] for link in found] for name, found in links.items()} == {
        name: [f"{emulator.url}/_console/queues/{name}-queue"] for name in ("seen-one", "seen-two")
    }
    assert [result["exit_code"] for result in events[-2]["deployments"]] == [0, 0, 1]
    assert opened.returncode == 1


def test_a_command_about_one_deployment_takes_a_set_of_one(workplace: Workplace, emulator: Standing) -> None:
    fleet = write_fleet(workplace.folder, emulator.url, {"lonely": {}})
    for arguments in (
        ("config", fleet),
        ("config", "flee[t].yaml"),
        ("config", "*.yaml", "--only", "lonely"),
        ("callbacks", fleet, "--all"),
        ("plan", fleet, "--out", "plan.json"),
    ):
        done = workplace.geopipe(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    assert json.loads((workplace.folder / "plan.json").read_text())["deployment"] == "lonely"


def test_what_several_have_in_common_is_reported_once(workplace: Workplace, emulator: Standing) -> None:
    before = emulator.calls()
    fleet = write_fleet(workplace.folder, emulator.url, {"one": {}, "two": {}, "broken": {"queue": {"nam": "x"}}})
    in_settings = {
        "job.workrs=3": 'unknown key "workrs"',
        "function.memory=much": 'function.memory is "much"',
        "function.memory": "is not key.path=value",
        "queue.visibility_timeout=5": "less than function.timeout",
    }
    for setting, message in in_settings.items():
        refused = workplace.geopipe("plan", fleet, "--only", "one,two", "--set", setting)
        assert (refused.returncode, refused.stdout, refused.stderr.count(message)) == (2, "", 1), refused.stderr
    refused = workplace.geopipe("validate", fleet, *(word for text in in_settings for word in ("--set", text)))
    assert refused.stderr.count("job.workrs=3:1:1") == 0 and refused.stderr.count("is not key.path=value") == 1

    # A value that is wrong for one of them is a failure of that one.
    write_fleet(workplace.folder, None, {"one": {"function": {"timeout": 900}}, "two": {}}, queue={})
    some = workplace.geopipe("validate", fleet, "--set", "queue.visibility_timeout=600")
    assert {name: row[-1] for name, row in rows_of(some.stdout).items()} == {"one": "2", "two": "0"}

    template = workplace.folder / "template.json.j2"
    template.write_text("{{ nonsense.x }}")
    for shared, message in {
        "function": "function.memory is",
        "pipeline": f"{template}:1: 'nonsense' is undefined",
    }.items():
        value = {"memory": "much"} if shared == "function" else {"template": str(template)}
        write_fleet(workplace.folder, None, {"one": {}, "two": {}, "own": {"queue": {"nam": "x"}}}, **{shared: value})
        failed = workplace.geopipe("validate", fleet)
        assert (failed.returncode, failed.stderr.count(message)) == (2, 1), failed.stderr
        assert failed.stderr.count('unknown key "nam"') == 1
        assert {row[-1] for row in rows_of(failed.stdout).values()} == {"2"}

        for_programs = workplace.geopipe("validate", fleet, "--output", "json")
        assert sorted(for_programs.stderr.splitlines()) == sorted(failed.stderr.splitlines())
        events = [json.loads(line) for line in for_programs.stdout.splitlines()]
        assert [event["deployment"] for event in events if event["event"] == "failed"].count("two") == 1

    write_fleet(workplace.folder, None, {"one": {}, "two": {}, "three": {"target": "aws"}})
    opened = workplace.geopipe("open", fleet, "--resource", "queue", "--jobs", "1")
    assert opened.stderr.count("The emulator ends with each command") == 1
    assert "two: Error: the same as for one.\n" in opened.stderr
    for_programs = workplace.geopipe("open", fleet, "--resource", "queue", "--jobs", "1", "--output", "json")
    assert for_programs.stderr == opened.stderr
    assert [row[-1] for row in rows_of(opened.stdout).values()] == ["2", "2", "0"]

    in_the_way = workplace.geopipe("plan", fleet, "--output-dir", fleet)
    assert (in_the_way.returncode, in_the_way.stdout, in_the_way.stderr.count("Cannot write into")) == (2, "", 1)
    assert emulator.calls() == before


def test_the_secrets_of_each_deployment_are_hidden(workplace: Workplace, emulator: Standing) -> None:
    code = workplace.folder / "code"
    code.mkdir()
    lines = (
        "import os",
        "def lambda_handler(event, context):",
        "    raise RuntimeError('not ' + os.environ['PASSWORD'])",
    )
    (code / "handler.py").write_text("\n".join(lines))
    secrets = {"PW_ONE": "first-secret", "PW_TWO": "second-secret"}
    deployments = {
        f"hides-{name[3:].lower()}": {
            "function": {"source": str(code), "environment": {"PASSWORD": f"${{env:{name}}}"}}
        }
        for name in secrets
    }
    fleet = write_fleet(workplace.folder, emulator.url, deployments, job={})
    done = workplace.geopipe(
        *("run", fleet, "--non-interactive", "--cleanup=all", "--output-dir", "out", "--jobs", "1"), env=secrets
    )
    assert done.returncode == 3 and done.stderr.count("not (hidden)") >= 2, done.stderr
    saved = [path.read_text() for path in (workplace.folder / "out").rglob("*") if path.is_file()]
    assert not any(secret in text for secret in secrets.values() for text in (done.stdout, done.stderr, *saved))


def test_what_is_ambiguous_is_refused_before_any_call(workplace: Workplace, emulator: Standing) -> None:
    before = emulator.calls()
    fleet = write_fleet(workplace.folder, emulator.url, {"one": {}, "two": {}})
    quiet = ("cleanup", fleet, "--cleanup=all", "--non-interactive")
    single = workplace.folder / "single.yaml"
    single.write_text("extends: fleet.yaml\n")
    twin = yaml.safe_load(fleet.read_text()) | {"deployment": "three", "bucket": {"name": "one-data"}}
    del twin["deployments"]
    single.write_text(yaml.safe_dump(twin))
    for arguments, message in {
        ("apply", fleet, single, "--non-interactive"): f"{fleet} (one) and {single}: bucket one-data, input file",
        ("apply", fleet): "`apply` on several deployments asks once, and the input ended",
        ("cleanup", fleet): "The clean-up policy of",
        ("logs", fleet): "are named: one, two.\nChoose one with --only, such as --only one.",
        ("stop", fleet, "--only", "*"): "`stop` is about one deployment, and these are named: one, two.",
        ("retry", fleet, single): f"`retry` is about one deployment; name one of these files: {fleet}, {single}",
        ("callbacks", "*.yaml"): "these are named: one, two, single.yaml.\nChoose one with --only",
        ("plan", fleet, "--adopt", "queue"): "--adopt is about one deployment",
        ("plan", fleet, "--plan-out", "plan.json"): "--plan-out is about one deployment",
        ("plan", fleet, "missing.yaml"): "There is no file 'missing.yaml'",
        (*quiet, "--confirm", "thre"): "--confirm names thre, and these are the deployments one, two.",
    }.items():
        refused = workplace.geopipe(*arguments)
        code = 5 if "--confirm" in arguments else 2
        assert (refused.returncode, refused.stderr.count("Traceback")) == (code, 0), refused.stderr
        assert message in refused.stderr
    assert emulator.calls() == before


def test_ctrl_c_ends_each_as_it_would_end_alone(workplace: Workplace, emulator: Standing) -> None:
    fleet = write_fleet(
        workplace.folder,
        emulator.url,
        {"first": {}, "second": {}, "third": {}},
        job={"provider": "sagemaker_geospatial"},
    )
    process = workplace.start("run", fleet, "--non-interactive", "--cleanup=all", "--jobs", "2")
    seen = wait_for_output(process, "second: executing")
    if "first: executing" not in seen:
        seen += wait_for_output(process, "first: executing")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    output = seen + process.stdout.read()
    assert process.wait(90) == 130, output
    for name in ("first", "second"):
        assert f"{name}: Error: Interrupted." in output
        assert f"To clean up: python run.py cleanup {fleet} --only {name}" in output
        locks = emulator.client("s3").list_objects_v2(Bucket=f"{name}-data", Prefix=f"geopipe/{name}/lock.json")
        assert locks["KeyCount"] == 0
    assert "third: Error: Interrupted. Nothing was done for this deployment." in output
    assert {row[-1] for row in rows_of(output).values()} == {"130"}

    # SIGTERM during the same runs: no one will come back, so the policy is applied.
    process = workplace.start("run", fleet, "--non-interactive", "--cleanup=all", "--only", "first,second")
    seen = wait_for_output(process, "second: executing")
    if "first: executing" not in seen:
        seen += wait_for_output(process, "first: executing")
    process.send_signal(signal.SIGTERM)
    output = process.stdout.read() if process.stdout else ""
    assert process.wait(90) == 130, output
    names = {name for names in emulator.inventory().values() for name in names}
    assert not [name for name in names if "first" in name or "second" in name], output


def test_a_person_is_asked_once_and_sees_a_line_for_each(workplace: Workplace, emulator: Standing) -> None:
    fleet = write_fleet(workplace.folder, emulator.url, {"asked-one": {}, "asked-two": {}})
    command = workplace.command("apply", fleet)
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    terminal = pexpect.spawn(command[0], command[1:], env=environment, encoding="utf-8", timeout=90)
    terminal.setwinsize(40, 120)
    terminal.expect("asked-two in account 123456789012, us-west-2")
    terminal.expect(r"apply 2 deployments in 1 account and 1 region\? \(y/n\)")
    terminal.sendline("y")
    terminal.expect("0 of 2 done")
    terminal.expect("deployment +account +region +changes")
    terminal.expect(r"asked-one .*\+19")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0

    command = workplace.command("cleanup", fleet, "--cleanup=all")
    terminal = pexpect.spawn(command[0], command[1:], env=environment, encoding="utf-8", timeout=90)
    terminal.expect(r"\(y/n\)")
    terminal.sendline("n")
    terminal.expect("was not confirmed")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 5


@pytest.mark.slow
def test_thirty_deployments_in_one_file(workplace: Workplace) -> None:
    """The example of the documentation: ten accounts, each an emulator that its three regions share."""
    valid = workplace.geopipe("validate", ROOT / FLEET)
    assert valid.returncode == 0, valid.stderr
    assert len(rows_of(valid.stdout)) == 30
    arguments = ("--set", "target=local", "--jobs", "3", "--output", "json", "--detailed-exitcode")
    planned = workplace.start("plan", ROOT / FLEET, *arguments)
    output, _ = planned.communicate(timeout=600)
    assert planned.returncode == 4, output
    events = [json.loads(line) for line in output.splitlines()]
    results = events[-2]["deployments"]
    assert len(results) == 30
    assert len({(result["account_id"], result["region"]) for result in results}) == 30
    assert {(result["exit_code"], result["changes"]["create"]) for result in results} == {(4, 19)}
