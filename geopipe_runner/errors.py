"""The errors a user may meet: their exit codes, and the stable codes of failures with what to do about each.

GeopipeError                exit 1   any of those below; `message` says what happened, `hint` what to try
├── UsageError              exit 2   an argument that makes no sense here
├── ConfigError             exit 2   the configuration file, every problem at its line and column
├── TemplateError           exit 2   the pipeline template or the definition it renders to
├── AwsError                exit 1   AWS, the emulator or this machine could not do what was asked
├── ExecutionFailed         exit 3   the pipeline execution failed, stopped or timed out
├── RefusedError            exit 5   not done on purpose: someone else's resource, the wrong account
├── LockedError             exit 6   another command is working on the deployment
└── InterruptedByUser       exit 130 Ctrl-C, SIGTERM, or the input ended at a question
    └── OutputClosed        exit 141 no one reads what is printed any more, as in `| head`
        └── OutputFailed    exit 1   what we print cannot be written: the disk is full

Terminated                  exit 130 SIGTERM or SIGHUP, raised wherever the program is, as Python does for Ctrl-C

Only the command line prints these. Any other exception is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

# A code never gets another meaning. docs/reference/failures.md lists the codes with this advice.
ADVICE: Mapping[str, str] = {
    "access-denied": "Allow what the message names, and check whether a permissions boundary denies it.",
    "bucket-denied": "Allow the SageMaker role s3:GetObject on the input and s3:PutObject below the output prefix. "
    "Check the bucket's policy, a permissions boundary and a KMS key for a denial.",
    "callback-deadline": "Raise execution.callback_deadline (at most 57600 s) if such a job may take that long. "
    "Otherwise find out what delays the job.",
    "callback-failed": "The reason above comes with the answer to the callback. Fix the cause, then `run`.",
    "callback-not-sent": "The step could not put its message into the queue, for the reason above. Fix it, then `run`.",
    "callback-undeliverable": "The function received the message more often than queue.max_receive_count allows. Its "
    "log says why it could not answer.",
    "execution-failed": "Fix what the reason names, then run the same command again.",
    "execution-stopped": "AWS CloudTrail shows who called StopPipelineExecution. `run` starts a new execution.",
    "execution-timeout": "The execution continues: `resume` follows it, `stop` ends it. Raise execution.timeout if "
    "the work takes this long.",
    "export-failed": "The job is done, but its export is not. Fix what the export's error names, then `run`.",
    "fail-step": "The pipeline ended itself with a Fail step. Its message is the reason.",
    "function-missing": "The function does not exist, or not under the name that the pipeline uses. `run` creates it "
    "and starts a new execution.",
    "handler-error": "The log lines show where the function raised the error. Fix the function, then `run`.",
    "handler-import-error": "The function sees only function.source, the packages of function.requirements, Python's "
    "standard library and boto3. Put the missing module into one of them, and check function.handler.",
    "handler-timeout": "Raise function.timeout, or do less in the step. Long work belongs behind a callback.",
    "input-column-missing": "Set job.longitude_column and job.latitude_column to the names in the first line of the "
    "input, including capitals and spaces.",
    "input-missing": "Check input.source. The object must stay until the job has ended.",
    "job-failed": "Fix what the job's error names, then `run`. If the service itself failed, run again.",
    "job-stopped": "AWS CloudTrail shows who stopped or deleted the job. `run` starts another one.",
    "no-valid-rows": "Look at the coordinates of the invalid rows and at the column names in `job`. If so many invalid "
    "rows are expected, raise job.max_invalid_share.",
    "output-too-long": "An output of a step has 1,024 characters at most. Return less, or write it to S3 and return "
    "where.",
    "pass-role-denied": "Allow the identity that passes the role iam:PassRole on it, for the service in the message. "
    "Check whether a permissions boundary denies it.",
    "queue-missing": "The queue does not exist, so that the step's message could not be sent. `run` creates it and "
    "starts a new execution.",
    "role-not-assumable": "The role's trust policy must name the service. AWS can take minutes to spread a new role: "
    "raise iam.propagation_timeout.",
    "setup-failed": "Run the same command again. It continues from there.",
    "step-failed": "Fix what the reason names, then `run`.",
    "unknown": "What failed is not clear from what AWS says; all of it is above. `status` and `logs` show more.",
}
_RETRY = "Once it is fixed, `retry` runs the failed steps of this execution again."


@dataclass(frozen=True)
class Failure:
    """Why something failed. `step` is the pipeline's step, or during set-up the resource's key.

    `job_error` is what the job behind the pipeline says of itself, `log_lines` the function's last ones.
    """

    code: str
    reason: str
    step: str | None = None
    job_error: str | None = None
    log_lines: tuple[str, ...] = ()
    can_retry: bool = False
    """Whether `retry` can help: the execution still exists, and its job has not failed itself."""

    @property
    def advice(self) -> str:
        """What to do about it."""
        return f"{ADVICE[self.code]} {_RETRY}" if self.can_retry else ADVICE[self.code]


class GeopipeError(Exception):
    """What happened, and (when we know it) what to try."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        # Why, by a stable code, where the setup or an execution failed.
        self.failure: Failure | None = None
        # Whether it has been shown already: a failure is explained before the cleanup that follows it.
        self.explained = False

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(GeopipeError):
    """An argument is well-formed but means nothing with this configuration."""

    exit_code = 2


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a file: where (counted from 1), what, and what would be valid there."""

    file: str
    line: int
    column: int
    what: str
    valid: str = ""

    def __str__(self) -> str:
        text = f"{self.what}; {self.valid}" if self.valid else self.what
        return f"{self.file}:{self.line}:{self.column}: {text}"


class ConfigError(GeopipeError):
    """Everything that is wrong with a configuration, one line each, in the order of the file."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem], hint: str = "") -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems), hint)


class TemplateError(GeopipeError):
    """The pipeline template does not render, or renders to something that is no pipeline definition."""

    exit_code = 2


class AwsError(GeopipeError):
    """A call to AWS or to the emulator failed, or something on this machine did."""

    exit_code = 1


class ExecutionFailed(GeopipeError):  # noqa: N818 - it is the name of an outcome
    """The execution ended otherwise than Succeeded, or did not end in time; `failure` says why."""

    exit_code = 3

    def __init__(self, message: str, hint: str, failure: Failure) -> None:
        super().__init__(message, hint)
        self.failure = failure


class RefusedError(GeopipeError):
    """We must not do it: a resource is not ours, or the account is not the configured one."""

    exit_code = 5


class LockedError(GeopipeError):
    """Another command holds the lock of the deployment, or has taken it from this one."""

    exit_code = 6


class InterruptedByUser(GeopipeError):  # noqa: N818 - it is the name of an event
    """The user interrupted the command."""

    exit_code = 130


class OutputClosed(InterruptedByUser):
    """The reader of standard output has left, as in `| head`. Where nothing was done, that needs no message."""

    exit_code = 141


class OutputFailed(OutputClosed):
    """Standard output cannot be written to: the disk is full, for instance."""

    exit_code = 1


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: like Ctrl-C, but no one will come back to clean up. Its text says which."""
