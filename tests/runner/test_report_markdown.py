"""The run as Markdown, and the summary of a CI job, which is the same text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from geopipe_runner import events
from geopipe_runner.errors import AwsError
from geopipe_runner.report.job_summary import JobSummary
from geopipe_runner.report.markdown import render
from tests.support.report_runs import Document, dry, failed, refused, succeeded

HOSTILE = "a|b`c``d<img src=x>*e*_f_[g](h)\n# i\n```\nj"


def test_a_run_that_succeeded() -> None:
    text = render(succeeded())
    assert text.startswith("## geopipe\n\nDeployment `local` in account 123456789012, us-west-2\n")
    assert "**Plan: 13 to create, 0 to update, 0 to delete, 0 unchanged.**" in text
    assert "| created | queue | `sagemaker-sdk-example-queue` |  |" in text
    assert "| `vej-processing-step` | Lambda | Succeeded | 1.31 s |" in text
    assert "200 rows, 200 of them Valid Data." in text and text.endswith("Everything is cleaned up.\n")


def test_a_job_that_does_not_mark_valid_rows() -> None:
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


def test_unchanged_resources_are_left_out() -> None:
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


def test_a_command_that_ended_before_there_was_a_plan() -> None:
    assert render(refused()) == "## geopipe\n\n**Failed**\n\n```\nWrong account.\n```\n"


def with_text(by: str) -> Document:
    document = failed()
    document["failure"] |= {"reason": by, "job_error": by, "advice": by, "step": by}
    document["steps"][0] |= {"name": by, "status": by}
    document["plan"]["steps"][0] |= {"name": by, "reason": by}
    return document | {"notes": [by], "deployment": by, "status": by}


def parts(text: str) -> list[str]:
    """Returns the kinds of the parts that Markdown sees in a text."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [part.type for token in tokens for part in (token, *(token.children or ())) if part.type != "text_special"]


def test_no_text_becomes_markup() -> None:
    hostile = parts(render(with_text(HOSTILE)))
    assert hostile == parts(render(with_text("harmless")))
    assert hostile.count("table_open") == 2 and hostile.count("fence") == 1
    assert not {"html_inline", "html_block", "em_open", "link_open"} & set(hostile)


# The summary of a job


def summary_of(path: Path, *emitted: events.Event) -> str:
    summary = JobSummary(path, pytest.fail)
    for event in emitted:
        summary.handle(event)
    return path.read_text("utf-8") if path.is_file() else ""


def test_the_summary_is_appended_once(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    text = summary_of(path, events.Failed(AwsError("No bucket.", "Make one.")), events.Finished(1))
    assert text == "before\n## geopipe\n\n**Failed**\n\n```\nNo bucket.\n```\n\nWhat to do: Make one.\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.md"]


def test_a_command_without_news_has_no_summary(tmp_path: Path) -> None:
    assert summary_of(tmp_path / "summary.md", events.Welcome(), events.Finished(0)) == ""


@pytest.mark.parametrize("place", ["", "missing/summary.md"], ids=["a folder", "no folder"])
def test_a_summary_that_cannot_be_written_is_a_warning(place: str, tmp_path: Path) -> None:
    notes: list[str] = []
    summary = JobSummary(tmp_path / place, notes.append)
    summary.handle(events.Complete())
    summary.handle(events.Finished(0))
    assert len(notes) == 1 and notes[0].startswith(f"Warning: the summary is not written to {tmp_path / place}")


def test_a_pipe_as_summary_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    pipe, notes = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    summary = JobSummary(pipe, notes.append)
    summary.handle(events.Complete())
    summary.handle(events.Finished(0))
    assert notes == [f"Warning: the summary is not written to {pipe}: not a regular file."]
