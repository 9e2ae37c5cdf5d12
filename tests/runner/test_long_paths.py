"""A path that is too long for the system is one where nothing is."""

from __future__ import annotations

import pytest

from geopipe_runner.cli.main import main
from tests.support.paths import ROOT

LONG = "x" * 5000 + ".yaml"
LOCAL = str(ROOT / "config/local.yaml")


@pytest.mark.parametrize(
    "arguments",
    [
        ["validate", LONG],
        ["apply", LONG],
        [LONG],
        ["validate", LOCAL, LONG],
        ["validate", "--all", LONG],
        ["validate", LOCAL, "--set", f"extends={LONG}"],
        *(
            ["validate", LOCAL, "--set", f"{key}={LONG}"]
            for key in ("input.source", "function.source", "function.requirements", "pipeline.template")
        ),
    ],
    ids=lambda arguments: " ".join(arguments).replace(LONG, "LONG").replace(LOCAL, "LOCAL"),
)
def test_it_is_wrong_usage_and_no_traceback(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--non-interactive"]) == 2
    assert "xxxx" in capsys.readouterr().err
