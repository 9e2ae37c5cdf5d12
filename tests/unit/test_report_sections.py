"""The set-up's sections: in the specification's order, each once it is complete, whatever order the work is done in."""

from __future__ import annotations

import itertools
import random

import pytest
from runner_fakes import config, deployment, shipped

from geopipe_runner.config import Config
from geopipe_runner.errors import AwsError
from geopipe_runner.reconcile.applier import Outcome
from geopipe_runner.reconcile.blueprint import draw
from geopipe_runner.reconcile.model import Action, Plan, Step
from geopipe_runner.report.sections import RULE, Sections

HEADINGS = [
    "Checking for role named SageMakerExampleLambdaRole.",
    "Checking for role named SageMakerExampleRole.",
    "Setting up the Lambda function for the pipeline.",
    "Setting up queue sagemaker-sdk-example-queue.",
    "Setting up bucket geopipe-local-123456789012.",
    "Now we can create and execute our pipeline.",
    "Setting up the pipeline.",
]


class Transcript:
    """A plan in which everything has one action, and what is printed of it."""

    def __init__(self, given: Config | None = None, action: Action = Action.CREATE) -> None:
        self.said: list[str] = []
        resources = draw(deployment(given)).resources
        self.steps = {resource.key: Step(resource, action) for resource in resources}
        self.sections = Sections(given or shipped(), Plan(tuple(self.steps.values())), self.said.append)

    def done(self, *keys: str, error: Exception | None = None) -> Transcript:
        for key in keys:
            self.sections.add(Outcome(self.steps[key], f"id-{key}", error))
        return self

    @property
    def headings(self) -> list[str]:
        return [line for line in self.said if not line.startswith(" ") and line != RULE]


def whole(*order: str) -> list[str]:
    transcript = Transcript()
    return transcript.done(*(order or transcript.steps)).said


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
    keys = list(Transcript().steps)
    chance = random.Random(7)
    for _ in range(50):
        assert whole(*chance.sample(keys, len(keys))) == expected


def test_a_section_waits_for_those_before_it() -> None:
    transcript = Transcript().done("pipeline", "bucket", "input", "sagemaker_role", "sagemaker_policy", "lambda_role")
    assert transcript.said == []
    transcript.done("lambda_policy")
    assert transcript.headings == HEADINGS[:2]
    transcript.done("log_group", "function")
    assert transcript.headings == HEADINGS[:3]
    transcript.done("queue", "dead_letter_queue", "mapping", "dead_letter_mapping")
    assert transcript.headings == HEADINGS
    assert transcript.said[-1] == RULE


def test_a_question_opens_its_section_once() -> None:
    transcript = Transcript(action=Action.UPDATE)
    transcript.done("lambda_role", "lambda_policy", "sagemaker_role", "sagemaker_policy", "log_group")
    transcript.sections.open_for(transcript.steps["function"])
    assert transcript.said[-1] == HEADINGS[2]
    transcript.done("function")
    assert transcript.said[-1] == "        Lambda ready with ARN id-function (updated)."
    assert transcript.headings.count(HEADINGS[2]) == 1


@pytest.mark.parametrize(
    ("action", "reason", "text"),
    [(Action.UPDATE, "", "updated"), (Action.KEEP, "", "unchanged"), (Action.KEEP, "declined", "left as it is")],
)
def test_what_was_done(action: Action, reason: str, text: str) -> None:
    transcript = Transcript(action=action)
    transcript.steps = {key: Step(step.resource, action, reason=reason) for key, step in transcript.steps.items()}
    transcript.done(*transcript.steps)
    assert f"        Lambda ready with ARN id-function ({text})." in transcript.said
    assert f"        IAM role SageMakerExampleRole: {text}." in transcript.said


def test_after_a_failure_what_has_begun_is_shown() -> None:
    transcript = Transcript().done("lambda_role", "bucket")
    transcript.done("queue", error=AwsError("no"))
    transcript.sections.close()
    assert transcript.headings == [HEADINGS[0], HEADINGS[3], HEADINGS[4]]
    assert "        Failed to create queue sagemaker-sdk-example-queue." in transcript.said
    assert transcript.said[-1] == RULE
    before = list(transcript.said)
    transcript.sections.close()
    assert transcript.said == before


def test_sections_of_what_is_not_ours_to_make_are_still_announced() -> None:
    arns = config(
        iam={
            name: type(shipped().iam.lambda_role)("given", f"arn:aws:iam::123456789012:role/{name}", managed=False)
            for name in ("lambda_role", "sagemaker_role")
        }
    )
    transcript = Transcript(arns)
    assert "lambda_role" not in transcript.steps
    transcript.done(*transcript.steps)
    assert transcript.headings == ["Checking for role named given."] * 2 + HEADINGS[2:]


def test_rules_stand_between_sections_and_in_pairs_between_blocks() -> None:
    runs = [len(list(group)) for is_rule, group in itertools.groupby(whole(), RULE.__eq__) if is_rule]
    assert runs == [1, 1, 1, 2, 1, 2, 2, 1]
