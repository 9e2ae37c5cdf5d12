"""The Lineage step: it creates actions, artifacts and contexts, and associations between them."""

from __future__ import annotations

from typing import Any

from .base import Task
from .job import JobStep, arguments_of

_KINDS = {"Actions": "Action", "Artifacts": "Artifact", "Contexts": "Context"}


class LineageStep(JobStep):
    name = "Lineage"
    metadata_key = "Lineage"

    def describe(self, task: Task) -> dict[str, Any]:
        arguments = arguments_of(task)
        properties: dict[str, Any] = {"Associations": arguments.get("Associations") or []}
        root = ":".join(task.execution_arn.split(":")[:5])
        for member, kind in _KINDS.items():
            names = [
                str(entry.get(f"{kind}Name", "")) for entry in arguments.get(member) or () if isinstance(entry, dict)
            ]
            properties[f"{kind}Arns"] = {name: f"{root}:{kind.lower()}/{name}" for name in names}
        return properties

    def metadata(self, task: Task) -> dict[str, Any]:
        described = self.describe(task)
        return {self.metadata_key: {key: described[key] for key in ("ActionArns", "ArtifactArns", "ContextArns")}}
