"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes
from source_files import EMULATOR, FUNCTION, ROOT, RUNNER

TEMPLATES = sorted((ROOT / "pipeline_templates").glob("*.j2"))
NOT_OURS = {".git", ".venv", "__pycache__", "build", "dist", "out"}


def test_there_are_templates() -> None:
    assert TEMPLATES


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_values_enter_a_template_as_json_only(path: Path) -> None:
    tree = jinja2.Environment().parse(path.read_text(encoding="utf-8"))
    macros = {macro.name for macro in tree.find_all(nodes.Macro)}
    assert list(unsafe(tree, macros)) == []


def unsafe(tree: nodes.Template, macros: set[str]) -> Iterator[str]:
    """Every expression whose value is written as it is.

    Text of the template itself and its own constants are safe, and so is what a macro of the template has written,
    for its expressions are looked at here too.
    """
    for output in tree.find_all(nodes.Output):
        for part in output.nodes:
            if not is_safe(part, macros):
                yield f"line {part.lineno}: {part}"


def is_safe(part: nodes.Node, macros: set[str]) -> bool:
    match part:
        case nodes.TemplateData() | nodes.Const() | nodes.Filter(name="tojson") | None:
            return True
        case nodes.Call(node=nodes.Name(name=name)):
            return name in macros
        case nodes.CondExpr(expr1=first, expr2=second):
            return is_safe(first, macros) and is_safe(second, macros)
    return False


@pytest.mark.parametrize(
    "text",
    [
        "{{ name }}",
        '"{{ name }}"',
        "{{ name | tojson | safe }}",
        "{{ name | upper }}",
        "{% if x %}{{ name }}{% endif %}",
        "{{ name ~ '' }}",
        "{{ 'a' if x else name }}",
        "{{ call(name) }}",
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(name) }}",
    ],
)
def test_the_rule_for_templates_bites(text: str) -> None:
    tree = jinja2.Environment().parse(text)
    assert list(unsafe(tree, {macro.name for macro in tree.find_all(nodes.Macro)}))


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the project."""
    for path in sorted(ROOT.rglob("*")):
        place = path.relative_to(ROOT)
        ours = not NOT_OURS.intersection(place.parts) and not any(
            part.endswith(("_cache", ".egg-info")) for part in place.parts
        )
        if ours and ".hypothesis" not in place.parts and path.is_file():
            try:
                yield place, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


FORBIDDEN = ["/" + "work/", "python" + "hosted", "py" + "pi.org", "index" + "-url", "npm" + "js"]
"""Paths of one machine and addresses of registries: they belong to whoever installs, not to the project."""


def test_no_file_speaks_of_one_machine_or_of_registries() -> None:
    found = [f"{place}: {word}" for place, text in texts() for word in FORBIDDEN if word in text]
    assert found == []


def test_requirements_are_pinned_with_hashes() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        entries = [line for line in path.read_text().replace("\\\n", " ").splitlines() if line and line[0] not in "# -"]
        assert entries, path
        assert all("==" in entry and "--hash=sha256:" in entry for entry in entries), path


def has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> bool:
    return bool(ast.get_docstring(node))


@pytest.mark.parametrize("source", [*RUNNER, *EMULATOR, *FUNCTION], ids=lambda source: str(source.place))
def test_every_module_says_why_it_exists(source) -> None:  # type: ignore[no-untyped-def]
    assert has_docstring(source.tree) or not source.tree.body


def is_data(node: ast.ClassDef) -> bool:
    """A dataclass whose fields speak for themselves."""
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_every_public_function_and_class_says_what_it_is_for() -> None:
    """Not plain data, and not the rules of the configuration, whose names are sentences."""
    silent = [
        f"{source.place}: {node.name}"
        for source in RUNNER
        for node in source.tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and not has_docstring(node)
        and not (isinstance(node, ast.ClassDef) and is_data(node))
        and not source.place.stem.endswith("rules")
    ]
    assert silent == []


def test_every_public_method_of_the_verbs_says_what_it_does() -> None:
    (base,) = [source for source in RUNNER if source.place.parts[1:] == ("kinds", "base.py")]
    (kind,) = [node for node in base.tree.body if isinstance(node, ast.ClassDef) and node.name == "Kind"]
    verbs = {node.name: has_docstring(node) for node in kind.body if isinstance(node, ast.FunctionDef)}
    assert set(verbs) >= {"resources", "desired", "observe", "create", "update", "delete", "compare"}
    assert all(verbs.values())
