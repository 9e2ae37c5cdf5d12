"""The Python API: what the commands do, for notebooks and scripts.

    import geopipe_runner as geopipe

    deployment = geopipe.load("config/local.yaml")
    finished = deployment.run()
    for row in finished.results:
        print(row["reverse_geo.label"])

Nothing is asked and nothing is printed. Errors are the classes of `geopipe_runner.errors`, all of them subclasses of
`GeopipeError` with `message`, `hint` and `exit_code`.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from .config import load as load_config
from .errors import UsageError

if TYPE_CHECKING:
    from .config.model import CleanupPolicy, Config
    from .context import Options
    from .events import Event
    from .pipeline.execution import ExecutionView
    from .reconcile.model import Plan, PlannedChange
    from .report.composite import EventHandler
    from .results.read import Results
    from .stages.session import Session

Progress = Callable[["Event"], None]


def load(
    path: str | Path,
    *,
    set: Mapping[str, Any] | None = None,
    deployment: str | None = None,
    progress: Progress | None = None,
) -> ManagedDeployment:
    """Return the deployment that a configuration file describes. No call is made.

    `deployment` is the name of an entry of `deployments`, for a file that has several.
    `set` has values that go before those of the file, by their key: `{"job.workers": 4}`.
    `progress` is called with every event of what follows (`geopipe_runner.events`), from any thread.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong; `problems` lists all of it.
        UsageError: the file has several deployments and none is named, or none has that name; or a value of `set` is
            of a type that no configuration has.
    """
    settings = tuple(f"{key}={_as_json(key, value)}" for key, value in (set or {}).items())
    config = load_config(Path(path), files=True, settings=settings, deployment=deployment)
    return ManagedDeployment(config, progress, settings)


@dataclass(frozen=True)
class FinishedRun:
    """An execution that succeeded, and its results; None if the pipeline left no CSV file."""

    execution: ExecutionView
    results: RunResults | None


class ManagedDeployment:
    """A deployment and what can be done with it. Each method is one command, and opens its own connection.

    With `target: local` and no `endpoint`, each method has an emulator of its own, which ends with it. To keep what
    `apply` creates, name the `endpoint` of an emulator that keeps running.
    """

    def __init__(self, config: Config, progress: Progress | None = None, settings: Sequence[str] = ()) -> None:
        self.config = config
        self._progress = progress
        self._settings = tuple(settings)

    def validate(self) -> tuple[str, ...]:
        """Check everything that needs no call, and return what is worth knowing about it.

        Raises:
            TemplateError: the template does not render to a definition that SageMaker takes.
            ConfigError: the parameters do not fit the definition, or the job cannot use the input.
        """
        session, _ = self._begin()
        return session.check()[1].notes

    def plan(self, *, out: str | Path | None = None) -> Plan:
        """Return what `apply` and `run` would change. Nothing is changed.

        `out` is a file to save the plan in, for a review and for `apply(plan_file=...)` or `geopipe apply FILE`. It is
        JSON, and has no secrets.

        Raises:
            AwsError: a call failed, or the file cannot be written.
            RefusedError: the credentials belong to another account.
            UsageError: the file holds something that is no plan, or the plan could not be applied later, because its
                emulator ends with this method.
        """
        from .report.composite import PlanFile
        from .stages import plan_file, setup

        if out is not None:
            plan_file.refuse_to_replace(Path(out), [self.config.path])
            plan_file.refuse_embedded(self.config)
        session, _ = self._begin(command="plan", handlers=[] if out is None else [PlanFile(Path(out))])
        with session.connect_for_run() as context:
            return setup.plan(context).shown

    def apply(
        self, *, plan_file: str | Path | None = None, confirm: str | None = None, force_unlock: bool = False
    ) -> Plan:
        """Create what is missing, change what differs, and return the plan that was applied.

        `plan_file` is a file of `plan(out=...)` or of `geopipe plan --out`: that plan is applied, with its options, and
        only if the configuration, the code, the template and the resources are what it was made from. The values of
        `set` that it has need not be given to `load` again; a secret has to. `confirm` is the name of a protected
        deployment of which the plan deletes something. `force_unlock` takes the lock of the deployment from a command
        that does not run any more.

        Raises:
            AwsError: a call failed; `message` says what exists.
            LockedError: another command is working on the deployment.
            RefusedError: a resource belongs to someone else, the account cannot run the job, a deletion is not
                confirmed, or something has changed since the plan was saved; `message` lists the differences.
            UsageError: the file is no plan that this version can apply, or its emulator has ended.
        """
        from .stages import plan_file as plan_files
        from .stages import setup

        saved = None if plan_file is None else plan_files.require_plan_file(Path(plan_file))
        deployment = self
        options: dict[str, Any] = {"command": "apply"}
        if saved is not None:
            deployment = self._with_settings(saved.settings)
            plan_files.refuse_embedded(deployment.config)
            options |= {"adopt": frozenset(saved.adopt), "prune": saved.prune, "reviewed": True}
        session, _ = deployment._begin(confirm, force_unlock=force_unlock, **options)
        session.check_confirmation(cleans_up=False)
        with session.connect_for_run() as context:
            setup_plan = setup.plan(context)
            if saved is not None:
                plan_files.refuse_changed(saved, setup_plan)
            setup.refuse_job(setup_plan)
            setup.apply(setup_plan)
            return setup_plan.shown

    def run(
        self,
        *,
        start_new: bool = False,
        yes_cost: bool = False,
        confirm: str | None = None,
        force_unlock: bool = False,
    ) -> FinishedRun:
        """Apply, execute the pipeline, fetch its results, and clean up as `cleanup` of the configuration says.

        A policy of `ask` keeps everything. `start_new` starts another execution even if one has not ended; `yes_cost`
        allows a run that costs more than `job.confirm_above_requests`; `confirm` is the name of a protected deployment
        that the clean-up may delete; `force_unlock` is that of `apply`.

        Raises:
            ExecutionFailed: the execution failed, was stopped or timed out; `failure` says why.
            AwsError: a call failed.
            LockedError: another command is working on the deployment.
            RefusedError: a resource belongs to someone else, the account cannot run the job, the cost is too high, or
                the clean-up of a protected deployment is not confirmed.
        """
        from .stages import cleanup, setup
        from .stages import run as executing
        from .stages.connection import cleaned_up_after_failure

        results = _SavedFiles()
        options: dict[str, Any] = {"start_new": start_new, "yes_cost": yes_cost, "force_unlock": force_unlock}
        session, seen = self._begin(confirm, output_dir=results.folder, **options)
        session.check_confirmation()
        with session.connect_for_run() as context:
            with cleaned_up_after_failure(context):
                setup_plan = setup.plan(context)
                setup.refuse_job(setup_plan)
                setup.hold_lock(setup_plan)
                setup.confirm_cost(setup_plan.context)
                unfinished = executing.find_resumable(setup_plan.context, setup_plan.plan)
                executing.run_pipeline(setup.apply(setup_plan), unfinished)
            cleanup.clean_up(context)
        assert seen.execution is not None  # run_pipeline raises where none succeeded
        return FinishedRun(seen.execution, results.found(seen.results))

    def results(self, run: str | None = None) -> RunResults | None:
        """Return the results of the latest run that succeeded, or of `run`: a run id or the ARN of an execution.

        Raises:
            AwsError: a call failed, or there is no such run.
            UsageError: no execution has this id.
        """
        from .stages import run as executing
        from .stages.find import find_execution, find_latest_with_results

        results = _SavedFiles()
        session, seen = self._begin(output_dir=results.folder)
        with session.connect() as context:
            view = find_execution(context, run) if run else find_latest_with_results(context)
            executing.show_results_of(context, view)
        return results.found(seen.results)

    def cleanup(self, policy: CleanupPolicy = "all", *, confirm: str | None = None, force_unlock: bool = False) -> None:
        """Delete what belongs to the deployment. A protected one needs its name as `confirm`.

        Raises:
            AwsError: something could not be deleted; `message` lists it.
            LockedError: another command is working on the deployment.
            RefusedError: `confirm` is not the name of the deployment, or is missing although it is protected.
            UsageError: there is no such policy.
        """
        from .config.model import CleanupItem
        from .stages import cleanup

        items = (policy,) if isinstance(policy, str) else tuple(policy)
        known = get_args(CleanupItem)
        if policy not in ("ask", "all", "none") and (isinstance(policy, str) or not {*items} <= {*known}):
            raise UsageError(
                f"There is no clean-up policy {policy!r}.",
                f"Valid are ask, all, none, or a tuple of {', '.join(known)}.",
            )
        session, _ = self._begin(confirm, command="cleanup", cleanup=policy, force_unlock=force_unlock)
        session.check_confirmation()
        with session.connect() as context:
            cleanup.clean_up(context)

    def _with_settings(self, below: Sequence[str]) -> ManagedDeployment:
        """Return the deployment with more settings, which go after those that it has."""
        settings = (*(text for text in below if text not in self._settings), *self._settings)
        if settings == self._settings:
            return self
        config = load_config(self.config.path, files=True, settings=settings, deployment=self.config.entry or None)
        return ManagedDeployment(config, self._progress, settings)

    def _begin(
        self, confirm: str | None = None, *, handlers: Sequence[EventHandler] = (), **options: Any
    ) -> tuple[Session, _SeenEvents]:
        from .aws.clock import Clock
        from .context import Options
        from .report.composite import CompositeReport
        from .stages.session import Session

        names = frozenset() if confirm is None else frozenset({confirm})
        chosen: Options = Options(interactive=False, confirm=names, settings=self._settings, **options)
        seen = _SeenEvents(self._progress)
        return Session(self.config, chosen, CompositeReport(seen, *handlers), Clock()), seen


class _SeenEvents:
    """A report that passes events on, and keeps what a method returns."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self.execution: ExecutionView | None = None
        self.results: Results | None = None

    def emit(self, event: Event) -> None:
        from .events import ExecutionEnded, ResultsRead

        if isinstance(event, ExecutionEnded):
            self.execution = event.view
        elif isinstance(event, ResultsRead):
            self.results = event.results
        if self._progress:
            self._progress(event)

    def ask(self, question: str, about: PlannedChange | None = None) -> bool:
        raise UsageError(f"There is no one to ask: {question}")

    def confirm(self, question: str, name: str) -> bool:
        return self.ask(question)

    def close(self) -> None:
        """Nothing is left to close."""


class _SavedFiles:
    """A temporary folder for the files of a run, deleted with the last object that refers to it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="geopipe-results-")

    @property
    def folder(self) -> Path:
        return Path(self._folder.name)

    def found(self, results: Results | None) -> RunResults | None:
        return RunResults(results, self) if results else None


class RunResults:
    """The rows of a run, in their order. Iterating reads them from a file, so memory does not grow with their number.

    - `header`: the names of the columns.
    - `rows`: how many there are; `valid`: how many the job marks as valid, None if it marks none.
    - `files`: everything that was saved: CSV, GeoJSON, and Parquet where pyarrow is installed. The files are temporary,
      and live as long as this object.
    """

    def __init__(self, results: Results, files: _SavedFiles) -> None:
        self._saved = results.saved
        self._files = files
        self.header = results.header
        self.rows = results.rows
        self.valid = results.valid
        self.files = results.files

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Yield each row as text by column."""
        if self._saved is None:
            return
        with self._saved.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame with the types that pandas finds. Raises UsageError without pandas."""
        return _library("pandas").read_csv(self._file(".csv"))

    def to_geopandas(self) -> Any:
        """Return a geopandas GeoDataFrame of the points. Raises UsageError without geopandas, or without points."""
        return _library("geopandas").read_file(self._file(".geojson"))

    def _file(self, suffix: str) -> Path:
        found = next((path for path in self.files if path.suffix == suffix), None)
        if found is None:
            raise UsageError(f"The results have no {suffix} file.")
        return found


def reverse_geocode(points: Any, *, latitude: str = "Latitude", longitude: str = "Longitude") -> Any:
    """Return the nearest place to each point, from the bundled GeoNames gazetteer: no AWS, no configuration.

    `points` is a pandas DataFrame with the columns `latitude` and `longitude` in degrees; then the same table with the
    added columns comes back. Or it is an iterable of `(latitude, longitude)`; then a list of dicts comes back, in their
    order. The added columns are those of the provider `gazetteer`: `reverse_geo.country` (ISO 3166-1 alpha-3),
    `reverse_geo.label`, `reverse_geo.municipality`, `reverse_geo.region`, `reverse_geo.status` and
    `reverse_geo.distance_km`. A point that is none has the reason as its status, and None in the others.

    Raises:
        UsageError: the table lacks one of the columns.
    """
    from .nearest_places import PLACE_COLUMNS, describe_places

    if not hasattr(points, "assign"):
        return describe_places(points)
    if missing := [name for name in (latitude, longitude) if name not in points.columns]:
        raise UsageError(
            f"The table has no column {missing[0]!r}; it has {', '.join(map(str, points.columns))}.",
            "Name the columns with latitude=... and longitude=...",
        )
    places = describe_places(zip(points[latitude], points[longitude], strict=True))
    return points.assign(**{name: [place[name] for place in places] for name in PLACE_COLUMNS})


def _as_json(key: str, value: Any) -> str:
    try:
        return json.dumps(value, default=os.fspath)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The value of {key!r} in `set` cannot be used: {error}.", "Give what YAML can hold."
        ) from None


def _library(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        raise UsageError(f"{name} is not installed.", f"pip install {name}") from None
