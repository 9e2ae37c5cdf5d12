"""Examples of every event, in each of its forms."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from geopipe_runner import events
from geopipe_runner.config.origins import ValueWithOrigin
from geopipe_runner.errors import AwsError, ConfigError, ExecutionFailed, Failure, Problem
from geopipe_runner.events import DeploymentResult, Event
from geopipe_runner.kinds.base import MISSING, Change
from geopipe_runner.pipeline.definition import StepOutline
from geopipe_runner.pipeline.execution import ExecutionInput, ExecutionView, StepView
from geopipe_runner.pipeline.step_graph import StepNeed, StepNode
from geopipe_runner.reconcile.apply import ChangeResult
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from geopipe_runner.results.read import Results
from tests.support.runner_fakes import deployment, seen, shipped, thing

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = "a-callback-token"
STEP = StepView("one", "Callback", "Executing", NOW, None, outputs={"x": "y"}, token=TOKEN)
VIEW = ExecutionView("arn:e", "Executing", "run", NOW, steps=(STEP,))
FAILURE = Failure("job-failed", "it broke", "one", None, ("line",))
CHANGES = (Change("a.b", MISSING, {"c": [1]}), Change("d", "e", MISSING))
PLAN = Plan(
    (
        PlannedChange(thing("a"), Action.CREATE),
        PlannedChange(thing("b"), Action.UPDATE, seen(thing("b")), CHANGES),
        PlannedChange(thing("c"), Action.REFUSE, seen(thing("c")), reason="it is theirs"),
    )
)
GRAPH = (
    StepNode("decide", "Condition", "", "", ()),
    StepNode("one", "Lambda", "decide", "if true", (StepNeed("two", ("output a",), trigger="Failed"),)),
)
RESULTS_OF_SEVERAL = (
    DeploymentResult("a", "a", "123456789012", "eu-west-1", "fleet.yaml", {"create": 2}, "Succeeded", 200, 1.5),
    DeploymentResult("b.yaml", "b.yaml", None, None, "b.yaml", exit_code=2),
)
EXAMPLES: list[Event] = [
    events.SeveralFinished(RESULTS_OF_SEVERAL, 2),
    events.Welcome(),
    events.Valid("c.yaml"),
    events.Connected(shipped(), deployment().account),
    events.Planned(shipped(), deployment().account, PLAN),
    events.SetupBegins(shipped(), PLAN),
    events.StepDone(ChangeResult(PLAN.steps[0], "id")),
    events.StepDone(ChangeResult(PLAN.steps[0], "", AwsError("no", "hint"))),
    events.Note("note"),
    events.ExecutionStarted("arn:e", "run", False, ExecutionInput({"p": "1"}, (StepOutline("one", "Lambda", ()),))),
    events.ExecutionSeen(VIEW),
    events.ExecutionEnded(VIEW),
    events.ExecutionShown(VIEW, ("why",), FAILURE),
    events.ExecutionShown(VIEW, ()),
    events.CallbackWaiting("arn:e", "one", NOW, "job IN_PROGRESS", None),
    events.CallbackWaiting("arn:e", "one", None, "job COMPLETED", "success"),
    events.GraphShown("p", GRAPH, "text"),
    events.ConfigShown(
        (ValueWithOrigin("tags", {"team": "maps"}, "c.yaml:2"), ValueWithOrigin("profile", None, "default"))
    ),
    events.CheckDone("clock", "ok", "It agrees with the endpoint's."),
    events.CheckDone("endpoint", "problem", "Nothing listens there.", "Start the emulator."),
    events.TextPrinted("a script\nof two lines\n"),
    events.LinksShown(
        shipped(), deployment().account, "https://console", (events.ConsoleLink("queue", "queue", "q", "https://q"),)
    ),
    events.LogRead("arn:e", ("a line",)),
    events.LogLineRead(NOW, "function", "one line"),
    events.LogLineRead(NOW, "function", "a line\nand its next", with_function=True),
    events.ResultsRead(Results("b", ("k",), ("h",), (("1",),), 1, 1, Path("results.csv"), 9, (Path("results.csv"),))),
    events.ResultsRead(Results("b", (), (), (), None, None, None, warnings=("odd",))),
    events.Transferred("Uploading x", 1, 2),
    events.StudioInstructions("p", "r"),
    events.Failed(AwsError("x")),
    events.Failed(ExecutionFailed("x", "y", FAILURE)),
    events.Failed(ConfigError([Problem("c.yaml", 1, 2, "wrong", "right")])),
    events.CleanupBegins(),
    events.CleanupPlanned(PLAN),
    events.Deleted(ChangeResult(PLAN.steps[1])),
    events.Complete(PLAN.steps),
    events.Finished(0),
]
