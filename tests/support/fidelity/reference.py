"""Writes the page that says what the emulator's answers rest on.

`python -m tests.support.fidelity.reference`, or `make reference`, writes docs/reference/fidelity.md into this checkout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from geopipe_emulator.emulator import default_services
from geopipe_emulator.service import Environment
from geopipe_emulator.settings import Settings
from tests.support.fidelity.documents import Statement, statements
from tests.support.fidelity.recording import Recording, recordings
from tests.support.paths import ROOT

PAGE = ROOT / "docs/reference/fidelity.md"
_INTRODUCTION = """\
# How close the emulator is to AWS

<!-- Written by `make reference`. Change tests/support/fidelity/reference.py. -->

The emulator was written without an AWS account. What each operation of our own services rests on is one of these:

- **recording**: the answers of a real account, recorded by `make aws-test`, are compared with the emulator's in each
  run of the tests.
- **document**: a public document states an answer, and a test compares the emulator's with it.
- **assumption**: neither. The members and the error codes come from AWS's published model of the service, as in
  botocore, and the emulator checks requests by it. What AWS does with a request, and in which words it refuses one, is
  our reading of its guides.

IAM, STS, S3, SQS and CloudWatch Logs come from [moto](https://github.com/getmoto/moto), and are corrected where we know
AWS to differ. Of them, this page lists what a recording or a document supports.

"""
_RECORD = """
## Record your account

```
make aws-test CONFIG=config/mine.yaml
```

It names the account, what will be created and what you pay for, and asks for the account id. The configuration must
describe a deployment that does not exist yet. The command sets it up, changes every compared attribute by hand, asks
for what AWS refuses, lets the function fail in several ways, stops an execution, retries one, and deletes everything.

It keeps the names of the members that are sent and returned, their types, the states, the error codes and the error
texts, and the times. It keeps no account id, no name, no token and no content. Please look at the file in
`tests/emulator/recorded/` before you share it.
"""


def reference() -> str:
    """Returns the whole page."""
    return "".join(_page(statements(), recordings()))


def _page(documents: tuple[Statement, ...], recorded: tuple[Recording, ...]) -> Iterator[str]:
    yield _INTRODUCTION
    bases = _bases(documents, recorded)
    counts = {basis: sum(one == basis for one in bases.values()) for basis in ("recording", "document", "assumption")}
    yield f"Of {len(bases)} operations, {counts['recording']} rest on a recording, {counts['document']} on a document, "
    yield f"and {counts['assumption']} on assumption.\n\n| service | recording | document | assumption |\n"
    yield "| --- | --- | --- | --- |\n"
    for service in sorted({service for service, _ in bases}):
        columns = [
            ", ".join(sorted(name for (owner, name), basis in bases.items() if owner == service and basis == column))
            for column in counts
        ]
        yield f"| {service} | {' | '.join(columns)} |\n"
    yield "\n## What documents state\n\n| statement | call | answer | source |\n| --- | --- | --- | --- |\n"
    for one in documents:
        source = f"[AWS]({one.source})" if one.source.startswith("https://") else one.source
        answer = f"{one.status} {one.code}".strip()
        yield f"| {one.says} | {one.call.service}:{one.call.operation} | {answer} | {source} |\n"
    yield "\n## Recordings\n\n"
    if recorded:
        yield "| date | region | different calls |\n| --- | --- | --- |\n"
    else:
        yield "There are none yet.\n"
    for recording in recorded:
        yield f"| {recording.recorded_on} | {recording.region} | {len(recording.calls)} |\n"
    yield _RECORD


def _bases(documents: tuple[Statement, ...], recorded: tuple[Recording, ...]) -> Mapping[tuple[str, str], str]:
    """Returns what each operation rests on, by service and operation. The better basis wins."""
    unused = Environment(Settings(), "http://127.0.0.1", lambda *_: None)
    services = [make(unused) for make in default_services()]
    bases = {(service.model_name, name): "assumption" for service in services for name in service.operations}
    bases |= {(one.call.service, one.call.operation): "document" for one in documents}
    return bases | {(call.service, call.operation): "recording" for each in recorded for call in each.calls}


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
