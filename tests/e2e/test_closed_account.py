"""An account that SageMaker geospatial is closed to: the refusal comes before anything is created."""

from __future__ import annotations

import pytest

from tests.support.e2e import StartStanding, Workplace

CODES = ("AccessDeniedException", "OperationNotAllowedException", "UnrecognizedClientException")


@pytest.mark.parametrize("code", CODES)
def test_a_run_is_refused_before_anything_is_created(
    workplace: Workplace, start_standing: StartStanding, code: str
) -> None:
    standing = start_standing("--geospatial-refusal", code)
    config = workplace.config(endpoint=standing.url)
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 5, done.stdout + done.stderr
    sentences = [line for line in done.stderr.splitlines() if "SageMaker geospatial" in line]
    assert len(sentences) == 1
    assert f"({code})" in sentences[0] and "`gazetteer`" in sentences[0] and "`amazon_location`" in sentences[0]
    assert standing.mutating_calls() == {} and standing.inventory() == {}


def test_a_dry_run_shows_the_plan_and_the_refusal(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--geospatial-refusal", CODES[0])
    done = workplace.geopipe(workplace.config(endpoint=standing.url), "--dry-run")
    assert done.returncode == 5
    assert "Plan: 13 to create" in done.stdout
    assert "refuses ListVectorEnrichmentJobs (AccessDeniedException)" in done.stderr
    assert standing.mutating_calls() == {}


def test_the_closed_account_can_be_tried_out_offline(workplace: Workplace) -> None:
    config = workplace.config(endpoint=None, emulator={"geospatial_refusal": "OperationNotAllowedException"})
    done = workplace.geopipe(config, "--non-interactive")
    assert done.returncode == 5
    assert "(OperationNotAllowedException)" in done.stderr and "Setting up" not in done.stdout
