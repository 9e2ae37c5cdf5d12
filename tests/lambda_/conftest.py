"""A world without AWS for every test. `pythonpath` in pyproject.toml has the root of the zip."""

import pytest

from tests.support.lambda_fakes import LambdaWorld


@pytest.fixture
def world() -> LambdaWorld:
    return LambdaWorld()
