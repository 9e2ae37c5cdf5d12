"""Keys of a configuration that have no effect in it. They are warnings, not errors.

With `extends`, `deployments` and `--set`, one file serves several job kinds, providers and inputs, and it keeps the
keys of all of them. A key without a value asks for nothing, so it is left out. So is the section `emulator`, which is
for target `local` wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..config.document import KeyPath
from ..config.model import Config, S3Location
from ..errors import Problem
from ..jobs.base import JobKind
from ..jobs.registry import JOBS, job_of


def unread_keys(config: Config) -> Iterator[Problem]:
    """Yield each key that has a value and no effect, with its place and what it is for. Pure."""
    chosen = job_of(config.job)
    for key in sorted(set().union(*map(_keys, JOBS)) - _keys(chosen)):
        if _has_value(config, ("job", key)):
            what = f"job.{key} has no effect with {_title(chosen)}"
            yield config.problem(("job", key), what, f"it is for {_readers(key)}")
    if isinstance(config.input.source, S3Location):
        for key in ("delimiter", "encoding"):
            if _has_value(config, ("input", key)):
                what = f"input.{key} has no effect with an input in S3"
                yield config.problem(("input", key), what, "it is for a local input, which is converted")
    creates_roles = config.iam.lambda_role.managed or config.iam.sagemaker_role.managed
    if not creates_roles and _has_value(config, ("iam", "permissions_boundary")):
        what = "iam.permissions_boundary has no effect, because both roles are ARNs"
        yield config.problem(("iam", "permissions_boundary"), what, "it is for roles that geopipe creates")
    for name in config.functions or ():
        if config.queue_of(name) is None and _has_value(config, ("functions", name, "batch_size")):
            what = f"functions.{name}.batch_size has no effect, because the function has no queue"
            yield config.problem(("functions", name, "batch_size"), what, f"it is for functions.{name}.queue")


def _has_value(config: Config, path: KeyPath) -> bool:
    if config.document.origin(path) is None:
        return False
    value: Any = config.document.data
    for part in path:
        value = value[part]
    return value is not None and value != []


def _keys(job: JobKind) -> frozenset[str]:
    return job.keys | {"provider"} if job.provider else job.keys


def _title(job: JobKind) -> str:
    return f"job.provider {job.provider}" if job.provider else f"job.kind {job.name}"


def _readers(key: str) -> str:
    """Returns the providers and kinds that read a key of `job`; only the kind where all of its providers read it."""
    titles = []
    for job in JOBS:
        if key in _keys(job):
            others = [other for other in JOBS if other.name == job.name and key not in _keys(other)]
            titles.append(_title(job) if others else f"job.kind {job.name}")
    return ", ".join(dict.fromkeys(titles))
