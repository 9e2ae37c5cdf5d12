"""Two runs through a real terminal against a standing emulator, answered by hand: first no, then yes."""

from __future__ import annotations

import os
import re

import pexpect

from tests.support.e2e import Standing, Workplace

_GROUPS = (
    r"Delete pipeline sagemaker-sdk-example-pipeline\? \(y/n\)",
    r"Delete queue http://127\.0\.0\.1:\d+/123456789012/sagemaker-sdk-example-queue\? \(y/n\)",
    r"Delete S3 bucket geopipe-local-123456789012\? \(y/n\)",
    r"Delete Lambda function SageMakerExampleFunction\? \(y/n\)",
    r"Delete role SageMakerExampleLambdaRole\? \(y/n\)",
    r"Delete role SageMakerExampleRole\? \(y/n\)",
)


def _terminal(workplace: Workplace, *arguments: object) -> pexpect.spawn:
    command = workplace.command(*arguments)
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    return pexpect.spawn(command[0], command[1:], env=environment, encoding="utf-8", timeout=60, dimensions=(40, 120))


def _answer(terminal: pexpect.spawn, questions: tuple[str, ...], answers: str) -> None:
    for question, answer in zip(questions, answers, strict=True):
        terminal.expect(question)
        terminal.sendline(answer)


def test_two_interactive_runs(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    first = _terminal(workplace, config)
    _answer(first, _GROUPS, "nnnnnn")
    first.expect("scenario is complete")
    first.expect(pexpect.EOF)
    first.close()
    assert first.exitstatus == 0
    assert len(standing.inventory()) == 8

    changed = workplace.config(endpoint=standing.url, function={"memory": 512})
    second = _terminal(workplace, changed)
    second.expect("memory: 256 → 512")
    second.expect("Setting up the Lambda function for the pipeline")
    second.expect("The Lambda function SageMakerExampleFunction already exists, do you want to update it?")
    second.sendline("maybe")
    second.expect("Please answer y or n")
    second.sendline("n")
    second.expect("left as it is")
    second.expect(r"vej-processing-step +(\x1b\[\d+m)?Succeeded")
    _answer(second, _GROUPS, "yyyyyy")
    second.expect("scenario is complete")
    second.expect(pexpect.EOF)
    second.close()
    assert second.exitstatus == 0
    assert standing.inventory() == {}


def test_what_a_kept_resource_needs_is_kept(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    terminal = _terminal(workplace, config)
    _answer(terminal, _GROUPS, "nyyyyy")
    terminal.expect(r"Keeping .*queue sagemaker-sdk-example-queue: .* is kept and needs it")
    terminal.expect("scenario is complete")
    terminal.expect(pexpect.EOF)
    left = standing.inventory()
    assert set(left) == {"functions", "log groups", "mappings", "pipelines", "policies", "queues", "roles"}


def test_color_is_for_terminals_that_want_it(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    colored = _terminal(workplace, "plan", config)
    assert re.search("\x1b\\[32m", colored.read())
    plain = pexpect.run(
        " ".join(workplace.command("plan", config)), env=os.environ | {"NO_COLOR": "1"}, encoding="utf-8"
    )
    assert "Plan: 13 to create" in plain and "\x1b" not in plain
