"""One command on one configuration, before anything is connected.

A command wires the stages it needs, and its `run` reads like the list of them:

    run         check -> connect_for_run -> plan -> apply -> execute -> results -> clean up
    plan        check -> connect_for_run -> plan
    cleanup     connect -> observe and ask -> stop executions -> delete
    the others  connect -> the stage that does it

`check` is local. What a connection needs is imported only by commands that connect.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..aws import secrets
from ..aws.account import Account
from ..aws.clock import Clock
from ..config.model import Config
from ..deployment import Deployment
from ..errors import UsageError
from ..events import Report
from ..inputs.prepare import PreparedInput
from ..jobs.registry import job_of
from ..pipeline import execution_input
from .unread_keys import unread_keys

if TYPE_CHECKING:
    from ..aws.artifact import Package
    from ..aws.client_pool import ClientPools
    from ..aws.endpoint import Endpoint
    from ..context import Context, Options


class Shared(Protocol):
    """What several deployments of one command share."""

    @property
    def local_work(self) -> AbstractContextManager[Any]:
        """One deployment after the other is within it.

        Python computes on one thread at a time anyway, and the first ones should not wait for the local work of all
        others before their calls.
        """

    @property
    def pools(self) -> ClientPools:
        """The clients of AWS."""

    def build_once(self, content: Hashable, build: Callable[[], Package]) -> Package:
        """Returns the zip of `content`, which is built for the first deployment that needs it."""

    def open_endpoint(self, config: Config) -> AbstractContextManager[Endpoint]:
        """Within the block, the endpoint that `config` names can be used."""


def check_writable(folder: Path) -> None:
    """Make the folder of `--output-dir` and try to write there. Raises UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        what = f"Cannot write into {folder.resolve()}: {error.strerror}."
        raise UsageError(what, "Name another --output-dir.") from None


@dataclass(frozen=True)
class Session:
    """One command on one configuration, before anything is connected."""

    config: Config
    options: Options
    report: Report
    time: Clock
    on_start: Callable[[], None] = lambda: None
    """Called when an interruption has to be handled with care from now on: something exists, or a person is asked."""
    shared: Shared | None = None
    """What it shares with other deployments of the same command."""

    def __post_init__(self) -> None:
        # Here, not with the credentials: these belong to several deployments, and each has secrets of its own.
        secrets.register_settings(self.config.named_secrets)

    def check(self) -> tuple[dict[str, Any], PreparedInput]:
        """Check everything that needs no call, and return the pipeline's definition and the input.

        The notes of the input begin with warnings about keys of the configuration that have no effect.

        Raises:
            TemplateError: the template does not render to a definition.
            ConfigError: the parameters do not fit the definition, or the job cannot use the input.
        """
        deployment = self.deployment()
        definition = execution_input.check(deployment)
        prepared = job_of(self.config.job).prepare_input(deployment)
        warnings = tuple(f"Warning: {problem}" for problem in sorted(unread_keys(self.config)))
        return definition, replace(prepared, notes=(*warnings, *prepared.notes))

    @property
    def welcome(self) -> str:
        """What the job kind says at the beginning of a run."""
        return job_of(self.config.job).welcome

    def check_output_dir(self) -> None:
        """See that results can be saved, before anything is paid for. Raises UsageError."""
        if self.options.output_dir is not None:
            check_writable(self.options.output_dir)

    def check_confirmation(self, *, cleans_up: bool = True) -> None:
        """See that what this command may delete is confirmed, before anything is called.

        `cleans_up`: the command deletes what the clean-up policy says. Raises RefusedError.
        """
        from .protection import check_confirmation

        check_confirmation(self.config, self.options, cleans_up=cleans_up)

    def deployment(self, account: Account | None = None) -> Deployment:
        """Return the deployment in the account that the configuration names, or in `account` once it is known."""
        config = self.config
        account = account or Account(config.account_id, config.region, config.endpoint)
        return Deployment(config, account, job_of(config.job).rights)

    def open_endpoint(self) -> AbstractContextManager[Endpoint]:
        """Within the block, the endpoint of the configuration can be used. An emulator of our own starts right away."""
        from ..aws.endpoint import open_endpoint

        return self.shared.open_endpoint(self.config) if self.shared else open_endpoint(self.config)

    @contextmanager
    def connect(self) -> Iterator[Context]:
        """Connect for a command that builds nothing: identities are enough."""
        with self.open_endpoint() as endpoint:
            from .connection import connect

            with connect(self, endpoint) as context:
                yield context

    @contextmanager
    def connect_for_run(self) -> Iterator[Context]:
        """Check, connect, and build the function's zip and the definition, for a command that makes a plan."""
        with self.open_endpoint() as endpoint:
            from .connection import connect_for_run

            with connect_for_run(self, endpoint) as context:
                yield context
