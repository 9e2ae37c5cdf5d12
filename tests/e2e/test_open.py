"""`open`: the addresses of resources in AWS's console and the emulator's, and the browser on a terminal."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pexpect
import pytest

from geopipe_runner.cli.main import main
from geopipe_runner.kinds.registry import KINDS
from tests.support.e2e import Standing, Workplace
from tests.support.wait import eventually


def links(capsys: pytest.CaptureFixture[str], config: Path, *arguments: str) -> dict[str, str]:
    """Returns the addresses by key; no call is made."""
    assert main(["open", str(config), "--output", "json", *arguments]) == 0
    (event,) = [e for line in capsys.readouterr().out.splitlines() if (e := json.loads(line))["event"] == "links"]
    return {link["key"]: link["url"] for link in event["links"]} | {"": event["overview"]}


def test_the_console_of_each_partition(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    region = {"target": "aws", "job": {"provider": "gazetteer"}}
    hosts = {
        "eu-central-1": "eu-central-1.console.aws.amazon.com",
        "cn-north-1": "cn-north-1.console.amazonaws.cn",
        "us-gov-west-1": "us-gov-west-1.console.amazonaws-us-gov.com",
    }
    for name, host in hosts.items():
        found = links(capsys, workplace.config(region=name, **region))
        assert {url.split("/")[2] for url in found.values()} == {host}
        assert all(f"region={name}" in url for url in found.values())
    assert found["queue"].endswith(
        "#/queues/https%3A%2F%2Fsqs.us-gov-west-1.amazonaws.com%2F123456789012%2Fsagemaker-sdk-example-queue"
    )
    assert found["log_group"].endswith("log-groups/log-group/$252Faws$252Flambda$252FSageMakerExampleFunction")
    assert found["input"].endswith("&prefix=input%2Flatlongtest.csv")
    assert found["lambda_role"].endswith("#/roles/details/SageMakerExampleLambdaRole")
    assert found[""] == found["pipeline"]
    (one,) = {*links(capsys, workplace.config(region=name, **region), "--resource", "bucket")} - {""}
    assert one == "bucket"
    assert [kind.name for kind in KINDS if "console_page" not in vars(type(kind))] == []


@pytest.mark.slow
def test_the_console_of_an_emulator_is_opened_on_a_terminal(workplace: Workplace, standing: Standing) -> None:
    browser = workplace.folder / "browser"
    browser.write_text('#!/bin/sh\necho "$1" >> opened.part && mv opened.part opened\n')
    browser.chmod(0o755)
    config = workplace.config(endpoint=standing.url)
    program, *arguments = workplace.command("open", config)
    environment = os.environ | {"BROWSER": str(browser), "TERM": "xterm"}
    seen = []
    opens_nothing = ["--print"], ["conf*.yaml"]  # the second one names a set of deployments
    for more in (*opens_nothing, [], ["--resource", "queue"]):
        terminal = pexpect.spawn(
            program, [*arguments, *more], cwd=str(workplace.folder), env=environment, timeout=90, encoding="utf-8"
        )
        shown = terminal.read()
        assert terminal.wait() == 0, shown
        assert f"{standing.url}/_console/" in shown
        opened = workplace.folder / "opened"
        if more not in opens_nothing:
            seen.append(eventually(lambda file=opened: file.exists() and file.read_text().strip()))
            opened.unlink()
        assert not opened.exists()
    assert seen == [f"{standing.url}/_console/", f"{standing.url}/_console/queues/sagemaker-sdk-example-queue"]
    # Without a terminal, nothing is opened.
    done = workplace.geopipe("open", config, env={"BROWSER": str(browser)})
    assert done.returncode == 0 and "functions/SageMakerExampleFunction" in done.stdout
    assert not (workplace.folder / "opened").exists()


def test_where_there_is_nothing_to_open(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["open", str(workplace.config())]) == 2
    assert "Start one that keeps running" in capsys.readouterr().err
    assert main(["open", str(workplace.config(emulator={"state_dir": "kept"}))]) == 2
    assert "state_dir" not in capsys.readouterr().err  # it keeps the account, and no console
    assert main(["open", str(workplace.config(endpoint="http://127.0.0.1:9"))]) == 1
    assert "Nothing listens" in capsys.readouterr().err
    assert main(["open", str(workplace.config(target="aws")), "--resource", "quee"]) == 2
    assert 'Did you mean "queue"?' in capsys.readouterr().err
    assert (
        main(["open", str(workplace.config(target="aws", region="us-iso-east-1", job={"provider": "gazetteer"}))]) == 2
    )
    assert "aws-iso" in capsys.readouterr().err
