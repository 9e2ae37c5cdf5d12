"""Values of the configuration that are secret: by their name, and because they came from the environment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from geopipe_runner import events, hidden_values
from geopipe_runner.documents import DIFFERENT, shown_sides
from geopipe_runner.hidden_values import HIDDEN, hide_secret
from geopipe_runner.kinds.base import MISSING, Change
from geopipe_runner.pipeline.execution import ExecutionInput, ExecutionView, StepView
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from geopipe_runner.report.escape import to_json
from geopipe_runner.report.text.plan import plan_lines
from tests.support.runner_fakes import deployment, shipped, thing

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DSN = "postgres://geo:hush-hush@db/geo"


@pytest.fixture
def environment() -> Iterator[None]:
    """What the configuration took from environment variables."""
    hidden_values.hide({DSN, "hush-hush", "eu"})
    yield
    hidden_values.forget_all()


@pytest.mark.parametrize("name", ["db_password", "API_KEY", "oauth.auth", "apiToken", "AWS_SECRET_ACCESS_KEY"])
def test_a_secret_is_recognized_by_its_name(name: str) -> None:
    assert hide_secret(name, "hush") == HIDDEN


@pytest.mark.parametrize("name", ["author", "vej_arn", "keyboard", "QUEUE_URL"])
def test_values_with_other_names_are_shown(name: str) -> None:
    assert hide_secret(name, "x") == "x"


def test_an_environment_is_shown_without_its_secrets() -> None:
    assert shown_sides(Change("environment.API_KEY", "old", "new")) == (HIDDEN, DIFFERENT)
    assert shown_sides(Change("environment.API_KEY", MISSING, "new")) == (MISSING, HIDDEN)
    assert shown_sides(Change("environment", {}, {"API_KEY": "hush", "MODE": "fast"})) == (
        {},
        {"API_KEY": HIDDEN, "MODE": "fast"},
    )


def test_a_policy_that_mentions_secrets_is_shown() -> None:
    change = Change("document.Allow secretsmanager:GetSecretValue", "a", "b")
    assert shown_sides(change) == ("a", "b")


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("postgres://before", DSN, (HIDDEN, DIFFERENT)),
        (DSN, "none", (HIDDEN, DIFFERENT)),
        (MISSING, "x hush-hush x", (MISSING, HIDDEN)),
        ("us", "eu", (HIDDEN, DIFFERENT)),
        ("neutral", "europe", ("neutral", "europe")),  # a short value counts only as a whole
        ({}, {"a": DSN, "b": "c"}, ({}, {"a": HIDDEN, "b": "c"})),
        (["x"], ["x", "hush-hush"], (HIDDEN, DIFFERENT)),
        (1, 2, (1, 2)),
    ],
)
@pytest.mark.usefixtures("environment")
def test_a_difference_of_a_value_from_the_environment_shows_only_that_it_differs(
    old: object, new: object, shown: tuple[object, object]
) -> None:
    for path in ("tags.dsn", "environment.DATABASE", "description"):
        assert shown_sides(Change(path, old, new)) == shown


def test_a_url_with_a_password_is_hidden_wherever_it_came_from() -> None:
    change = Change("description", "https://a:b@c", "https://example.org:443/@x")
    assert shown_sides(change) == (HIDDEN, DIFFERENT)
    assert shown_sides(Change("description", "x", "https://example.org:443/@x"))[1] == "https://example.org:443/@x"


@pytest.mark.usefixtures("environment")
def test_no_plan_parameter_or_output_shows_a_secret() -> None:
    changes = (Change("environment.API_KEY", "hush-1", "hush-2"), Change("tags.dsn", "hush-3", DSN))
    plan = Plan((PlannedChange(thing("a"), Action.UPDATE, changes=changes),))
    step = StepView("one", "Lambda", "Succeeded", NOW, NOW, outputs={"api_token": "hush", "rows": "2", "x": DSN})
    execution_input = ExecutionInput({"dsn": DSN, "mode": "eu", "rows": "2"})
    emitted = [
        events.Planned(shipped(), deployment().account, plan),
        events.CleanupPlanned(plan),
        events.ExecutionSeen(ExecutionView("arn:e", "Executing", "run", steps=(step,))),
        events.ExecutionStarted("arn:e", "run", False, execution_input),
    ]
    text = "\n".join([*map(str, plan_lines(plan)), *(to_json(event.document()) for event in emitted)])
    assert "hush" not in text and DIFFERENT in text
    assert emitted[2].document()["steps"][0]["outputs"] == {"api_token": HIDDEN, "rows": "2", "x": HIDDEN}
    assert emitted[3].document()["parameters"] == {"dsn": HIDDEN, "mode": HIDDEN, "rows": "2"}
