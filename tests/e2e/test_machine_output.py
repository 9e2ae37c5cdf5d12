"""What programs read: events as JSON lines, the plan as a file, the summary of a CI job, exit codes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.e2e import Standing, StartStanding, Workplace
from tests.support.event_schema import EVENTS, SCHEMA

PLAN = Draft202012Validator(SCHEMA | {"oneOf": [{"$ref": "#/$defs/saved_plan"}]})


def _events(text: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in text.splitlines()]
    for event in events:
        EVENTS.validate(event)
    assert events
    return events


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_whole_run_as_json(workplace: Workplace) -> None:
    """Through a shell, as CI runs it: with pipefail, and no standard input."""
    config, plan = workplace.config(), workplace.folder / "plan.json"
    command = " ".join(workplace.command(config, "--output", "json", "--cleanup=all", "--plan-out", plan))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} </dev/null | cat"], capture_output=True, text=True, timeout=90
    )
    assert (done.returncode, done.stderr) == (0, "")
    events = _events(done.stdout)
    kinds = [event["event"] for event in events]
    assert kinds[0] == "welcome" and kinds[-1] == "finished"
    assert kinds.count("resource") == 13 and kinds.count("deleted") == 13
    (results,) = (event for event in events if event["event"] == "results")
    assert (results["rows"], results["valid"], len(results["first_rows"])) == (200, 200, 5)
    saved = json.loads(plan.read_text())
    PLAN.validate(saved)
    planned = next(event["plan"] for event in events if event["event"] == "planned")
    shown = [{name: value for name, value in step.items() if name != "fingerprints"} for step in saved["steps"]]
    assert {**saved, "steps": shown} | planned == {**saved, "steps": shown}
    assert saved["summary"]["create"] == 13


def test_no_callback_token_is_shown(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--job-seconds", "600")
    config = workplace.config(endpoint=standing.url, execution={"timeout": 2})
    done = workplace.geopipe(config, "--output", "json", "--cleanup=none")
    assert done.returncode == 3
    sagemaker = standing.client("sagemaker")
    name = "sagemaker-sdk-example-pipeline"
    arn = sagemaker.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"][0]["PipelineExecutionArn"]
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
    tokens = [s["Metadata"]["Callback"]["CallbackToken"] for s in steps if "Callback" in s.get("Metadata", {})]
    assert tokens
    assert not any(token in done.stdout + done.stderr for token in tokens)
    _events(done.stdout)


def test_values_from_the_environment_are_hidden_in_a_plan(workplace: Workplace, standing: Standing) -> None:
    """Not in the differences, and nowhere else: neither in the output, nor in the files, nor in the CI summary."""
    password = "s3same-open-s3same"
    variables = {"DSN": f"postgres://geo:{password}@db/geo", "TEAM": "maps-and-roads"}
    config = workplace.config(
        endpoint=standing.url,
        tags={"team": "${env:TEAM}"},
        function={"environment": {"DATABASE": "${env:DSN}", "MODE": "fast"}},
    )
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none", env=variables).returncode == 0

    changed = {"DSN": f"postgres://geo:new-{password}@db/geo", "TEAM": "maps-and-rivers"}
    plan, summary = workplace.folder / "plan.json", workplace.folder / "summary.md"
    env = changed | {"GITHUB_STEP_SUMMARY": str(summary)}
    text = workplace.geopipe("plan", config, "--plan-out", plan, env=env)
    assert text.returncode == 0, text.stderr
    assert 'environment.DATABASE: "(hidden)" → "(hidden, differs)"' in text.stdout
    assert 'tags.team: "(hidden)" → "(hidden, differs)"' in text.stdout
    lines = workplace.geopipe("plan", config, "--output", "json", env=changed)
    out = workplace.folder / "out"
    run = workplace.geopipe(config, "--non-interactive", "--cleanup=all", "--output-dir", out, env=env)
    assert run.returncode == 0, run.stderr

    texts = [text.stdout, lines.stdout, run.stdout, *(path.read_text("utf-8") for path in (plan, summary))]
    texts += [path.read_text("utf-8", "replace") for path in out.iterdir()]
    for shown in texts:
        assert password not in shown and "maps-and-r" not in shown
    changes = [change for step in json.loads(plan.read_text())["steps"] for change in step["changes"]]
    assert {"path": "environment.DATABASE", "old": "(hidden)", "new": "(hidden, differs)"} in changes


def test_failures_are_events_too(workplace: Workplace) -> None:
    wrong = workplace.folder / "wrong.yaml"
    wrong.write_text("deployment: x\nregionn: us-west-2\n")
    done = workplace.geopipe(wrong, "--output", "json")
    assert done.returncode == 2
    failed, finished = _events(done.stdout)
    assert failed["problems"][0]["line"] >= 1 and finished["exit_code"] == 2
    assert f"{wrong}:2:1: " in done.stderr


def test_changes_pending_is_exit_code_four(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    assert workplace.geopipe("plan", config, "--detailed-exitcode").returncode == 4
    assert workplace.geopipe("plan", config).returncode == 0
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 0
    assert workplace.geopipe(config, "--dry-run", "--detailed-exitcode").returncode == 0
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none", "--plan-out", "/no/such/p").returncode == 1


def test_job_summary_is_appended(workplace: Workplace) -> None:
    summary = workplace.folder / "summary.md"
    summary.write_text("before\n")
    done = workplace.geopipe(
        workplace.config(), "--non-interactive", "--cleanup=all", env={"GITHUB_STEP_SUMMARY": str(summary)}
    )
    assert done.returncode == 0
    text = summary.read_text()
    assert text.startswith("before\n## geopipe\n")
    assert "**Plan: 13 to create" in text and "200 rows, 200 of them Valid Data." in text
    assert "Everything is cleaned up." in text


@pytest.mark.parametrize("redirect", ["</dev/null", "<&-"], ids=["empty", "closed"])
def test_non_interactive_never_reads(workplace: Workplace, redirect: str) -> None:
    command = " ".join(workplace.command(workplace.config(), "--non-interactive"))
    done = subprocess.run(["bash", "-c", f"{command} {redirect}"], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert "Everything is kept: the clean-up policy is `ask`, and questions are off." in done.stdout


def test_output_that_is_cut_short_is_not_a_traceback(workplace: Workplace) -> None:
    command = " ".join(workplace.command("plan", workplace.config()))
    done = subprocess.run(["bash", "-c", f"{command} | head -1"], capture_output=True, text=True, timeout=90)
    assert done.stdout.startswith("Deployment local")
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_output_dir_that_cannot_be_written(workplace: Workplace) -> None:
    blocked = workplace.folder / "file"
    blocked.write_text("")
    done = workplace.geopipe(workplace.config(), "--non-interactive", "--cleanup=all", "--output-dir", blocked / "out")
    assert done.returncode == 2
    assert "--output-dir" in done.stderr and "Traceback" not in done.stderr
    assert Path(blocked).read_text() == ""
