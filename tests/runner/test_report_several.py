"""The table at the end of a command on several deployments: its columns, and what fills them."""

from __future__ import annotations

import io
from typing import Any, get_args

import pytest

from geopipe_runner import events
from geopipe_runner.cli.commands import load_commands, takes_several
from geopipe_runner.events import DeploymentResult, ResultColumn
from geopipe_runner.reconcile.apply import ChangeResult
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from geopipe_runner.report.outcome import OutcomeWatch
from geopipe_runner.report.text.report import TextReport
from tests.support.runner_fakes import seen, thing

RESULTS = (
    DeploymentResult(
        "places-eu", "places-eu", "123456789012", "eu-west-1", "f.yaml", {"create": 2}, "Failed", 1200, 1.5
    ),
    DeploymentResult("b", "b", None, None, "b.yaml", exit_code=2),
)


def table(columns: tuple[ResultColumn, ...]) -> list[str]:
    output = io.StringIO()
    TextReport(output, io.StringIO(), None).emit(events.SeveralFinished(RESULTS, 2, columns))
    return output.getvalue().splitlines()


def test_all_columns() -> None:
    assert table(("changes", "execution", "rows")) == [
        "deployment  account       region     changes  execution   rows   time  exit code",
        "places-eu   123456789012  eu-west-1  +2       Failed     1,200  1.5 s          0",
        "b           -             -          -        -              -  0.0 s          2",
    ]


def test_only_the_columns_that_a_command_can_fill() -> None:
    assert table(()) == [
        "deployment  account       region      time  exit code",
        "places-eu   123456789012  eu-west-1  1.5 s          0",
        "b           -             -          0.0 s          2",
    ]
    assert table(("execution",))[1] == "places-eu   123456789012  eu-west-1  Failed     1.5 s          0"


def test_every_command_on_several_deployments_names_columns_that_exist() -> None:
    modules: dict[str, Any] = {name: module for name, module in load_commands().items() if takes_several(module)}
    assert {column for module in modules.values() for column in module.COLUMNS} == set(get_args(ResultColumn))
    assert {name for name, module in modules.items() if not module.COLUMNS} == {"doctor", "open", "validate"}


CLEANUP = Plan(
    (
        PlannedChange(thing("a"), Action.DELETE, seen(thing("a"))),
        PlannedChange(thing("b"), Action.KEEP, seen(thing("b"))),
    )
)


@pytest.mark.parametrize(
    ("before", "planned"), [((), {"delete": 1}), ((events.StepDone(ChangeResult(CLEANUP.steps[1], "id")),), {})]
)
def test_a_planned_cleanup_is_counted_unless_something_was_done(
    before: tuple[events.Event, ...], planned: dict[str, int]
) -> None:
    watch = OutcomeWatch(RESULTS[1])
    for event in (*before, events.CleanupPlanned(CLEANUP)):
        watch.handle(event)
    assert watch.result.changes == planned
    watch.handle(events.Deleted(ChangeResult(CLEANUP.steps[0], "id")))
    assert watch.result.changes == {"delete": 1}
