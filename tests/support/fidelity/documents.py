"""What public documents state about AWS's answers, as calls that can be tried on an endpoint.

`tests/emulator/recorded/documents.json` is a list of statements. Each has the calls that lead to it (`before`), the
call itself, what AWS answers, and the `source` that states it. Parts that the source does not state are left out.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.support.fidelity.recording import FOLDER

_FILE = FOLDER / "documents.json"


@dataclass(frozen=True)
class DocumentedCall:
    """One operation with its parameters."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Statement:
    """What a document says of one call. `code` is "" where the call succeeds, `message` where no text is stated.

    `response` has members that the answer must have, each with a pattern of its value.
    """

    says: str
    source: str
    before: tuple[DocumentedCall, ...]
    call: DocumentedCall
    status: int
    code: str
    message: str
    response: Mapping[str, str]


def statements() -> tuple[Statement, ...]:
    """Returns all statements, in the order of the file."""
    return tuple(
        Statement(
            entry["says"],
            entry["source"],
            tuple(DocumentedCall(*call) for call in entry.get("before", ())),
            DocumentedCall(*entry["call"]),
            entry["status"],
            entry.get("code", ""),
            entry.get("message", ""),
            entry.get("response", {}),
        )
        for entry in json.loads(_FILE.read_text(encoding="utf-8"))
    )


def differences_from(statement: Statement, client: Callable[[str], Any], names: Mapping[str, str]) -> list[str]:
    """Make the calls of a statement, and return how the answer differs from what the document says.

    `client` returns the client of a service. `{name}` in a parameter is replaced by what `names` has for it; the
    parameter `{zip}` is a function's code.
    """
    for call in statement.before:
        _make(call, client, names)
    try:
        answer = _make(statement.call, client, names)
    except ClientError as refused:
        answer = refused.response
    error, status = answer.get("Error", {}), answer["ResponseMetadata"]["HTTPStatusCode"]
    found = []
    if status != statement.status:
        found.append(f"status {status}, not {statement.status}")
    if error.get("Code", "") != statement.code:
        found.append(f"code {error.get('Code', '')!r}, not {statement.code!r}")
    message = _filled(statement.message, names)
    if message not in error.get("Message", ""):
        found.append(f"message {error.get('Message')!r}, without {message!r}")
    for member, pattern in statement.response.items():
        if not re.fullmatch(_filled(pattern, names), str(answer.get(member))):
            found.append(f"{member} is {answer.get(member)!r}, not {pattern!r}")
    return found


def _make(call: DocumentedCall, client: Callable[[str], Any], names: Mapping[str, str]) -> Any:
    return getattr(client(call.service), xform_name(call.operation))(**_filled(dict(call.parameters), names))


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(member, names) for key, member in value.items()}
    if isinstance(value, list):
        return [_filled(item, names) for item in value]
    if value == "{zip}":
        return _code()
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], found[0]), value)
    return value


def _code() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("handler.py", "def lambda_handler(event, context):\n    return {}\n")
    return content.getvalue()
