"""Tests of the job, without AWS: `pip install pytest`, then `python -m pytest`."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "code"))

import job


@pytest.fixture
def objects(monkeypatch):
    """The objects in S3, by their URI."""
    stored = {}
    monkeypatch.setattr(job, "read", stored.__getitem__)
    monkeypatch.setattr(job, "write", stored.__setitem__)
    return stored


def run(objects, orders):
    objects["s3://b/orders.csv"] = orders
    outputs = job.start({"input_uri": "s3://b/orders.csv", "output_uri": "s3://b/out/"})
    return job.check(SimpleNamespace(arguments=outputs), None)


def test_orders_are_added_up(objects):
    verdict = run(objects, "customer,amount\nAda,1.50\nGrace,2\nAda,1\n")
    assert verdict.outcome == "success"
    assert objects[verdict.outputs["results_uri"]] == "customer,total\nAda,2.50\nGrace,2.00\n"


def test_an_order_without_an_amount_fails_the_step(objects):
    verdict = run(objects, "customer,amount\nAda,\n")
    assert verdict.outcome == "failure"
    assert "Ada" in verdict.reason
