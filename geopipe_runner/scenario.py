"""The commands, each a short list of stages, and the one place where the parts are wired together.

    run       open endpoint -> check -> connect -> plan -> apply -> execute -> results -> clean up
    dry_run   open endpoint -> check -> connect -> plan
    cleanup   open endpoint ----------> connect -> observe and ask -> stop executions -> delete
    validate                   check

`check` is local; plans only read, which `Aws.read_only` enforces. Nothing here prints or knows the command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .aws import artifact
from .aws.account import Account
from .aws.endpoint import open_endpoint
from .aws.failures import translated
from .aws.retry import Interrupted, Patience
from .config.model import Config
from .errors import GeopipeError, InterruptedByUser, Terminated
from .kinds.base import Artifacts, Deployment
from .pipeline import request
from .reconcile.blueprint import draw
from .reconcile.model import Action, Plan
from .report.events import CleanupBegins, Complete, Failed, Note, Planned, Report, Valid, Welcome
from .stages import cleanup as cleaning
from .stages import execute, setup
from .stages.session import Options, Session, State


def validate(config: Config, report: Report) -> None:
    """Everything that can be checked without a call. Raises TemplateError."""
    _check(config)
    report.tell(Valid(str(config.path)))


def run(config: Config, options: Options, report: Report, time: Patience) -> None:
    """The whole scenario."""
    with _session(config, options, report, time, build=True) as session:
        report.tell(Welcome())
        with _interruptible(session), _explained(session), translated():
            execute.run_pipeline(setup.carry_out(setup.plan(session)))
        with _interruptible(session), translated():
            _clean_up(session)


def dry_run(config: Config, options: Options, report: Report, time: Patience) -> Plan:
    """The plan, and nothing else. Raises RefusedError (after showing it) where it would touch what is not ours."""
    with _session(config, options, report, time, build=True) as session, _interruptible(session), translated():
        made = setup.plan(session)
        setup.refuse_foreign(made.plan)
        return made.shown


def cleanup(config: Config, options: Options, report: Report, time: Patience, *, only_plan: bool) -> None:
    """Delete what is this deployment's, by policy; with `only_plan` just show it."""
    with _session(config, options, report, time, build=False) as session, _interruptible(session), translated():
        if only_plan:
            report.tell(Planned(config, session.aws.account, cleaning.plan_all(session).shown))
        else:
            _clean_up(session)


def hello(config: Config, options: Options, report: Report, time: Patience) -> None:
    """The specification's Hello service, at the configured endpoint."""
    from .hello import hello_sagemaker

    with _session(config, options, report, time, build=False) as session, _interruptible(session), translated():
        hello_sagemaker(session.aws.client("sagemaker"))


@contextmanager
def _session(config: Config, options: Options, report: Report, time: Patience, *, build: bool) -> Iterator[Session]:
    with open_endpoint(config) as endpoint, translated():
        if build:
            _check(config)
        # Imported only now: an emulator of our own starts up meanwhile.
        from .aws.clients import connect

        aws = connect(config, endpoint.url, lambda text: report.tell(Note(text)), time)
        deployment = Deployment(config, aws.account, Artifacts())
        if build:
            built = Artifacts(artifact.build(config.function.source), request.load_definition(deployment))
            deployment = Deployment(config, aws.account, built)
        yield Session(config, options, report, time, aws, draw(deployment), State())


def _check(config: Config) -> None:
    request.check(Deployment(config, Account(config.account_id, config.region, config.endpoint), Artifacts()))


def _clean_up(session: Session) -> None:
    session.report.tell(CleanupBegins())
    made = cleaning.plan(session)
    cleaning.carry_out(session, made)
    session.report.tell(Complete(made.plan.having(Action.KEEP)))


@contextmanager
def _explained(session: Session) -> Iterator[None]:
    """A failure is shown at once; where the policy is to clean up without asking, that still happens."""
    try:
        yield
    except (execute.CredentialsExpired, InterruptedByUser):
        raise
    except GeopipeError as error:
        session.report.tell(Failed(error))
        error.explained = True
        _clean_up_after(session)
        raise


def _clean_up_after(session: Session) -> None:
    if session.options.cleanup_policy(session.config) in ("ask", "none"):
        return
    try:
        with translated():
            _clean_up(session)
    except GeopipeError as error:  # the first failure is the one that counts
        session.report.tell(Failed(error))


@contextmanager
def _interruptible(session: Session) -> Iterator[None]:
    """Ctrl-C, SIGTERM and an input that ends leave everything as it is and say what that is."""
    try:
        yield
    except Terminated:
        session.time.renew()
        _clean_up_after(session)
        raise _interrupted(session, "Terminated.") from None
    except (KeyboardInterrupt, Interrupted):
        raise _interrupted(session, "Interrupted.") from None
    except InterruptedByUser as error:
        raise _interrupted(session, error.message) from None


def _interrupted(session: Session, what: str) -> InterruptedByUser:
    config = session.config
    if config.embedded:
        return InterruptedByUser(f"{what} The emulator ended with this command: nothing remains.")
    lines = [what]
    names = [f"{step.resource.kind.label} {step.resource.name}" for step in session.state.progress.existing()]
    if names:
        lines.append(f"There are: {', '.join(names)}.")
    if session.state.execution_arn and not session.state.finished:
        lines.append(f"The execution {session.state.execution_arn} goes on.")
    hint = f"To go on: geopipe run {config.path}\nTo clean up: geopipe cleanup {config.path}"
    return InterruptedByUser("\n".join(lines), hint)
