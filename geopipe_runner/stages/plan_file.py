"""Plan files: a saved plan that a person reviews, and that `apply` applies only if nothing has changed since."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.model import Config
from ..documents import PLAN_FILE_VERSION, saved_plan_document
from ..errors import RefusedError, UsageError
from ..events import Note
from ..kinds.registry import KINDS
from ..path_checks import is_file, is_there, read_beginning
from .session import Session
from .setup import SetupPlan

_LABELS = {kind.name: kind.label for kind in KINDS}
# Lines that a refusal has at most, and characters of a value in one of them.
_LINES = 40
_WIDEST = 80
_KEEP_ITS_ACCOUNT = "set `emulator.state_dir`, or `endpoint` to an emulator that keeps running"
_BEGINNING = re.compile(r'\s*\{\s*"plan_file"')


@dataclass(frozen=True)
class SavedPlan:
    """A plan file."""

    path: Path
    document: Mapping[str, Any]

    @property
    def config_path(self) -> str:
        """The configuration: from the current folder, or from that of the plan file."""
        written = str(self.document["configuration"]["path"])
        near_plan = self.path.parent / written
        return str(near_plan) if not is_there(written) and is_there(near_plan) else written

    @property
    def entry(self) -> str | None:
        """The entry of the configuration's `deployments`; None in a file with one deployment."""
        name = self.document["configuration"]["entry"]
        return None if name is None else str(name)

    @property
    def settings(self) -> list[str]:
        """The `--set` options of the plan, without secrets."""
        return [str(text) for text in self.document["options"]["set"]]

    @property
    def adopt(self) -> list[str]:
        return [str(key) for key in self.document["options"]["adopt"]]

    @property
    def prune(self) -> bool:
        return self.document["options"]["prune"] is True


def read_plan_file(path: Path) -> SavedPlan | None:
    """Returns the plan in a file; None if the file is something else, such as a configuration.

    Raises:
        UsageError: it is a plan that this version cannot apply.
    """
    incomplete = UsageError(f"{path} is no complete plan file.", "Make the plan again: plan CONFIG --out FILE")
    text = ""
    try:
        # A pipe could be read once only, and a configuration may come from one.
        text = path.read_text(encoding="utf-8") if is_file(path) else ""
        document = json.loads(text) if text.lstrip().startswith("{") else None
    except (OSError, ValueError, RecursionError):
        if _BEGINNING.match(text):  # it was cut off, or edited by hand
            raise incomplete from None
        return None
    if not isinstance(document, dict) or "plan_file" not in document:
        return None
    if document["plan_file"] != PLAN_FILE_VERSION:
        raise UsageError(
            f"{path} is a plan file of version {document['plan_file']!r}; this geopipe applies version "
            f"{PLAN_FILE_VERSION}.",
            "Make the plan again: plan CONFIG --out FILE",
        )
    saved = SavedPlan(path, document)
    try:
        _ = (saved.config_path, saved.entry, saved.settings, saved.adopt, saved.prune, [*_steps(document).values()])
        _ = (bytes.fromhex(document["secrets"]["salt"]), document["configuration"]["values"].keys())
    except (AttributeError, KeyError, TypeError, ValueError):
        raise incomplete from None
    return saved


def require_plan_file(path: Path) -> SavedPlan:
    """Returns the plan in a file. Raises UsageError also where the file is something else, or cannot be read."""
    saved = read_plan_file(path)
    if saved is None:
        what = "is no plan file" if is_there(path) else "does not exist"
        raise UsageError(f"{path} {what}.", "Name a file that a plan was saved in.")
    return saved


def refuse_to_replace(path: Path, configs: Iterable[str | Path]) -> None:
    """Raise UsageError where a plan would replace a file that holds something else, such as the configuration."""
    beginning = read_beginning(path)
    is_config = any(is_there(name) and is_there(path) and path.samefile(name) for name in configs)
    if is_config or (beginning and not beginning.startswith(b"{")):
        raise UsageError(f"{path} exists and is no plan, and a plan would replace it.", "Name another file.")


def refuse_embedded(config: Config) -> None:
    """Raise UsageError where no plan can be applied later."""
    if config.forgets:
        raise UsageError(
            "The plan of an emulator that ends with its command cannot be applied later.",
            f"In the configuration, {_KEEP_ITS_ACCOUNT}. Then make the plan again.",
        )


def warn_embedded(session: Session, path: Path) -> None:
    """Say while a plan is saved that no command can apply it: its emulator ends with this one."""
    if session.config.forgets:
        session.report.emit(
            Note(
                f"Warning: `apply` cannot apply {path}, because the emulator of this plan ends with this command. To "
                f"apply a plan, {_KEEP_ITS_ACCOUNT}."
            )
        )


def refuse_changed(saved: SavedPlan, setup_plan: SetupPlan) -> None:
    """Refuse a plan that would not be made today. Raises RefusedError with the differences."""
    context = setup_plan.context
    salt = bytes.fromhex(saved.document["secrets"]["salt"])
    basis = setup_plan.basis()
    today = saved_plan_document(context.config, context.aws.account, setup_plan.shown, context.options, basis, salt)
    # Both went through JSON, so that equal values are equal.
    lines = list(_differences(saved.document, json.loads(json.dumps(today, default=str))))
    if not lines:
        return
    more = [f"and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
    listed = "".join(f"\n  {line}" for line in (*lines[:_LINES], *more))
    config = os.path.relpath(context.config.path)
    config += f" --only {context.config.entry}" if context.config.entry else ""
    config += "".join(f" --set {shlex.quote(setting)}" for setting in saved.settings)
    config += f" --adopt {','.join(saved.adopt)}" if saved.adopt else ""
    config += " --prune" if saved.prune else ""
    raise RefusedError(
        f"Nothing was done, because {saved.path} was made from something else:{listed}",
        f"Make the plan again, and review it: {context.options.program} plan {config} --out {saved.path}",
    )


def _differences(saved: Mapping[str, Any], today: Mapping[str, Any]) -> Iterator[str]:
    for name in ("deployment", "account_id", "region", "endpoint"):
        if saved.get(name) != today[name]:
            yield f"{name}: {_short(saved.get(name))} in the plan, {_short(today[name])} now"
    before, after = saved["configuration"]["values"], today["configuration"]["values"]
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield f"configuration: {key} is {_short(before.get(key))} in the plan, {_short(after.get(key))} now"
    if saved["secrets"] != today["secrets"]:
        yield "a hidden value of the configuration, or of a resource, is another one now"
    planned, current = _steps(saved), _steps(today)
    for key in [*planned, *(key for key in current if key not in planned)]:
        if parts := [*_step_differences(planned.get(key), current.get(key))]:
            step = planned.get(key) or current[key]
            yield f"{_LABELS.get(step['kind'], step['kind'])} {step['name']}: {'; '.join(parts)}"


def _step_differences(planned: Mapping[str, Any] | None, current: Mapping[str, Any] | None) -> Iterator[str]:
    if planned is None or current is None:
        yield "only in the plan" if planned else "not in the plan"
        return
    if planned["action"] != current["action"]:
        yield f"the plan is to {planned['action']} it, now it would be to {current['action']} it"
    if wanted := _changed(planned["fingerprints"]["desired"], current["fingerprints"]["desired"]):
        yield f"the configuration, the code or the template asks for something else: {', '.join(wanted)}"
    if exists := _changed(planned["fingerprints"]["present"], current["fingerprints"]["present"]):
        yield f"changed in the account: {', '.join(exists)}"
    elif planned["changes"] != current["changes"] and not wanted:
        yield "its changes are others"


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


def _steps(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Returns the steps by their keys.

    Raises:
        AttributeError, KeyError, TypeError or ValueError: they are no steps of a plan file.
    """
    steps = {step["key"]: step for step in document["steps"]}
    if len(steps) != len(document["steps"]):
        raise ValueError("a key is repeated")
    for step in steps.values():
        _ = step["changes"]
        if not all(isinstance(step[name], str) for name in ("key", "kind", "name", "action")):
            raise TypeError("a word is no text")
        _ = (step["fingerprints"]["desired"].keys(), step["fingerprints"]["present"].keys())
    return steps


def _short(value: Any) -> str:
    text = "not set" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}…"
