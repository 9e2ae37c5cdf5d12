"""The execution stage against a pipeline that answers from a script."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, UnauthorizedSSOTokenError

from geopipe_runner.aws.account import Account
from geopipe_runner.aws.retry import Retrier
from geopipe_runner.config import load
from geopipe_runner.context import Context, Options, State
from geopipe_runner.deployment import Deployment
from geopipe_runner.errors import AwsError, ExecutionFailed, RefusedError
from geopipe_runner.events import ExecutionStarted, Note
from geopipe_runner.jobs.registry import job_of
from geopipe_runner.kinds.base import Artifacts
from geopipe_runner.pipeline import execution_input as request
from geopipe_runner.reconcile.apply import ChangeResult
from geopipe_runner.reconcile.blueprint import build_blueprint
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from geopipe_runner.stages import run
from geopipe_runner.stages.run import CredentialsExpired
from tests.support.paths import ROOT
from tests.support.reports import Recorder

ARN = "arn:aws:sagemaker:us-west-2:123456789012:pipeline/p/execution/abcdefghijkl"
OTHER = ARN.replace("abcdefghijkl", "zzzzzzzzzzzz")


class SleepingClock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


@dataclass
class ScriptedSageMaker:
    """Answers DescribePipelineExecution from `script`: a status, or an error to raise; the last one for ever."""

    script: list[str | Exception]
    running: list[dict[str, Any]] = field(default_factory=list)
    definition: str = "{}"
    parameters: dict[str, str] = field(default_factory=dict)
    started: list[dict[str, Any]] = field(default_factory=list)
    step_failures: list[str] = field(default_factory=list)

    def get_paginator(self, operation: str) -> Any:
        pages: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
            "list_pipeline_executions": lambda **_: iter([{"PipelineExecutionSummaries": self.running}]),
            "list_pipeline_execution_steps": lambda **_: iter([{"PipelineExecutionSteps": self._steps()}]),
            "list_pipeline_parameters_for_execution": lambda **_: iter(
                [{"PipelineParameters": [{"Name": n, "Value": v} for n, v in self.parameters.items()]}]
            ),
        }
        return type("Paginator", (), {"paginate": staticmethod(pages[operation])})

    def _steps(self) -> list[dict[str, Any]]:
        reasons = self.step_failures[:1]
        del self.step_failures[:1]
        return [{"StepName": "first", "StepStatus": "Failed", "FailureReason": reason} for reason in reasons]

    def describe_pipeline_execution(self, **_: str) -> dict[str, Any]:
        answer = self.script[0] if len(self.script) == 1 else self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"PipelineExecutionStatus": answer, "CreationTime": datetime(2026, 1, 1, tzinfo=UTC)}

    def describe_pipeline_definition_for_execution(self, **_: str) -> dict[str, Any]:
        return {"PipelineDefinition": self.definition}

    def start_pipeline_execution(self, **request: Any) -> dict[str, str]:
        self.started.append(request)
        return {"PipelineExecutionArn": ARN}


class EmptyLogs:
    """No log group."""

    def get_paginator(self, _operation: str) -> Any:
        return type("Paginator", (), {"paginate": staticmethod(lambda **_: iter([{"events": []}]))})


class DeniedLogs:
    """Logs that this caller may not read."""

    def get_paginator(self, _operation: str) -> Any:
        def paginate(**_: Any) -> Iterator[dict[str, Any]]:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "FilterLogEvents")

        return type("Paginator", (), {"paginate": staticmethod(paginate)})


class ScriptedAws:
    """The seam, with canned services."""

    def __init__(self, sagemaker: ScriptedSageMaker) -> None:
        self.account = Account("123456789012", "us-west-2")
        self.retrier = Retrier(on_wait=lambda _text: None, time=SleepingClock())
        self._clients = {"sagemaker": sagemaker, "logs": EmptyLogs()}

    def client(self, service: str) -> Any:
        return self._clients[service]


def _session(sagemaker: ScriptedSageMaker, report: Recorder, **options: Any) -> Context:
    loaded = load(ROOT / "config/local.yaml", {})
    config = replace(loaded, iam=replace(loaded.iam, propagation_timeout=300))
    aws: Any = ScriptedAws(sagemaker)
    deployment = Deployment(config, aws.account, job_of(config.job).rights)
    built = Artifacts({}, request.load_definition(deployment))
    blueprint = build_blueprint(deployment, built)
    return Context(config, Options(**options), report, Any, aws, blueprint, State())  # type: ignore[arg-type]


def run_pipeline(work: Context, *changed: str) -> None:
    """As the command `run` does it, after a plan that changes the resources `changed`."""
    steps = (PlannedChange(r, Action.UPDATE if r.key in changed else Action.KEEP) for r in work.blueprint.resources)
    run.run_pipeline(work, run.find_resumable(work, Plan(tuple(steps))))


def _client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribePipelineExecution")


@pytest.mark.parametrize(
    "error",
    [_client_error("ExpiredTokenException"), _client_error("ExpiredToken"), UnauthorizedSSOTokenError()],
    ids=lambda error: type(error).__name__,
)
def test_expired_credentials_leave_the_execution_alone(error: Exception) -> None:
    sagemaker = ScriptedSageMaker(["Executing", "Executing", error])
    with pytest.raises(CredentialsExpired) as raised:
        run_pipeline(_session(sagemaker, Recorder(), interactive=False))
    assert raised.value.exit_code == 1
    assert ARN in raised.value.hint and "resumes" in raised.value.hint


def test_another_error_while_polling_is_no_expiry() -> None:
    with pytest.raises(ClientError):
        run_pipeline(_session(ScriptedSageMaker([_client_error("AccessDeniedException")]), Recorder()))


@pytest.mark.parametrize("status", ["Failed", "Stopped", "CompletedWithFailures"])
def test_every_other_end_is_a_failure(status: str) -> None:
    with pytest.raises(ExecutionFailed) as raised:
        run_pipeline(_session(ScriptedSageMaker(["Executing", status]), Recorder()))
    assert raised.value.exit_code == 3
    assert f"ended {status}" in raised.value.message


def test_an_unknown_status_is_an_error() -> None:
    with pytest.raises(AwsError, match="unknown state 'Dreaming'"):
        run_pipeline(_session(ScriptedSageMaker(["Executing", "Dreaming"]), Recorder()))


@pytest.mark.slow
def test_the_total_timeout_ends_the_waiting_not_the_execution() -> None:
    session = _session(ScriptedSageMaker(["Executing"]), Recorder())
    with pytest.raises(ExecutionFailed, match="has not ended after 600 s; it continues"):
        run_pipeline(session)
    assert session.state.running == ARN


def _summary(arn: str, run_id: str, status: str = "Executing") -> dict[str, Any]:
    return {
        "PipelineExecutionArn": arn,
        "PipelineExecutionStatus": status,
        "PipelineExecutionDisplayName": run_id,
    }


def test_other_work_is_refused_without_new() -> None:
    sagemaker = ScriptedSageMaker(["Failed"], running=[_summary(OTHER, "a-run-of-others")])
    with pytest.raises(RefusedError, match="1 other execution") as raised:
        run_pipeline(_session(sagemaker, Recorder(), interactive=False))
    assert "--new" in raised.value.hint and sagemaker.started == []


@pytest.mark.parametrize(("answer", "starts"), [(True, 1), (False, 0)])
def test_other_work_is_asked_about(answer: bool, starts: int) -> None:
    sagemaker, report = ScriptedSageMaker(["Failed"], running=[_summary(OTHER, "a-run-of-others")]), Recorder(answer)
    with pytest.raises((ExecutionFailed, RefusedError)):
        run_pipeline(_session(sagemaker, report, interactive=True))
    assert len(report.questions) == 1 and len(sagemaker.started) == starts


def test_new_starts_another_one_without_asking() -> None:
    sagemaker, report = ScriptedSageMaker(["Failed"], running=[_summary(OTHER, "a-run-of-others")]), Recorder()
    with pytest.raises(ExecutionFailed):
        run_pipeline(_session(sagemaker, report, start_new=True))
    assert report.questions == [] and len(sagemaker.started) == 1


def test_an_execution_is_started_once() -> None:
    """Display name, client token and output prefix all carry the run id."""
    sagemaker = ScriptedSageMaker(["Failed"])
    with pytest.raises(ExecutionFailed):
        run_pipeline(_session(sagemaker, Recorder()))
    (asked,) = sagemaker.started
    run_id = asked["PipelineExecutionDisplayName"]
    assert 32 <= len(asked["ClientRequestToken"]) <= 128
    export = next(p for p in asked["PipelineParameters"] if p["Name"] == "parameter_vej_export_config")
    assert f"output/{run_id}/" in export["Value"]


def _granted(session: Context) -> Context:
    """As after a set-up that has just created the roles."""
    for resource in session.blueprint.resources:
        if resource.kind.name == "iam_role":
            session.state.progress.outcomes[resource.key] = ChangeResult(PlannedChange(resource, Action.CREATE))
    return session


def test_a_right_not_yet_known_everywhere_runs_it_again() -> None:
    reasons = ["AccessDeniedException: not authorized to perform lambda:InvokeFunction", "the handler raised"]
    sagemaker, report = ScriptedSageMaker(["Failed"], step_failures=reasons), Recorder()
    with pytest.raises(ExecutionFailed, match="the handler raised"):
        run_pipeline(_granted(_session(sagemaker, report)))
    assert len(sagemaker.started) == 2
    assert len({asked["ClientRequestToken"] for asked in sagemaker.started}) == 2
    assert [event for event in report.events if isinstance(event, Note)]


def test_a_right_that_never_comes_ends_with_the_budget() -> None:
    sagemaker = ScriptedSageMaker(["Failed"], step_failures=["AccessDenied: no"] * 1000)
    session = _granted(_session(sagemaker, Recorder()))
    with pytest.raises(ExecutionFailed, match="AccessDenied: no"):
        run_pipeline(session)
    assert len(sagemaker.started) == 5  # with pauses of 10, 20, 40 and 80 s; the next one would not fit
    assert session.aws.retrier.time.clock() <= session.config.iam.propagation_timeout


def test_access_denied_without_new_rights_is_a_failure() -> None:
    sagemaker = ScriptedSageMaker(["Failed"], step_failures=["AccessDenied: no"] * 1000)
    with pytest.raises(ExecutionFailed):
        run_pipeline(_session(sagemaker, Recorder()))
    assert len(sagemaker.started) == 1


def _own_run(definition: dict[str, Any], parameters: dict[str, str]) -> ScriptedSageMaker:
    return ScriptedSageMaker(
        ["Failed"],
        running=[_summary(OTHER, "20260101T000000-0123abcd")],
        definition=json.dumps(definition),
        parameters=parameters,
    )


def _own_unfinished(report: Recorder) -> Context:
    """A pipeline with an execution that does just what this run would do."""
    blueprint = _session(ScriptedSageMaker([]), report).blueprint
    definition = dict(blueprint.artifacts.definition or {})
    parameters = request.parameters(blueprint.deployment, definition, "20260101T000000-0123abcd")
    return _session(_own_run(definition, parameters), report, interactive=False)


def test_the_same_work_is_resumed() -> None:
    report = Recorder()
    work = _own_unfinished(report)
    with pytest.raises(ExecutionFailed):
        run_pipeline(work)
    assert work.aws.client("sagemaker").started == []
    assert [event.resumed for event in report.events if isinstance(event, ExecutionStarted)] == [True]


@pytest.mark.parametrize("changed", ["input", "function", "pipeline"])
def test_what_a_run_would_change_under_another_is_no_same_work(changed: str) -> None:
    work = _own_unfinished(Recorder())
    with pytest.raises(RefusedError):
        run_pipeline(work, changed)


def test_an_explanation_that_cannot_be_completed_is_still_one() -> None:
    work = _session(ScriptedSageMaker(["Failed"], step_failures=["the handler raised"]), Recorder())
    work.aws._clients["logs"] = DeniedLogs()  # type: ignore[attr-defined]
    with pytest.raises(ExecutionFailed, match=r"(?s)the handler raised.*log could not be read: FilterLogEvents"):
        run_pipeline(work)
