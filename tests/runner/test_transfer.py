"""The progress of an upload counts what is sent, not what is read for a checksum."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from geopipe_runner.aws.transfer import MIN_REPORTED, watch_upload

SIZE = MIN_REPORTED + 5
URL = "http://127.0.0.1:1/bucket/input/my%20points.csv"


def request(body: Any, **headers: str) -> Any:
    return SimpleNamespace(body=body, url=URL, headers={name.replace("_", "-"): text for name, text in headers.items()})


def watched(sent: Any) -> list[tuple[str, int, int]]:
    reported: list[tuple[str, int, int]] = []
    watch_upload(lambda *event: reported.append(event), sent, lambda: None)
    return reported


def test_a_large_body_is_reported_as_it_is_read() -> None:
    sent = request(io.BytesIO(bytes(SIZE)), Content_Length=str(SIZE))
    reported = watched(sent)
    assert reported == [("Uploading my points.csv", 0, SIZE)]
    while sent.body.read(1 << 20):
        pass
    assert reported[-1] == ("Uploading my points.csv", SIZE, SIZE)
    assert len(reported) == 10


def test_it_can_be_read_again() -> None:
    """Botocore goes back to the begin when it tries again."""
    sent = request(io.BytesIO(bytes(SIZE)), Content_Length=str(SIZE))
    watched(sent)
    sent.body.read()
    sent.body.seek(0)
    assert sent.body.tell() == 0 and len(sent.body.read()) == SIZE


def test_a_body_in_chunks_has_its_own_length() -> None:
    """With a checksum behind the body, more is sent than the file has."""
    sent = request(
        io.BytesIO(bytes(SIZE + 100)), Content_Length=str(SIZE + 100), X_Amz_Decoded_Content_Length=str(SIZE)
    )
    reported = watched(sent)
    sent.body.read()
    assert reported[-1] == ("Uploading my points.csv", SIZE, SIZE)


@pytest.mark.parametrize(
    "sent",
    [
        request(io.BytesIO(b"x"), Content_Length="1"),
        request(bytes(SIZE), Content_Length=str(SIZE)),
        request(None),
        request(io.BytesIO(bytes(SIZE))),
    ],
    ids=["small", "in memory", "none", "of unknown length"],
)
def test_everything_else_is_left_alone(sent: Any) -> None:
    before = sent.body
    assert watched(sent) == []
    assert sent.body is before
