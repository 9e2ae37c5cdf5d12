"""The errors a user may meet, each with the exit code it ends the command with.

GeopipeError                exit 1   anything below; `message` says what happened, `hint` what to try
├── UsageError              exit 2   an argument that makes no sense here
├── ConfigError             exit 2   the configuration file, every problem at its line and column
├── TemplateError           exit 2   the pipeline template or the definition it renders to
├── AwsError                exit 1   AWS, the emulator or this machine did not do what was asked
├── ExecutionFailed         exit 3   the pipeline execution failed, stopped or timed out
├── RefusedError            exit 5   not done on purpose: someone else's resource, the wrong account
└── InterruptedByUser       exit 130 Ctrl-C, SIGTERM, or the input ended at a question
    └── OutputClosed                 nobody reads what we print any more
        └── OutputFailed    exit 1   what we print cannot be written: the disk is full

Terminated                  exit 130 SIGTERM, raised wherever the program just is, as Python does for Ctrl-C

Only the command line prints these. Any other exception is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from .failure_codes import Failure


class GeopipeError(Exception):
    """What happened, and (when we know it) what to try."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        self.failure: Failure | None = None
        """Why, by a stable code, where a set-up or an execution failed."""
        self.explained = False
        """Whether it has been shown already (a failure is explained before the clean-up that follows it)."""

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(GeopipeError):
    """An argument is well-formed but means nothing with this configuration."""

    exit_code = 2


@dataclass(frozen=True, order=True)
class Problem:
    """One fault of a file: where it is (counted from 1), what it is, and what would be valid there."""

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
    """We could have, but must not: a resource is not ours, or the account is not the configured one."""

    exit_code = 5


class InterruptedByUser(GeopipeError):  # noqa: N818 - it is the name of an event
    """The user broke off."""

    exit_code = 130


class OutputClosed(InterruptedByUser):
    """Standard output is gone: like SIGTERM, since whoever read it will not come back to clean up."""


class OutputFailed(OutputClosed):
    """Standard output is gone, and not because its reader went."""

    exit_code = 1


class Terminated(KeyboardInterrupt):
    """SIGTERM: like Ctrl-C, but whoever sent it will not come back to clean up."""
