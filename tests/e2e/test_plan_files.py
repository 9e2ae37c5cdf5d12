"""A plan is saved, reviewed and applied; it is refused with the difference once anything has changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from geopipe_runner import __version__
from tests.support.e2e import Standing, Workplace
from tests.support.event_schema import SCHEMA
from tests.support.paths import ROOT

FUNCTION = "SageMakerExampleFunction"
SECRET, PIN = "hunter2-hunter2", "4711"
SAVED_PLAN = Draft202012Validator({**SCHEMA, "oneOf": [{"$ref": "#/$defs/saved_plan"}]})


def _config(workplace: Workplace, standing: Standing, **changes: Any) -> Path:
    """A configuration with code of its own, and with secrets."""
    code = workplace.folder / "code"
    if not code.exists():
        shutil.copytree(ROOT / "lambda", code)
    environment = {"DATABASE": "${env:DSN}", "API_TOKEN": PIN}
    function = {"source": str(code), "environment": environment}
    return workplace.config(endpoint=standing.url, cleanup="none", function=function, **changes)


def test_a_reviewed_plan_is_applied_if_nothing_has_changed(workplace: Workplace, standing: Standing) -> None:
    plan = workplace.folder / "plan.json"
    _config(workplace, standing)
    env = {"DSN": SECRET}
    more = ("--set", "function.timeout=77", "--set", "function.environment.PASSWORD=set-hunter2")
    planned = workplace.geopipe("plan", "config.yaml", "--out", plan, *more, env=env)
    assert planned.returncode == 0, planned.stderr
    text = plan.read_text()
    assert not any(secret in text for secret in (SECRET, PIN, "set-hunter2"))
    saved = json.loads(text)
    SAVED_PLAN.validate(saved)
    assert (saved["plan_file"], saved["geopipe"], saved["region"]) == (1, __version__, "us-west-2")
    assert saved["configuration"]["path"] == "config.yaml" and saved["summary"]["create"] == 13
    assert saved["configuration"]["values"]["function.timeout"] == 77
    assert saved["options"] == {"set": ["function.timeout=77"], "adopt": [], "prune": False}

    before = standing.mutating_calls()
    without_secret = workplace.geopipe("apply", plan, env=env)
    assert without_secret.returncode == 5 and "configuration: function.environment.PASSWORD" in without_secret.stderr
    another = workplace.geopipe("apply", plan, *more[2:], env={"DSN": "another-hunter2"})
    assert another.returncode == 5 and "a hidden value" in another.stderr and "hunter2" not in another.stderr
    assert standing.mutating_calls() == before

    applied = workplace.geopipe("apply", plan, *more[2:], env=env)
    assert applied.returncode == 0, applied.stderr
    settings = standing.client("lambda").get_function_configuration(FunctionName=FUNCTION)
    assert settings["Timeout"] == 77 and settings["Environment"]["Variables"]["API_TOKEN"] == PIN

    # What was created is not created again.
    again = workplace.geopipe("apply", plan, *more[2:], env=env)
    assert again.returncode == 5
    assert f"Lambda function {FUNCTION}: the plan is to create it, now it would be to keep it" in again.stderr
    assert f"plan config.yaml --set function.timeout=77 --out {plan}" in again.stderr


def test_a_plan_is_refused_for_each_thing_that_can_change(workplace: Workplace, standing: Standing) -> None:
    env, plan = {"DSN": SECRET}, workplace.folder / "plan.json"
    template = workplace.folder / "template.json.j2"
    shutil.copy(ROOT / "pipeline_templates/reverse_geocoding.json.j2", template)
    config = _config(workplace, standing, pipeline={"template": str(template)})
    assert workplace.geopipe("apply", config, env=env).returncode == 0
    config = _config(workplace, standing, pipeline={"template": str(template)}, tags={"stage": "next"})
    assert workplace.geopipe("plan", config, "--out", plan, env=env).returncode == 0
    code = workplace.folder / "code" / "handler.py"
    before = standing.mutating_calls()

    def refusal(*arguments: str) -> str:
        done = workplace.geopipe("apply", plan, *arguments, env=env)
        assert done.returncode == 5, done.stdout + done.stderr
        assert standing.mutating_calls() == before
        return done.stderr

    assert "configuration: cleanup" in refusal("--set", "cleanup=all")
    original = code.read_text()
    code.write_text(original + "\n# a change\n")
    assert f"Lambda function {FUNCTION}: the configuration, the code or the template asks for something else: code" in (
        refusal()
    )
    code.write_text(original)
    changed = template.read_text()
    template.write_text(changed.replace("vej-processing-step", "vej-starting-step"))
    assert "asks for something else: definition" in refusal()
    template.write_text(changed)

    functions = standing.client("lambda")
    functions.update_function_configuration(FunctionName=FUNCTION, MemorySize=1024)
    before = standing.mutating_calls()
    assert "changed in the account: memory" in refusal()
    functions.update_function_configuration(FunctionName=FUNCTION, MemorySize=256)
    applied = workplace.geopipe("apply", plan, env=env)  # all is as it was, and nothing is asked about the function
    assert applied.returncode == 0, applied.stderr
    assert "updated" in applied.stdout


def test_a_file_that_is_no_plan(workplace: Workplace, standing: Standing) -> None:
    config, plan = workplace.config(endpoint=standing.url), workplace.folder / "plan.json"
    calls = standing.calls()
    for content, message in (
        ('{"plan_file": 2}', "version 2"),
        ('{"plan_file": 1, "options": {"set": 7}}', "is no complete plan file"),
        ('{"plan_file": 1}', "is no complete plan file"),
        ('{\n  "plan_file": 1, "steps": [', "is no complete plan file"),
        ("{", "plan.json:1:"),
        ('{"deployment": 1}', "plan.json:1:"),
    ):
        plan.write_text(content)
        refused = workplace.geopipe("apply", plan)
        assert refused.returncode == 2 and message in refused.stderr, refused.stderr
        assert "Traceback" not in refused.stderr
    assert workplace.geopipe("plan", config, "--out", plan).returncode == 0
    saved, calls = plan.read_text(), standing.calls()
    for damage in (
        lambda document: document["steps"].append(document["steps"][0]),
        lambda document: document["steps"][0].update(kind=["queue"]),
        lambda document: document["steps"][0].update(name=None),
        lambda document: document["steps"][0].update(fingerprints={"desired": [], "present": {}}),
        lambda document: document["configuration"].update(values=[["region", "us-west-2"]]),
        lambda document: document["secrets"].update(salt="salt"),
    ):
        document = json.loads(saved)
        damage(document)
        plan.write_text(json.dumps(document))
        refused = workplace.geopipe("apply", plan)
        assert refused.returncode == 2 and "is no complete plan file" in refused.stderr, refused.stderr
    assert standing.calls() == calls
    embedded = workplace.config()
    for command in (("plan",), ("run", "--dry-run")):
        planned = workplace.geopipe(*command, embedded, "--plan-out", plan)
        assert planned.returncode == 0 and f"Warning: `apply` cannot apply {plan}" in planned.stdout
        assert "emulator.state_dir" in planned.stdout
    ended = workplace.geopipe("apply", plan)
    assert ended.returncode == 2 and "ends with its command cannot be applied" in ended.stderr
    elsewhere = workplace.geopipe("cleanup", plan)
    assert elsewhere.returncode == 2 and "only `apply` takes one.\nName the configuration" in elsewhere.stderr
    missing = workplace.geopipe("apply", "missing.json")
    assert missing.returncode == 2 and "Name a configuration, or a plan that was saved." in missing.stderr
    written = config.read_text()
    replaced = workplace.geopipe("plan", config, "--out", config)
    assert replaced.returncode == 2 and "a plan would replace it" in replaced.stderr
    assert config.read_text() == written and "Plan:" not in replaced.stdout
    config.unlink()
    gone = workplace.geopipe("apply", plan)
    assert gone.returncode == 2 and f"{plan} was made from" in gone.stderr
