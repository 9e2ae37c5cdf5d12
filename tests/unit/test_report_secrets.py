"""Values whose name says that they are secret get out nowhere: not in a plan, not as events, not in the record."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from runner_fakes import thing

from geopipe_runner.kinds.base import MISSING, Change
from geopipe_runner.pipeline.execution import ExecutionView, StepView
from geopipe_runner.reconcile.model import Action, Plan, Step
from geopipe_runner.report import events, plan_text
from geopipe_runner.report.documents import event_document
from geopipe_runner.report.paint import Paint
from geopipe_runner.report.secrets import HIDDEN, hidden, sides

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", ["db_password", "API_KEY", "oauth.auth", "apiToken", "AWS_SECRET_ACCESS_KEY"])
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert hidden(name, "hush") == HIDDEN


@pytest.mark.parametrize("name", ["author", "vej_arn", "keyboard", "QUEUE_URL"])
def test_other_names_are_told(name: str) -> None:
    assert hidden(name, "x") == "x"


def test_an_environment_is_told_without_its_secrets() -> None:
    assert sides(Change("environment.API_KEY", "old", "new")) == (HIDDEN, HIDDEN)
    assert sides(Change("environment.API_KEY", MISSING, "new")) == (MISSING, HIDDEN)
    assert sides(Change("environment", {}, {"API_KEY": "hush", "MODE": "fast"})) == (
        {},
        {"API_KEY": HIDDEN, "MODE": "fast"},
    )


def test_a_policy_that_speaks_of_secrets_is_none() -> None:
    change = Change("document.Allow secretsmanager:GetSecretValue", "a", "b")
    assert sides(change) == ("a", "b")


def test_neither_plan_nor_outputs_tell_one() -> None:
    changes = (Change("environment.API_KEY", "hush", "hush2"),)
    plan = Plan((Step(thing("a"), Action.UPDATE, changes=changes),))
    assert "hush" not in "\n".join(plan_text.lines(plan, Paint(False)))
    step = StepView("one", "Lambda", "Succeeded", NOW, NOW, outputs={"api_token": "hush", "rows": "2"})
    document = event_document(events.ExecutionSeen(ExecutionView("arn:e", "Executing", "run", steps=(step,))))
    assert "hush" not in json.dumps(document) and document["steps"][0]["outputs"] == {"api_token": HIDDEN, "rows": "2"}
    assert "hush" not in json.dumps(event_document(events.CleanupPlanned(plan)))
