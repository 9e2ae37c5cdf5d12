"""The pytest plugin: fixtures that give a test an emulated AWS account of its own.

pytest imports this module in every project that has the package installed, so it imports the rest only when a test
uses a fixture. Each worker of pytest-xdist has an emulator of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .pipeline_run import PipelineRun
    from .process import Emulator

_NO_PROXY = ("NO_PROXY", "no_proxy")


@pytest.fixture(scope="session")
def aws_emulator_settings() -> dict[str, Any]:
    """The keyword arguments of `geopipe_emulator.Emulator` for this session. Override it to change them."""
    return {}


@pytest.fixture(scope="session")
def aws_emulator_process(aws_emulator_settings: dict[str, Any]) -> Iterator[Emulator]:
    """The emulator of this session. It starts with the first test that needs it."""
    from .process import Emulator

    with Emulator(**aws_emulator_settings) as emulator:
        yield emulator


@pytest.fixture
def aws_emulator(aws_emulator_process: Emulator) -> Iterator[Emulator]:
    """An emulator with an empty account. Every AWS client that the test creates reaches it, and nothing else.

    Environment variables and boto3's default session are as before after the test, and the account is empty again.
    """
    import boto3

    # A patch of our own: the test may undo the one of the fixture `monkeypatch`.
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                patch.delenv(name)
        for name, value in aws_emulator_process.environment.items():
            patch.setenv(name, value)
        for name in _NO_PROXY:
            patch.setenv(name, ",".join(filter(None, [os.environ.get(name), "127.0.0.1"])))
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        try:
            yield aws_emulator_process
        finally:
            aws_emulator_process.reset()


@pytest.fixture
def sagemaker_pipeline_run(aws_emulator: Emulator) -> Callable[..., PipelineRun]:
    """Returns a function that runs a pipeline definition to its end: `geopipe_emulator.Emulator.run_pipeline`."""
    return aws_emulator.run_pipeline
