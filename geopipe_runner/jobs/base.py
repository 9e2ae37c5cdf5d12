"""What the rest of the program asks of a job kind."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..config.model import JobConfig, S3Location
from ..kinds.base import Deployment

if TYPE_CHECKING:
    from ..aws.clients import Aws


@dataclass(frozen=True)
class ResultFormat:
    """How result files are told from other objects, and good rows from bad ones."""

    file_name: re.Pattern[str]
    status_column: str
    valid: str
    needed: bool = True
    """Whether a run that leaves none has gone wrong."""


@dataclass(frozen=True)
class PointColumns:
    """What the columns of a result are called that hold its points."""

    longitude: str
    latitude: str


@dataclass(frozen=True)
class JobFailure:
    """What a job says went wrong. `code` is one of failure_codes.ADVICE."""

    code: str
    text: str


class JobKind(Protocol):
    """One kind of job behind the pipeline. Stateless."""

    @property
    def name(self) -> str: ...

    @property
    def results(self) -> ResultFormat: ...

    def parameters(self, deployment: Deployment, run_id: str) -> Mapping[str, str]:
        """Values for the pipeline parameters the kind knows; a pipeline need not declare all of them. Pure."""

    def output_prefix(self, deployment: Deployment, run_id: str) -> str:
        """Where this run's results go: a prefix no other run writes to. Pure."""

    def points(self, job: JobConfig) -> PointColumns:
        """Where a result has its points; rows need not have any. Pure."""

    def warning(self, aws: Aws) -> str | None:
        """What this account or caller may lack for the job, seen before anything is made; None if nothing."""

    def input_warning(self, deployment: Deployment) -> str | None:
        """What the job will not find in a local input, seen before it is paid for; None if nothing. Reads the file."""

    def state(self, aws: Aws, outputs: Mapping[str, str]) -> str:
        """The state the job is really in, for a person to read."""

    def running(self, aws: Aws) -> frozenset[str]:
        """The ARNs of all jobs that go on, whoever started them; none for a caller who may not see them."""

    def stop(self, aws: Aws, arn: str) -> None:
        """Stop one of them; being over already is fine."""

    def failure(self, aws: Aws, outputs: Mapping[str, str]) -> JobFailure | None:
        """What the job itself says went wrong, from the outputs of the pipeline's steps; None if nothing."""


def input_location(deployment: Deployment) -> S3Location:
    """Where the job reads: the uploaded file, or the object the configuration names."""
    source = deployment.config.input.source
    if isinstance(source, S3Location):
        return source
    return S3Location(deployment.config.bucket.name, deployment.config.input.prefix + source.name)


def first_row(file: Path) -> tuple[str, ...]:
    """The header of a CSV file; nothing where there is none to be read."""
    try:
        with file.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
            return tuple(next(csv.reader(lines), ()))
    except (OSError, csv.Error):
        return ()
