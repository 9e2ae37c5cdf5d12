"""The short text twin of the page, and the summary of a CI job made from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from report_runs import Document, dry, failed, refused, succeeded

from geopipe_runner.errors import AwsError
from geopipe_runner.report import events
from geopipe_runner.report.markdown import render
from geopipe_runner.report.summary import JobSummary

HOSTILE = "a|b`c``d<img src=x>*e*_f_[g](h)\n# i\n```\nj"


def test_a_run_that_succeeded() -> None:
    text = render(succeeded())
    assert text.startswith("## geopipe\n\nDeployment `local` in account 123456789012, us-west-2\n")
    assert "**Plan: 13 to create, 0 to update, 0 to delete, 0 unchanged.**" in text
    assert "| created | queue | `sagemaker-sdk-example-queue` |  |" in text
    assert "| `vej-processing-step` | Lambda | Succeeded | 1.31 s |" in text
    assert "200 rows, 200 of them Valid Data." in text and text.endswith("Everything is cleaned up.\n")


def test_a_job_that_tells_no_good_rows_from_bad_ones() -> None:
    document = succeeded()
    document["results"]["valid"] = None
    assert "\n200 rows.\n" in render(document) and "Valid Data" not in render(document)


def test_a_run_that_failed_says_why_first() -> None:
    text = render(failed())
    assert "**Failed** in `vej-callback-step` (`input-column-missing`)\n" in text
    assert text.index("CLIENT_ERROR no column Longitude") < text.index("[ERROR] job FAILED") < text.index("What to do")
    assert text.index("What to do") < text.index("**Plan")
    assert "Still there: 2 resources." in text


def test_a_plan_alone() -> None:
    text = render(dry())
    assert "| to create | queue |" in text and "Execution" not in text


def test_what_is_unchanged_is_left_out() -> None:
    document = dry()
    for step in document["plan"]["steps"]:
        step["action"] = "keep"
    document["plan"]["steps"][0] |= {
        "action": "update",
        "changes": [{"path": "MaxSessionDuration", "old": 1, "new": 2}, {"path": "Description", "new": "x"}],
    }
    lines = render(document).splitlines()
    [row] = [line for line in lines if line.startswith("| to ")]
    assert row.endswith("| `MaxSessionDuration`, `Description` |")


def test_it_ended_before_there_was_a_plan() -> None:
    assert render(refused()) == "## geopipe\n\n**Failed**\n\n```\nWrong account.\n```\n"


def spoilt(by: str) -> Document:
    document = failed()
    document["failure"] |= {"reason": by, "job_error": by, "advice": by, "step": by}
    document["steps"][0] |= {"name": by, "status": by}
    document["plan"]["steps"][0] |= {"name": by, "reason": by}
    return document | {"notes": [by], "deployment": by, "status": by}


def meaning(text: str) -> list[str]:
    """What a reader of Markdown makes of a text: the kinds of its parts."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [part.type for token in tokens for part in (token, *(token.children or ())) if part.type != "text_special"]


def test_no_text_of_others_becomes_markup() -> None:
    hostile = meaning(render(spoilt(HOSTILE)))
    assert hostile == meaning(render(spoilt("harmless")))
    assert hostile.count("table_open") == 2 and hostile.count("fence") == 1
    assert not {"html_inline", "html_block", "em_open", "link_open"} & set(hostile)


# The summary of a job


def told(path: Path, *heard: events.Event) -> str:
    summary = JobSummary(path)
    for event in heard:
        summary.hear(event)
    return path.read_text("utf-8") if path.is_file() else ""


def test_the_summary_is_appended_once(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    text = told(path, events.Failed(AwsError("No bucket.", "Make one.")), events.Finished(1))
    assert text == "before\n## geopipe\n\n**Failed**\n\n```\nNo bucket.\n```\n\nWhat to do: Make one.\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.md"]


def test_nothing_happened_nothing_told(tmp_path: Path) -> None:
    assert told(tmp_path / "summary.md", events.Welcome(), events.Finished(0)) == ""


@pytest.mark.parametrize("place", ["", "missing/summary.md"], ids=["a folder", "no folder"])
def test_a_summary_that_cannot_be_written_costs_nothing(place: str, tmp_path: Path) -> None:
    assert told(tmp_path / place, events.Complete(), events.Finished(0)) == ""
