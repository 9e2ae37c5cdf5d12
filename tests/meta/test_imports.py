"""Imports point one way, and only the edges of the program touch AWS and the terminal.

The contracts of import-linter in pyproject.toml name the arrows between packages. The other rules are here.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.source_files import (
    EMULATOR,
    EMULATOR_PACKAGE,
    FUNCTION,
    GAZETTEER_PACKAGE,
    MODELS_PACKAGE,
    PACKAGE,
    RUNNER,
    Source,
    outside_main_block,
)

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
# A wrong import in each file, and how the report names it.
WRONG_IMPORTS = {
    "geopipe_runner/config/loader.py": (
        "from ..aws import clients",
        "geopipe_runner.config.loader -> geopipe_runner.aws",
    ),
    "geopipe_runner/added.py": ("from . import errors", "- geopipe_runner.added"),
    "geopipe_runner/kinds/iam_role.py": ("from . import s3_bucket", "kinds.iam_role -> geopipe_runner.kinds.s3_bucket"),
    "geopipe_runner/kinds/base.py": ("from . import sqs_queue", "kinds.base -> geopipe_runner.kinds.sqs_queue"),
    "geopipe_runner/jobs/custom.py": (
        "from . import reverse_geocoding",
        "jobs.custom -> geopipe_runner.jobs.reverse_geocoding",
    ),
    "geopipe_runner/cli/main.py": ("from ..kinds import base", "geopipe_runner.cli.main -> geopipe_runner.kinds.base"),
    "geopipe_emulator/settings.py": (
        "import geopipe_runner.errors",
        "geopipe_emulator.settings -> geopipe_runner.errors",
    ),
    "geopipe_runner/stages/run.py": ("import boto3", "geopipe_runner.stages.run -> boto3"),
    "geopipe_runner/results/read.py": ("import numpy", "geopipe_runner.results.read -> numpy"),
    "geopipe_gazetteer/gazetteer.py": ("import numpy", "geopipe_gazetteer.gazetteer -> numpy"),
    "geopipe_models/loader.py": ("import geopipe_runner.errors", "geopipe_models.loader -> geopipe_runner.errors"),
}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A copy of the packages and the contracts."""
    for package in (PACKAGE, EMULATOR_PACKAGE, GAZETTEER_PACKAGE, MODELS_PACKAGE):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.bin"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def check_contracts(folder: Path) -> str:
    """Returns the report of import-linter on the packages in `folder`."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    return done.stdout + done.stderr


def test_the_contracts_hold_and_a_wrong_import_breaks_them(scratch: Path) -> None:
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in check_contracts(scratch)
    for name, (line, _) in WRONG_IMPORTS.items():
        with (scratch / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    report = check_contracts(scratch)
    assert f"Contracts: 0 kept, {len(CONTRACTS)} broken." in report
    assert [shown for _, shown in WRONG_IMPORTS.values() if shown not in report] == []


def packages(source: Source) -> set[str]:
    return {name.split(".")[0] for name in source.imports}


def test_run_py_knows_the_command_line_only() -> None:
    run = Source((ROOT / "run.py").relative_to(ROOT))
    assert {name for name in run.imports if name.startswith(PACKAGE)} <= {f"{PACKAGE}.cli.main.entry"}


def test_the_function_imports_the_standard_library_boto3_and_the_gazetteer_only() -> None:
    own = {source.place.stem for source in FUNCTION}
    allowed = own | {"boto3", "botocore", "geopipe_gazetteer"} | set(sys.stdlib_module_names)
    for source in FUNCTION:
        assert packages(source) <= allowed, source.place


def terminal_uses(source: Source) -> set[str]:
    """Returns `print`, `input` and the standard streams that the file uses outside its main block."""
    uses = set()
    for node in outside_main_block(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input"):
            uses.add(node.func.id)
        if (
            isinstance(node, ast.Attribute)
            and node.attr in ("stdout", "stderr", "stdin")
            and ast.unparse(node.value) == "sys"
        ):
            uses.add(node.attr)
    return uses


def test_only_the_command_line_and_reports_write_to_the_terminal() -> None:
    assert {source.package for source in RUNNER if terminal_uses(source)} == {"cli", "report", "hello"}
    reading = {source.place.stem for source in RUNNER if terminal_uses(source) & {"stdin", "input"}}
    assert reading <= {"text", "dispatch"}


def test_the_emulator_s_standard_output_is_its_url() -> None:
    # The verbs are a program of their own.
    programs = {"__main__.py", "standing.py"}
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
import json, sys
from geopipe_runner.cli.main import main
from geopipe_runner.pipeline.definition import problems
code = main(["validate", "config/local.yaml"])
# Job steps are checked against botocore's model, which is read without botocore.
with open("tests/support/sdk_definitions/train_evaluate_register.json") as file:
    code += len(list(problems(json.load(file))))
heavy = ("botocore.session", "botocore.client", "boto3", "geopipe_emulator", "geopipe_runner.hello", "moto",
         "jsonschema", "rich", "numpy", "concurrent.futures.process")
print(code, sorted(name for name in heavy if name in sys.modules))
"""


def test_validating_loads_neither_aws_nor_the_emulator() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


WRONG = """
import sys
from geopipe_runner.cli.main import main
code = main(["no-such-file.yaml"])
heavy = ("botocore.session", "jinja2", "geopipe_runner.stages.session")
print(code, sorted(name for name in heavy if name in sys.modules))
"""


def test_a_wrong_configuration_is_reported_before_anything_else_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", WRONG], cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert done.stdout.splitlines()[-1] == "2 []", done.stderr
