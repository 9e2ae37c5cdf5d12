"""The connection around the stages of a command, and what an interruption or a failure leaves behind."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..aws import artifact
from ..aws.artifact import Package
from ..aws.clock import Interrupted, StoppableClock
from ..aws.dependencies import install, platform_of
from ..aws.endpoint import Endpoint, answered_steps
from ..aws.errors import translated
from ..config.model import Config, FunctionConfig
from ..context import Context, State
from ..errors import (
    ConfigError,
    ExecutionFailed,
    GeopipeError,
    InterruptedByUser,
    OutputClosed,
    OutputFailed,
    Terminated,
)
from ..events import Connected, Failed, Note, Transferred
from ..jobs.registry import job_of
from ..kinds.base import NOTHING_BUILT, Artifacts
from ..packaged import package_folder
from ..pipeline import execution_input, offline_steps
from ..reconcile.apply import ApplyFailed
from ..reconcile.blueprint import build_blueprint
from . import cleanup
from .locking import released_at_end
from .session import Session

if TYPE_CHECKING:
    from ..aws.clients import Aws
    from ..aws.connection_watch import ConnectionWatch


@contextmanager
def connect(session: Session, endpoint: Endpoint, watch: ConnectionWatch | None = None) -> Iterator[Context]:
    """Within the block, the deployment's AWS can be called; identities are all that is known of its resources.

    `watch` notes how far the connection comes.
    """
    with translated():
        aws = _connect(session, endpoint, watch)
        context = _context(session, aws, NOTHING_BUILT)
        with released_at_end(context), _interruptible(context), translated():
            if session.options.output_dir:
                session.report.emit(Connected(session.config, aws.account))
            yield context


@contextmanager
def connect_for_run(session: Session, endpoint: Endpoint) -> Iterator[Context]:
    """The same, with the function's zip, the pipeline's definition and the input as the job reads it."""
    config = session.config
    with translated():
        with session.shared.local_work if session.shared else nullcontext():
            definition, prepared = session.check()  # an emulator of our own starts meanwhile
            packages, package_notes = _build_packages(session)
        aws = _connect(session, endpoint)
        if config.target == "local" and config.endpoint and offline_steps.need_entries(definition):
            offline_steps.check(config, definition, answered_steps(config.endpoint))
        if config.embedded:  # only now is the endpoint known, and with it the queue's URL
            definition = execution_input.load_definition(session.deployment(aws.account))
        named = execution_input.named(session.deployment(aws.account), definition)
        # Not earlier: until the connection stands, a signal ends the process without another word.
        with tempfile.TemporaryDirectory(prefix="geopipe-") if prepared.form else nullcontext("") as folder:
            file = prepared.convert(Path(folder))
            estimate = job_of(config.job).estimate(config, file)
            notes = (*prepared.notes, *package_notes, *estimate.notes)
            artifacts = Artifacts(packages, definition, named, file, notes, estimate.question)
            context = _context(session, aws, artifacts)
            with released_at_end(context), _interruptible(context), translated():
                yield context


def _build_packages(session: Session) -> tuple[dict[str, Package], tuple[str, ...]]:
    """Build the functions' zips, and return them with what a plan says about them. Calls nothing in AWS."""
    packages: dict[str, Package] = {}
    notes: dict[str, None] = {}
    for key, function in session.config.every_function.items():
        if function.image_uri is None:
            packages[key], note = _build_package(session, function)
            if packages[key].is_large and not session.config.bucket.name:
                what = f"the zip of function {function.name} has {len(packages[key].content):,} bytes"
                valid = "set bucket.name: Lambda takes more than 50 MB only from a bucket"
                raise ConfigError([session.config.problem(("bucket", "name"), what, valid)])
            notes |= dict.fromkeys((*note, *runtime_notes(session.config, function)))
    return packages, tuple(notes)


def runtime_notes(config: Config, function: FunctionConfig) -> tuple[str, ...]:
    """Say that an emulator of our own runs a function on another Python: on the one that runs this program."""
    host = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not config.embedded or function.runtime == f"python{host}":
        return ()
    return (f"Functions with the runtime {function.runtime} run on this machine's Python {host}.",)


def _build_package(session: Session, function: FunctionConfig) -> tuple[Package, tuple[str, ...]]:
    config = session.config
    packages = {name: package_folder(name) for name in job_of(config.job).packages}
    installed = None
    if function.requirements:
        goal = platform_of(config.target, function.runtime, function.architecture or "x86_64")
        installed = install(function.requirements, goal, lambda text: session.report.emit(Note(text)))
    folder = installed.folder if installed else None

    def build() -> Package:
        follow_links = function.follow_links
        return artifact.build(*function.source, follow_links=follow_links, packages=packages, installed=folder)

    content = function.source, function.follow_links, tuple(packages.items()), folder
    package = session.shared.build_once(content, build) if session.shared else build()
    return package, (installed.note,) if installed else ()


def _connect(session: Session, endpoint: Endpoint, seen: ConnectionWatch | None = None) -> Aws:
    # Imported only now: an emulator of our own starts meanwhile.
    from ..aws.clients import connect as connect_client

    config = session.config

    def emit(text: str) -> None:
        session.report.emit(Note(text))

    def watch(what: str, done: int, total: int) -> None:
        session.report.emit(Transferred(what, done, total))

    if config.target == "aws":
        session.on_start()  # a profile may ask for an MFA code on the terminal
    interactive = session.options.interactive
    pools = session.shared.pools if session.shared else None
    aws = connect_client(
        config, endpoint.url, emit, session.time, watch, interactive=interactive, watch=seen, pools=pools
    )
    if config.target == "local":
        session.on_start()
    return aws


def _context(session: Session, aws: Aws, artifacts: Artifacts) -> Context:
    from ..aws.deployment_lock import DeploymentLock

    config, deployment = session.config, session.deployment(aws.account)
    lock = None
    if config.bucket.name and not config.embedded:
        lock = DeploymentLock(
            aws,
            config.bucket.name,
            deployment.lock_key,
            force=session.options.force_unlock,
            emit=lambda text: session.report.emit(Note(text)),
        )
    elif session.options.force_unlock:
        why = "the emulator of this command needs none" if config.embedded else "without bucket.name, there is none"
        session.report.emit(Note(f"--force-unlock takes no lock: {why}."))
    blueprint = build_blueprint(deployment, artifacts)
    return Context(config, session.options, session.report, session.time, aws, blueprint, State(), lock)


@contextmanager
def cleaned_up_after_failure(context: Context) -> Iterator[None]:
    """Show a failure immediately, since with `--cleanup=all` a clean-up follows it.

    Only a failed set-up or execution is followed by one. After a refusal, what exists belongs to others, and results
    that could not be saved are worth keeping.
    """
    try:
        yield
    except (ApplyFailed, ExecutionFailed) as error:
        context.report.emit(Failed(error))
        error.explained = True
        _clean_up_by_policy(context)
        raise


def _clean_up_by_policy(context: Context) -> None:
    if context.options.cleanup_policy(context.config) != "all":
        return
    try:
        with translated():
            cleanup.clean_up(context)
    except OutputClosed:
        raise
    except GeopipeError as error:  # the first failure is the one that counts
        context.report.emit(Failed(error))


@contextmanager
def _interruptible(context: Context) -> Iterator[None]:
    """Turn Ctrl-C, a signal, or an input or output that ends into a message on what exists and how to continue."""
    try:
        yield
    except Terminated as error:
        _clean_up_unattended(context)
        raise _interrupted(context, str(error)) from None
    except OutputClosed as error:
        _clean_up_unattended(context)
        if type(error) is OutputClosed and not _has_acted(context):
            raise
        kind = OutputFailed if isinstance(error, OutputFailed) else InterruptedByUser
        raise kind(*_interrupted(context, error.message).args) from None
    except (KeyboardInterrupt, Interrupted):
        if isinstance(context.time, StoppableClock):
            raise _stopped(context, context.time) from None
        raise _interrupted(context, "Interrupted.") from None
    except InterruptedByUser as error:
        raise _interrupted(context, error.message) from None


def _stopped(context: Context, time: StoppableClock) -> InterruptedByUser:
    """Do for one of several deployments what a signal asks for, and return what to say."""
    if time.is_unattended:
        _clean_up_unattended(context)
    return _interrupted(context, time.reason)


def _has_acted(context: Context) -> bool:
    """Whether this command has done something that outlives it."""
    return not context.config.forgets and (context.state.has_acted or bool(context.state.running))


def _clean_up_unattended(context: Context) -> None:
    """Clean up after a signal, since no one will come back to do it. A second signal ends this too.

    A command that has changed nothing, such as `status` and `logs`, leaves everything as it found it.
    """
    if not (context.state.has_acted or context.state.running):
        return
    context.time.renew()
    context = replace(context, options=replace(context.options, interactive=False))
    with suppress(KeyboardInterrupt, Interrupted):
        try:
            _clean_up_by_policy(context)
        except OutputClosed:  # the report has dropped the lost output by now
            _clean_up_by_policy(context)


def _interrupted(context: Context, what: str) -> InterruptedByUser:
    config = context.config
    if config.forgets:
        return InterruptedByUser(f"{what} The emulator ended with this command: nothing remains.")
    lines = [what]
    names = [f"{step.resource.kind.label} {step.resource.name}" for step in context.state.progress.existing.values()]
    if context.state.looked:
        lines.append(f"These exist: {', '.join(names)}." if names else "Nothing exists.")
    running = context.state.running
    if running:
        lines.append(f"The execution {running} continues.")
    program, command = context.options.program, context.options.command
    cleanup = f"{program} cleanup {config.argument}"
    if command == "cleanup":
        again, hint = cleanup, ""
    else:
        again = f"{program} {command if command in ('apply', 'plan') else 'run'} {config.argument}"
        hint = f"\nTo clean up: {cleanup}"
    if running and not names:
        again = f"{program} resume {config.argument} --execution {running.rsplit('/', 1)[-1]}"
    hint = f"To continue: {again}{hint}"
    return InterruptedByUser("\n".join(lines), hint if names or running else "")
