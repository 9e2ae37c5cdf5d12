"""The whole table: every phase, job state and export state, and both statuses a message can have."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import callbacks
from decisions import Outcome, decide
from jobs import VECTOR_ENRICHMENT, Phase
from lambda_fakes import World, failed_ids, job_arn, token

JOB_STATES = ("INITIALIZING", "IN_PROGRESS", "STOPPING", "STOPPED", "COMPLETED", "FAILED", "DELETING", "DELETED")
EXPORT_STATES = (None, "IN_PROGRESS", "SUCCEEDED", "FAILED")
PHASES = (None, "job", "export")

# The answers, written out rather than computed: S success, F failure, . not yet.
# Rows: job states in the order above; columns: export states in the order above.
BY_JOB = ["....", "....", "....", "FFFF", "SSSS", "FFFF", "....", "FFFF"]
BY_EXPORT = ["..SF", "..SF", "..SF", "F.SF", "..SF", "F.SF", "..SF", "F.SF"]
BY_EITHER = ["..SF", "..SF", "..SF", "F.SF", "S.SF", "F.SF", "..SF", "F.SF"]
TABLES = {"job": BY_JOB, "export": BY_EXPORT, None: BY_EITHER}
LETTERS = {Outcome.SUCCESS: "S", Outcome.FAILURE: "F", Outcome.NOT_YET: "."}


def expected(phase: str | None, job_state: str, export_state: str | None) -> str:
    return TABLES[phase][JOB_STATES.index(job_state)][EXPORT_STATES.index(export_state)]


def description(job_state: str, export_state: str | None) -> dict[str, Any]:
    return {"Status": job_state} | ({"ExportStatus": export_state} if export_state else {})


def test_the_table_is_what_the_function_decides() -> None:
    for phase, job_state, export_state in product(PHASES, JOB_STATES, EXPORT_STATES):
        job = VECTOR_ENRICHMENT.read(description(job_state, export_state))
        decision = decide(VECTOR_ENRICHMENT, job, Phase(phase) if phase else None)
        assert LETTERS[decision.outcome] == expected(phase, job_state, export_state), (phase, job_state, export_state)
        assert not decision.stop_job


@pytest.mark.parametrize("message_status", ["Executing", "Stopping"])
def test_the_table_is_what_the_pipeline_is_told(message_status: str) -> None:
    for phase, job_state, export_state in product(PHASES, JOB_STATES, EXPORT_STATES):
        world = World()
        world.add_job(**{"status": job_state, **({"ExportStatus": export_state} if export_state else {})})
        record = world.record(status=message_status, more_arguments={"phase": phase} if phase else {})
        answer = callbacks.answer_batch([record], world.invocation())
        letter = "F" if message_status == "Stopping" else expected(phase, job_state, export_state)
        told = {"success": "S", "failure": "F"}[world.sagemaker.answers[token()][0]] if world.sagemaker.answers else "."
        case = (phase, job_state, export_state)
        assert told == letter, case
        assert failed_ids(answer) == (["message-1"] if letter == "." else []), case
        assert bool(world.geospatial.called("StopVectorEnrichmentJob")) == (message_status == "Stopping"), case


@pytest.mark.parametrize(
    ("phase", "more", "outputs"),
    [("job", {}, {"vej_status": "COMPLETED"}), ("export", {"ExportStatus": "SUCCEEDED"}, {"statusJob": "SUCCEEDED"})],
)
def test_a_success_carries_the_output_its_step_declares(world: World, phase: str, more: Any, outputs: Any) -> None:
    world.add_job(**more)
    callbacks.answer_batch([world.record(more_arguments={"phase": phase})], world.invocation())
    assert world.sagemaker.answers[token()] == ("success", outputs)


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        (
            {"Status": "FAILED", "ErrorDetails": {"ErrorType": "CLIENT_ERROR", "ErrorMessage": "no column X"}},
            "The vector enrichment job is FAILED: CLIENT_ERROR: no column X",
        ),
        ({"Status": "FAILED", "ErrorDetails": {"ErrorMessage": "why"}}, "The vector enrichment job is FAILED: why"),
        ({"Status": "STOPPED"}, "The vector enrichment job is STOPPED"),
        (
            {
                "Status": "COMPLETED",
                "ExportStatus": "FAILED",
                "ExportErrorDetails": {"Type": "CLIENT_ERROR", "Message": "no such bucket"},
            },
            "The export of the vector enrichment job is FAILED: CLIENT_ERROR: no such bucket",
        ),
    ],
)
def test_a_failure_says_why(details: dict[str, Any], reason: str) -> None:
    assert decide(VECTOR_ENRICHMENT, VECTOR_ENRICHMENT.read(details)).reason == reason


@given(phase=st.sampled_from([None, *Phase]), status=st.text(), export_status=st.none() | st.text())
def test_a_state_nobody_has_seen_is_not_yet(phase: Phase | None, status: str, export_status: str | None) -> None:
    known = {*JOB_STATES, *EXPORT_STATES}
    if status in known or export_status in known - {None}:
        return
    job = VECTOR_ENRICHMENT.read({"Status": status, "ExportStatus": export_status})
    assert decide(VECTOR_ENRICHMENT, job, phase).outcome is Outcome.NOT_YET


def test_a_job_without_any_status_is_not_yet() -> None:
    assert decide(VECTOR_ENRICHMENT, VECTOR_ENRICHMENT.read({"Arn": job_arn()})).outcome is Outcome.NOT_YET
