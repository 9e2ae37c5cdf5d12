"""Imports point one way, and only the edges of the program touch AWS and the terminal."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from source_files import EMULATOR, FUNCTION, PACKAGE, ROOT, RUNNER, Source, outside_main_block

MAY_IMPORT: dict[str, set[str]] = {
    "failure_codes": set(),
    "errors": {"failure_codes"},
    "config": {"errors"},
    "aws": {"config", "errors"},
    "kinds": {"aws", "config", "errors"},
    "jobs": {"kinds", "aws", "config", "errors", "failure_codes"},
    "reconcile": {"kinds", "aws", "config", "errors", "failure_codes"},
    "pipeline": {"jobs", "kinds", "aws", "config", "errors", "failure_codes"},
    "report": {"reconcile", "pipeline", "kinds", "aws", "config", "errors", "__version__", "failure_codes"},
    "stages": {"report", "reconcile", "pipeline", "jobs", "kinds", "aws", "config", "errors", "failure_codes"},
    "hello": set(),
    "scenario": {"hello", "stages", "report", "reconcile", "pipeline", "jobs", "kinds", "aws", "config", "errors"},
    "arguments": {"config", "__version__"},
    "cli": {"arguments", "scenario", "stages", "report", "config", "aws", "errors"},
    "__init__": set(),
}
"""Which rooms each room may know. Nobody knows the emulator: it is started as a process."""

EVERY_SOURCE = [pytest.param(source, id=str(source.place)) for source in RUNNER]


def rooms(source: Source) -> set[str]:
    ours = (name.split(".") for name in source.imports if name.split(".")[0] == PACKAGE)
    return {parts[1] for parts in ours if len(parts) > 1} - {source.room}


def packages(source: Source) -> set[str]:
    return {name.split(".")[0] for name in source.imports}


def test_every_room_is_on_the_map() -> None:
    assert {source.room for source in RUNNER} == set(MAY_IMPORT)


def test_the_map_has_no_circle() -> None:
    from graphlib import TopologicalSorter

    order = list(TopologicalSorter(MAY_IMPORT).static_order())
    assert order.index("errors") < order.index("aws") < order.index("kinds") < order.index("cli")


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_imports_point_one_way(source: Source) -> None:
    assert rooms(source) <= MAY_IMPORT[source.room]


def test_run_py_knows_the_command_line_only() -> None:
    run = Source((ROOT / "run.py").relative_to(ROOT))
    assert {name for name in run.imports if name.startswith(PACKAGE)} <= {f"{PACKAGE}.cli.main", f"{PACKAGE}.cli.entry"}


SHARED = {"kinds": {"base", "grants", "policy_documents", "__init__"}, "jobs": {"base", "__init__"}}


@pytest.mark.parametrize("room", SHARED)
def test_neighbours_do_not_know_each_other(room: str) -> None:
    for source in RUNNER:
        if source.room == room and source.place.stem not in SHARED[room]:
            inside = {name.split(".")[2] for name in source.imports if name.startswith(f"{PACKAGE}.{room}.")}
            assert inside <= SHARED[room], source.place


def test_the_shared_modules_do_not_know_the_kinds_either() -> None:
    kinds = {source.place.stem for source in RUNNER if source.room == "kinds"} - SHARED["kinds"]
    for source in RUNNER:
        if source.room == "kinds" and source.place.stem in ("base", "grants", "policy_documents"):
            assert {name.split(".")[2] for name in source.imports if name.startswith(f"{PACKAGE}.kinds.")}.isdisjoint(
                kinds
            )


def test_the_emulator_knows_nothing_else_of_ours() -> None:
    for source in EMULATOR:
        ours = {name for name in source.imports if name.split(".")[0] == PACKAGE}
        assert all(name.startswith(f"{PACKAGE}.emulator") for name in ours), source.place


def test_only_the_edges_know_boto() -> None:
    knowing = {source.room for source in RUNNER if packages(source) & {"boto3", "botocore"}}
    assert knowing == {"aws", "hello"}


def test_only_the_emulator_knows_moto_and_numpy() -> None:
    heavy = {"moto", "awslambdaric", "numpy", "scipy", "flask", "werkzeug"}
    assert {source.room for source in RUNNER if packages(source) & heavy} == set()


def test_the_function_stands_on_the_standard_library_and_boto3() -> None:
    own = {source.place.stem for source in FUNCTION}
    allowed = own | {"boto3", "botocore"} | set(sys.stdlib_module_names)
    for source in FUNCTION:
        assert packages(source) <= allowed, source.place


def terminal_uses(source: Source) -> set[str]:
    """`print` and the standard streams, as far as the file uses them when it is imported."""
    found = set()
    for node in outside_main_block(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input"):
            found.add(node.func.id)
        if (
            isinstance(node, ast.Attribute)
            and node.attr in ("stdout", "stderr", "stdin")
            and ast.unparse(node.value) == "sys"
        ):
            found.add(node.attr)
    return found


def test_only_the_command_line_and_reports_write_to_the_terminal() -> None:
    assert {source.room for source in RUNNER if terminal_uses(source)} == {"cli", "report", "hello"}
    reading = {source.place.stem for source in RUNNER if terminal_uses(source) & {"stdin", "input"}}
    assert reading <= {"text", "cli"}


def test_the_emulator_s_standard_output_is_its_url() -> None:
    programs = {"__main__.py", "build_gazetteer.py"}
    for source in EMULATOR:
        if source.place.name in programs:
            continue
        assert "stdout" not in terminal_uses(source), source.place
        bare = [node for node in ast.walk(source.tree) if is_print(node) and not to_stderr(node)]
        assert bare == [], source.place


def is_print(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"


def to_stderr(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and any(
        k.arg == "file" and "stderr" in ast.unparse(k.value) for k in node.keywords
    )


LOADED = """
import sys
from geopipe_runner.cli import main
code = main(["validate", "config/local.yaml"])
heavy = ("botocore.session", "botocore.client", "boto3", "geopipe_runner.emulator", "geopipe_runner.hello", "moto",
         "rich", "numpy", "concurrent.futures.process")
print(code, sorted(name for name in heavy if name in sys.modules))
"""


def test_validating_loads_neither_aws_nor_the_emulator() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


WRONG = """
import sys
from geopipe_runner.cli import main
code = main(["no-such-file.yaml"])
print(code, sorted(name for name in ("botocore.session", "jinja2", "geopipe_runner.scenario") if name in sys.modules))
"""


def test_a_wrong_configuration_is_told_before_anything_else_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", WRONG], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines()[-1] == "2 []", done.stderr
