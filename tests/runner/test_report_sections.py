"""The sections of the set-up: in the specification's order, each when it is complete, in any order of the work."""

from __future__ import annotations

import itertools
import random

import pytest

from geopipe_runner.config import Config
from geopipe_runner.errors import AwsError
from geopipe_runner.reconcile.apply import ChangeResult
from geopipe_runner.reconcile.blueprint import build_blueprint
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from geopipe_runner.report.text.transcript import RULE, SetupTranscript
from tests.support.runner_fakes import config, deployment, shipped

HEADINGS = [
    "Checking for role named SageMakerExampleLambdaRole.",
    "Checking for role named SageMakerExampleRole.",
    "Setting up the Lambda function for the pipeline.",
    "Setting up queue sagemaker-sdk-example-queue.",
    "Setting up bucket geopipe-local-123456789012.",
    "Now we can create and execute our pipeline.",
    "Setting up the pipeline.",
]


class PrintedSetup:
    """A plan in which everything has one action, and what is printed of it."""

    def __init__(self, configuration: Config | None = None, action: Action = Action.CREATE) -> None:
        self.lines: list[str] = []
        resources = build_blueprint(deployment(configuration)).resources
        self.steps = {resource.key: PlannedChange(resource, action) for resource in resources}
        self.transcript = SetupTranscript(
            configuration or shipped(), Plan(tuple(self.steps.values())), self.lines.append
        )

    def done(self, *keys: str, error: Exception | None = None) -> PrintedSetup:
        for key in keys:
            self.transcript.add(ChangeResult(self.steps[key], f"id-{key}", error))
        return self

    @property
    def headings(self) -> list[str]:
        return [line for line in self.lines if not line.startswith(" ") and line != RULE]


def whole(*order: str) -> list[str]:
    setup = PrintedSetup()
    return setup.done(*(order or setup.steps)).lines


def test_the_whole_set_up_as_the_specification_shows_it() -> None:
    text = "\n".join(whole()).replace(RULE, "---")
    assert (
        text
        == """---
Checking for role named SageMakerExampleLambdaRole.
        IAM role SageMakerExampleLambdaRole: created.
        IAM policy SageMakerExampleLambdaRole-local: created.
---
Checking for role named SageMakerExampleRole.
        IAM role SageMakerExampleRole: created.
        IAM policy SageMakerExampleRole-local: created.
---
Setting up the Lambda function for the pipeline.
        Log group /aws/lambda/SageMakerExampleFunction: created.
        Lambda ready with ARN id-function (created).
---
---
Setting up queue sagemaker-sdk-example-queue.
        Queue sagemaker-sdk-example-queue-dlq: created.
        Queue sagemaker-sdk-example-queue: created.
        Event source mapping sagemaker-sdk-example-queue -> SageMakerExampleFunction: created.
        Event source mapping sagemaker-sdk-example-queue-dlq -> SageMakerExampleFunction: created.
---
Setting up bucket geopipe-local-123456789012.
        Bucket geopipe-local-123456789012 ready (created).
        Input file s3://geopipe-local-123456789012/input/latlongtest.csv: created.
---
---
Now we can create and execute our pipeline.
---
---
Setting up the pipeline.
        Pipeline set up with ARN id-pipeline (created).
---"""
    )


def test_any_order_of_work_gives_the_same_text() -> None:
    expected = whole()
    keys = list(PrintedSetup().steps)
    chance = random.Random(7)
    for _ in range(50):
        assert whole(*chance.sample(keys, len(keys))) == expected


def test_a_section_waits_for_those_before_it() -> None:
    setup = PrintedSetup().done("pipeline", "bucket", "input", "sagemaker_role", "sagemaker_policy", "lambda_role")
    assert setup.lines == []
    setup.done("lambda_policy")
    assert setup.headings == HEADINGS[:2]
    setup.done("log_group", "function")
    assert setup.headings == HEADINGS[:3]
    setup.done("queue", "dead_letter_queue", "mapping", "dead_letter_mapping")
    assert setup.headings == HEADINGS
    assert setup.lines[-1] == RULE


def test_a_question_opens_its_section_once() -> None:
    setup = PrintedSetup(action=Action.UPDATE)
    setup.done("lambda_role", "lambda_policy", "sagemaker_role", "sagemaker_policy", "log_group")
    setup.transcript.open_for(setup.steps["function"])
    assert setup.lines[-1] == HEADINGS[2]
    setup.done("function")
    assert setup.lines[-1] == "        Lambda ready with ARN id-function (updated)."
    assert setup.headings.count(HEADINGS[2]) == 1


@pytest.mark.parametrize(
    ("action", "reason", "text"),
    [(Action.UPDATE, "", "updated"), (Action.KEEP, "", "unchanged"), (Action.KEEP, "declined", "left as it is")],
)
def test_what_was_done(action: Action, reason: str, text: str) -> None:
    setup = PrintedSetup(action=action)
    setup.steps = {key: PlannedChange(step.resource, action, reason=reason) for key, step in setup.steps.items()}
    setup.done(*setup.steps)
    assert f"        Lambda ready with ARN id-function ({text})." in setup.lines
    assert f"        IAM role SageMakerExampleRole: {text}." in setup.lines


def test_after_a_failure_what_has_begun_is_shown() -> None:
    setup = PrintedSetup().done("lambda_role", "bucket")
    setup.done("queue", error=AwsError("no"))
    setup.transcript.close()
    assert setup.headings == [HEADINGS[0], HEADINGS[3], HEADINGS[4]]
    assert "        Failed to create queue sagemaker-sdk-example-queue." in setup.lines
    assert setup.lines[-1] == RULE
    before = list(setup.lines)
    setup.transcript.close()
    assert setup.lines == before


def test_sections_of_resources_that_are_only_used_are_printed_too() -> None:
    configuration = config(
        iam={
            name: type(shipped().iam.lambda_role)("used", f"arn:aws:iam::123456789012:role/{name}", managed=False)
            for name in ("lambda_role", "sagemaker_role")
        }
    )
    setup = PrintedSetup(configuration)
    assert setup.steps["lambda_role"].resource.is_used and "lambda_policy" not in setup.steps
    setup.done(*setup.steps)
    assert setup.headings == ["Checking for role named used."] * 2 + HEADINGS[2:]


def test_rules_stand_between_sections_and_in_pairs_between_blocks() -> None:
    runs = [len(list(group)) for is_rule, group in itertools.groupby(whole(), RULE.__eq__) if is_rule]
    assert runs == [1, 1, 1, 2, 1, 2, 2, 1]
