"""The graph of a pipeline's steps: what it contains, and how `geopipe graph` shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from geopipe_runner.cli.main import main
from geopipe_runner.pipeline.step_graph import StepNeed, StepNode, step_graph
from geopipe_runner.report.text.graph import graph_lines, mermaid_lines
from geopipe_runner.report.text.style import Line
from tests.support.definition_mutations import (
    EQUAL,
    FAIL,
    SDK_DEFINITIONS,
    SOUND,
    condition_step,
    definition,
    lambda_step,
)
from tests.support.paths import ROOT

JOIN = {"Std:Join": {"On": "/", "Values": [{"Get": "Steps.end.OutputParameters['a']"}, {"Get": "Parameters.N"}]}}
BRANCHING = definition(
    lambda_step("last", DependsOn=["decide-more", {"Step": "end", "Trigger": "Failed"}]),
    condition_step(
        "decide",
        {**EQUAL, "LeftValue": {"Get": "Steps.end.OutputParameters['a']"}},
        if_steps=[
            lambda_step("decide-more", {"x": {"Get": "Steps.inner.OutputParameters['a']"}}),
            lambda_step("inner", {"x": JOIN}, DependsOn=["end"]),
        ],
        else_steps=[FAIL],
    ),
    lambda_step("end"),
    parameters=[{"Name": "N", "Type": "Integer", "DefaultValue": 1}],
)
ALL = [BRANCHING, *SOUND, *(json.loads(path.read_text("utf-8")) for path in SDK_DEFINITIONS)]


def test_each_step_comes_after_what_it_needs_with_the_reason() -> None:
    end = StepNeed("end", ("output a",))
    assert step_graph(BRANCHING) == (
        StepNode("end", "Lambda", "", "", ()),
        StepNode("last", "Lambda", "", "", (StepNeed("decide-more", (), True), StepNeed("end", (), True, "Failed"))),
        StepNode("decide", "Condition", "", "", (end,)),
        StepNode("inner", "Lambda", "decide", "if true", (StepNeed("end", ("output a",), True),)),
        StepNode("decide-more", "Lambda", "decide", "if true", (StepNeed("inner", ("output a",)),)),
        StepNode("stop", "Fail", "decide", "if false", ()),
    )


def plain(lines: list[Line]) -> list[str]:
    return [
        line if isinstance(line, str) else "".join(part if isinstance(part, str) else part.text for part in line)
        for line in lines
    ]


def test_text() -> None:
    assert plain(list(graph_lines("p", step_graph(BRANCHING), None))) == [
        "p: 6 steps",
        "",
        "end  Lambda",
        "",
        "last  Lambda",
        "  after decide-more: DependsOn",
        "  after end: DependsOn (Failed)",
        "",
        "decide  Condition",
        "  after end: reads output a",
        "  if true",
        "    inner  Lambda",
        "      after end: DependsOn; reads output a",
        "    decide-more  Lambda",
        "      after inner: reads output a",
        "  if false",
        "    stop  Fail",
    ]


@pytest.mark.parametrize("width", [60, 100])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for definition_ in ALL:
        for line in plain(list(graph_lines("p", step_graph(definition_), width))):
            assert len(line) <= width or " " not in line.strip(), line


def test_mermaid() -> None:
    assert list(mermaid_lines(step_graph(BRANCHING))) == [
        "flowchart TD",
        '  s1["end<br/>Lambda"]',
        '  s2["last<br/>Lambda"]',
        '  s3{"decide<br/>Condition"}',
        '  s4["inner<br/>Lambda"]',
        '  s5["decide-more<br/>Lambda"]',
        '  s6["stop<br/>Fail"]',
        "  s5 --> s2",
        '  s1 -->|"if Failed"| s2',
        '  s1 -->|"output a"| s3',
        '  s3 -->|"if true"| s4',
        '  s1 -->|"output a"| s4',
        '  s3 -->|"if true"| s5',
        '  s4 -->|"output a"| s5',
        '  s3 -->|"if false"| s6',
    ]


def test_mermaid_has_the_form_that_mermaid_reads() -> None:
    """Mermaid's own parser accepts these forms; no label can leave its quotes."""
    node = re.compile(r'  s\d+(\["[^"`<>]+<br/>[^"`<>]+"\]|\{"[^"`<>]+<br/>[^"`<>]+"\})')
    arrow = re.compile(r'  s\d+ -->(\|"[^"`<>]+"\|)? s\d+')
    odd = 'a]|"b` <x> #1; %% -->'
    reads = StepNeed("graph", (f"output {odd}", *(f"A['{n}']" for n in range(5))))
    graphs = [*map(step_graph, ALL), (StepNode("graph", "Lambda", "", "", ()), StepNode("end", "x", "", "", (reads,)))]
    for graph in graphs:
        first, *lines = mermaid_lines(graph)
        assert first == "flowchart TD"
        assert [line for line in lines if not node.fullmatch(line) and not arrow.fullmatch(line)] == []
    assert lines[-1] == """  s1 -->|"output a]|#quot;b#96; #lt;x#gt; #35;1; %% --#gt;, A['0'], 4 more"| s2"""


@pytest.mark.parametrize("form", ["text", "mermaid"])
def test_the_command_shows_the_shipped_pipeline(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", str(ROOT / "config/local.yaml"), "--format", form]) == 0
    shown = capsys.readouterr().out
    assert shown.count("vej-callback-step") >= 1
    assert ("flowchart TD" in shown) is (form == "mermaid")


def test_the_command_refuses_a_definition_that_is_not_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.json").write_text(json.dumps(definition(lambda_step("one", DependsOn=["two"]))), encoding="utf-8")
    shipped = (ROOT / "config/local.yaml").read_text("utf-8")
    (tmp_path / "c.yaml").write_text(shipped.replace("  template: null  ", "  template: p.json"), encoding="utf-8")
    assert main(["graph", str(tmp_path / "c.yaml")]) == 2
    assert "DependsOn names the unknown step 'two'" in capsys.readouterr().err
