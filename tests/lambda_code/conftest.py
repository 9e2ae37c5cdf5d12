"""Puts the zip's root on the path, as Lambda does, and gives every test a world without AWS."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "lambda"))

from lambda_fakes import World


@pytest.fixture
def world() -> World:
    return World()
