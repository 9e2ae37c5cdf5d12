"""How the emulator's calls differ from recorded ones of AWS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tests.support.fidelity.recording import RecordedCall


def differences(recorded: Iterable[RecordedCall], emulated: Iterable[RecordedCall]) -> list[str]:
    """Returns a line for each difference between calls of the same operation in the same scenario that ended alike.

    An outcome that only AWS had is a difference, as is a member that only one of the two sends. Numbers of calls and
    times are not compared: they depend on the machine.
    """
    ours: dict[tuple[Any, ...], list[RecordedCall]] = {}
    for call in emulated:
        ours.setdefault((call.scenario, *call.outcome), []).append(call)
    found: dict[str, None] = {}
    for call in recorded:
        where = f"{call.scenario}: {call.service}:{call.operation}"
        alike = ours.get((call.scenario, *call.outcome))
        if alike is None:
            end = f"{call.status} {call.code}".strip()
            found[f"{where}: AWS answered {end}, the emulator never did"] = None
            continue
        if call.message and call.message not in {one.message for one in alike}:
            found[f"{where}: AWS says {call.message!r}, the emulator {alike[0].message!r}"] = None
        theirs, emulators = _members(call.response), {path for one in alike for path in _members(one.response)}
        for path in sorted(theirs - emulators):
            found[f"{where}: only AWS answers with {path}"] = None
        always = set.intersection(*({*_members(one.response)} for one in alike))
        for path in sorted(always - theirs):
            found[f"{where}: only the emulator answers with {path}"] = None
    return list(found)


def _members(shape: Any) -> set[str]:
    """Returns the paths of all members of a shape. Values are left out: states differ with the moment of a call."""
    return set(_paths(shape, ""))


def _paths(shape: Any, path: str) -> Iterator[str]:
    if isinstance(shape, dict):
        for name, member in shape.items():
            yield from _paths(member, f"{path}.{name}" if path else name)
    elif isinstance(shape, list):
        for item in shape:
            yield from _paths(item, f"{path}[]")
    else:
        yield path
