"""The commands, each a short list of stages, and the one place where the parts are wired together.

    run       open endpoint -> check -> connect -> plan -> apply -> execute -> results -> clean up
    dry_run   open endpoint -> check -> connect -> plan
    cleanup   open endpoint ----------> connect -> observe and ask -> stop executions -> delete
    validate                   check
    status, resume, stop, retry, rescue, logs, results
              open endpoint ----------> connect -> the verb, and after resume and retry the clean-up

`check` is local; plans only read, which `Aws.read_only` enforces. Nothing here prints or knows the command line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .aws import artifact
from .aws.account import Account
from .aws.endpoint import open_endpoint
from .aws.failures import translated
from .aws.retry import Interrupted, Patience
from .config.model import Config
from .errors import AwsError, ExecutionFailed, GeopipeError, InterruptedByUser, OutputClosed, Terminated
from .kinds.base import Artifacts, Deployment
from .pipeline import request
from .reconcile.applier import ApplyFailed
from .reconcile.blueprint import draw
from .reconcile.model import Action, Plan
from .report.events import (
    CleanupBegins,
    Complete,
    Connected,
    Failed,
    Note,
    Planned,
    Report,
    Transferred,
    Valid,
    Welcome,
)
from .stages import cleanup as cleaning
from .stages import execute, setup
from .stages.work import Options, State, Work


def validate(config: Config, report: Report) -> None:
    """Everything that can be checked without a call. Raises TemplateError."""
    _check(config)
    report.tell(Valid(str(config.path)))


# snippet-start:[python.example_code.sagemaker.Scenario_Pipelines]
def run(config: Config, options: Options, report: Report, time: Patience) -> None:
    """The whole scenario."""
    _check_output_dir(options)
    with _work(config, options, report, time, build=True) as work:
        report.tell(Welcome(config.job.custom))
        with _interruptible(work), _explained(work), translated():
            intent = setup.plan(work)
            found = execute.find_resumable(intent.work, intent.plan)
            execute.run_pipeline(setup.carry_out(intent), found)
        with _interruptible(work), translated():
            _clean_up(work)


# snippet-end:[python.example_code.sagemaker.Scenario_Pipelines]


def dry_run(config: Config, options: Options, report: Report, time: Patience) -> Plan:
    """The plan, and nothing else. Raises RefusedError (after showing it) where it would touch what is not ours."""
    with _work(config, options, report, time, build=True) as work, _interruptible(work), translated():
        made = setup.plan(work)
        setup.refuse_foreign(made.plan)
        return made.shown


def cleanup(config: Config, options: Options, report: Report, time: Patience, *, only_plan: bool) -> None:
    """Delete what is this deployment's, by policy; with `only_plan` just show it."""
    with _work(config, options, report, time, build=False) as work, _interruptible(work), translated():
        if only_plan:
            report.tell(Planned(config, work.aws.account, cleaning.plan_all(work).shown))
        else:
            _clean_up(work)


def on_executions(
    config: Config,
    options: Options,
    report: Report,
    time: Patience,
    *,
    verb: Callable[[Work], None],
    then_clean_up: bool,
) -> None:
    """One verb of `stages.executions`; those that end a run are followed by its clean-up, as if never left."""
    _check_output_dir(options)
    with _work(config, options, report, time, build=False) as work, _interruptible(work), translated():
        if options.output_dir:
            report.tell(Connected(config, work.aws.account))
        if not then_clean_up:
            verb(work)
            return
        with _explained(work):
            verb(work)
        _clean_up(work)


def hello(config: Config, options: Options, report: Report, time: Patience) -> None:
    """The specification's Hello service, at the configured endpoint."""
    from .hello import hello_sagemaker

    with _work(config, options, report, time, build=False) as work, _interruptible(work), translated():
        hello_sagemaker(work.aws.client("sagemaker"))


@contextmanager
def _work(config: Config, options: Options, report: Report, time: Patience, *, build: bool) -> Iterator[Work]:
    with open_endpoint(config) as endpoint, translated():
        checked = _check(config) if build else {}
        # Imported only now: an emulator of our own starts up meanwhile.
        from .aws.clients import connect

        def tell(text: str) -> None:
            report.tell(Note(text))

        def watch(what: str, done: int, total: int) -> None:
            report.tell(Transferred(what, done, total))

        aws = connect(config, endpoint.url, tell, time, watch)
        deployment = Deployment(config, aws.account, Artifacts())
        if build:
            # Rendered once more only where the endpoint, and with it the queue's URL, was not known before.
            definition = request.load_definition(deployment) if config.embedded else checked
            built = Artifacts(artifact.build(config.function.source), definition)
            deployment = Deployment(config, aws.account, built)
        yield Work(config, options, report, time, aws, draw(deployment), State())


def _check_output_dir(options: Options) -> None:
    """Before anything is paid for. Raises AwsError when results could not be saved."""
    folder = options.output_dir
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise AwsError(f"Cannot write into {folder}: {error.strerror}.", "Name another --output-dir.") from None


def _check(config: Config) -> dict[str, Any]:
    return request.check(Deployment(config, Account(config.account_id, config.region, config.endpoint), Artifacts()))


def _clean_up(work: Work) -> None:
    work.report.tell(CleanupBegins())
    made = cleaning.plan(work)
    cleaning.carry_out(work, made)
    work.report.tell(Complete(made.plan.having(Action.KEEP)))


@contextmanager
def _explained(work: Work) -> Iterator[None]:
    """A failure is shown at once, since with `--cleanup=all` a clean-up follows it.

    Only a failed apply or execution is cleaned up after: where we refused, or could not bring the results home, what
    is there is somebody's, or worth keeping.
    """
    try:
        yield
    except (ApplyFailed, ExecutionFailed) as error:
        work.report.tell(Failed(error))
        error.explained = True
        _clean_up_after(work)
        raise


def _clean_up_after(work: Work) -> None:
    if work.options.cleanup_policy(work.config) != "all":
        return
    try:
        with translated():
            _clean_up(work)
    except GeopipeError as error:  # the first failure is the one that counts
        work.report.tell(Failed(error))


@contextmanager
def _interruptible(work: Work) -> Iterator[None]:
    """Ctrl-C, SIGTERM, an input or an output that ends: say what is there, and how to go on."""
    try:
        yield
    except Terminated:
        _clean_up_unattended(work)
        raise _interrupted(work, "Terminated.") from None
    except OutputClosed as error:
        _clean_up_unattended(work)
        raise type(error)(*_interrupted(work, error.message).args) from None
    except (KeyboardInterrupt, Interrupted):
        raise _interrupted(work, "Interrupted.") from None
    except InterruptedByUser as error:
        raise _interrupted(work, error.message) from None


def _clean_up_unattended(work: Work) -> None:
    """Whoever ended us will not come back to clean up; a second signal ends this too."""
    work.time.renew()
    try:
        _clean_up_after(work)
    except (KeyboardInterrupt, Interrupted):
        return


def _interrupted(work: Work, what: str) -> InterruptedByUser:
    config = work.config
    if config.embedded:
        return InterruptedByUser(f"{what} The emulator ended with this command: nothing remains.")
    lines = [what]
    names = [f"{step.resource.kind.label} {step.resource.name}" for step in work.state.progress.existing.values()]
    if work.state.looked:
        lines.append(f"There are: {', '.join(names)}." if names else "Nothing is there.")
    running = work.state.running
    if running:
        lines.append(f"The execution {running} goes on.")
    program = work.options.program
    again = f"run {config.path}" if names else f"resume {config.path} --execution {running.rsplit('/', 1)[-1]}"
    hint = f"To go on: {program} {again}\nTo clean up: {program} cleanup {config.path}"
    return InterruptedByUser("\n".join(lines), hint if names or running else "")
