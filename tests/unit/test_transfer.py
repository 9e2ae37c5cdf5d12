"""Uploads are told while they are sent, not while they are read for a checksum."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from geopipe_runner.aws.transfer import WORTH_TELLING, watch_upload

SIZE = WORTH_TELLING + 5
URL = "http://127.0.0.1:1/bucket/input/my%20points.csv"


def request(body: Any, **headers: str) -> Any:
    return SimpleNamespace(body=body, url=URL, headers={name.replace("_", "-"): text for name, text in headers.items()})


def watched(sent: Any) -> list[tuple[str, int, int]]:
    told: list[tuple[str, int, int]] = []
    watch_upload(lambda *event: told.append(event), sent)
    return told


def test_a_large_body_is_told_as_it_is_read() -> None:
    sent = request(io.BytesIO(bytes(SIZE)), Content_Length=str(SIZE))
    told = watched(sent)
    assert told == [("Uploading my points.csv", 0, SIZE)]
    while sent.body.read(1 << 20):
        pass
    assert told[-1] == ("Uploading my points.csv", SIZE, SIZE)
    assert len(told) == 10


def test_it_can_be_read_again() -> None:
    """botocore goes back to the begin when it tries again."""
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
    told = watched(sent)
    sent.body.read()
    assert told[-1] == ("Uploading my points.csv", SIZE, SIZE)


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
