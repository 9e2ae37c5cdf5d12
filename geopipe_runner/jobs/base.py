"""What the rest of the program asks of a job kind."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..config.model import Config, JobConfig, S3Location
from ..deployment import Deployment, JobRights
from ..errors import Problem
from ..inputs.prepare import PreparedInput, prepare
from ..kinds.policy_documents import to_json
from ..kinds.role_policies import lambda_policy, sagemaker_policy

# Characters of a managed policy, without spaces (IAM quotas).
_LARGEST_POLICY = 6144

if TYPE_CHECKING:
    from ..aws.clients import Aws


@dataclass(frozen=True)
class ResultFormat:
    """How to recognize result files among other objects, and valid rows among others."""

    file_name: re.Pattern[str]
    status_column: str
    valid: str
    needed: bool = True
    """Whether a run that leaves none has gone wrong."""
    text_columns: frozenset[str] = frozenset()
    """Columns that are text even if all of their values look like numbers."""
    table: str = ""
    """The name of the GeoJSON file whose features are the table of the result; the other files are saved as they are.
    "": the files are CSV, and together they are the table."""


@dataclass(frozen=True)
class PointColumns:
    """What the columns of a result are called that hold its points."""

    longitude: str
    latitude: str


@dataclass(frozen=True)
class AccountCheck:
    """What was found out about the account and the caller before anything is created; "" where nothing was."""

    refusal: str = ""
    """Why no run can succeed, and what to do, in one sentence."""
    warning: str = ""
    """What may be missing."""


@dataclass(frozen=True)
class Estimate:
    """What a run is going to do and to cost, before anything is created."""

    notes: tuple[str, ...] = ()
    """What a plan says about it, as sentences."""
    question: str = ""
    """What a person has to confirm; "" where the run needs no confirmation."""


@dataclass(frozen=True)
class JobFailure:
    """What a job says went wrong. `code` is one of errors.ADVICE."""

    code: str
    text: str


class JobKind(ABC):
    """One kind of job behind the pipeline. Stateless.

    Only what is abstract has to be written for a new kind. The defaults are those of work that is not one job with a
    state of its own.
    """

    name: ClassVar[str]
    """The value of `job.kind`."""
    provider: ClassVar[str] = ""
    """The value of `job.provider`; "" for a kind that has no choice of providers."""
    keys: ClassVar[frozenset[str]] = frozenset()
    """The keys of the section `job` that only some kinds read, this one among them. For others, a key is a warning."""
    results: ClassVar[ResultFormat]
    welcome: ClassVar[str] = ""
    """What a run of it says at its beginning, below the heading."""
    has_job: ClassVar[bool] = False
    """Whether it has a state to show while it runs."""
    rights: ClassVar[JobRights] = JobRights()
    """What it needs of the two roles."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Packages of geopipe that the function imports. They are folders in its zip, next to `function.source`."""
    permissions: ClassVar[tuple[str, ...]] = ()
    """The IAM actions that the caller needs for the methods below."""

    @abstractmethod
    def parameters(self, deployment: Deployment, run_id: str) -> Mapping[str, str]:
        """Returns values for the pipeline parameters that the kind knows. A pipeline may declare fewer. Pure."""

    def missing_value(self, name: str) -> str:
        """Returns what to do about a pipeline parameter that has neither a value nor a default."""
        return "add it to pipeline.parameters"

    def output_prefix(self, deployment: Deployment, run_id: str) -> str:
        """Returns where this run's results go: a prefix that no other run writes to. Pure."""
        return f"{deployment.config.output.prefix}{run_id}/"

    def points(self, job: JobConfig) -> PointColumns:
        """Returns the columns of a result that hold its points. A result need not have them. Pure."""
        return PointColumns(job.longitude_column, job.latitude_column)

    def prepare_input(self, deployment: Deployment) -> PreparedInput:
        """Look at a local input before anything is created or paid for. Reads the file; calls nothing.

        Raises:
            ConfigError: the job cannot work with this input.
        """
        return prepare(deployment.config)

    def estimate(self, config: Config, file: Path | None) -> Estimate:
        """Returns how much a run is going to do. `file` is the prepared input; None for one in S3. Reads the file."""
        return Estimate()

    def check_account(self, aws: Aws) -> AccountCheck:
        """Returns whether this account and caller may run the job. It comes before anything is created. Reads only."""
        return AccountCheck()

    def state(self, aws: Aws, outputs: Mapping[str, str]) -> str:
        """Returns the state of the job, for a person to read."""
        return "no job of its own"

    def running(self, aws: Aws) -> frozenset[str]:
        """Returns the ARNs of all unfinished jobs, also those of others; none for a caller who may not list them."""
        return frozenset()

    def stop(self, aws: Aws, arn: str) -> None:  # noqa: B027 - nothing to stop is the default
        """Stop one job. One that has ended already is fine."""

    def finished(self, aws: Aws) -> frozenset[str]:
        """Returns the ARNs of all finished jobs that AWS keeps, also those of others."""
        return frozenset()

    def delete(self, aws: Aws, arn: str) -> None:  # noqa: B027 - nothing to delete is the default
        """Delete a finished job. One that does not exist any more is fine."""

    def failure(self, aws: Aws, outputs: Mapping[str, str]) -> JobFailure | None:
        """Returns what the job itself says went wrong. `outputs` are those of the pipeline's steps."""
        return None


def input_location(deployment: Deployment) -> S3Location:
    """Returns where the job reads: the uploaded file, or the object that the configuration names.

    Raises:
        ValueError: there is no input, which only work of the user's own may lack.
    """
    source = deployment.config.input.source
    if source is None:
        raise ValueError("there is no input")
    if isinstance(source, S3Location):
        return source
    return S3Location(deployment.config.bucket.name, deployment.config.input.prefix + source.name)


def policy_problems(deployment: Deployment) -> Iterator[Problem]:
    """Yields the policies of managed roles that are larger than IAM takes: many functions and queues, or statements."""
    config, iam = deployment.config, deployment.config.iam
    policies = {
        "iam.lambda_role": lambda_policy(deployment) if iam.lambda_role.managed else {},
        "iam.sagemaker_role": sagemaker_policy(deployment) if iam.sagemaker_role.managed else {},
    }
    for name, policy in policies.items():
        size = len(to_json(policy))
        if size > _LARGEST_POLICY:
            what = f"the policy of {name} has {size:,} characters"
            valid = f"IAM allows {_LARGEST_POLICY:,}; shorten policy_statements or the names of the resources"
            key = ("pipeline",) if name == "iam.sagemaker_role" else ("function", "policy_statements")
            key = key if config.functions is None or key == ("pipeline",) else ("functions",)
            yield config.problem(key, what, valid)
