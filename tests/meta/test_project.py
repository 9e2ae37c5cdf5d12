"""Rules of this project that no linter has."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

from tests.support.paths import ROOT
from tests.support.source_files import EMULATOR, FUNCTION, RUNNER

TEMPLATES = sorted((ROOT / "pipeline_templates").glob("*.j2"))
NOT_OURS = {".git", ".venv", "__pycache__", "build", "dist", "out"}


def test_values_enter_a_template_as_json_only() -> None:
    assert TEMPLATES
    unsafe_values = []
    for path in TEMPLATES:
        tree = jinja2.Environment().parse(path.read_text(encoding="utf-8"))
        macros = {macro.name for macro in tree.find_all(nodes.Macro)}
        unsafe_values += [f"{path.name}: {expression}" for expression in unsafe(tree, macros)]
    assert unsafe_values == []


def unsafe(tree: nodes.Template, macros: set[str]) -> Iterator[str]:
    """Yields every expression whose value is written unchanged.

    Text and constants of the template are safe. The output of its macros is safe because their expressions are checked
    here too.
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
def test_an_unsafe_expression_is_found(text: str) -> None:
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


# Paths of one machine and addresses of registries: they belong to the installation, not to the project.
FORBIDDEN = ["/" + "work/", "python" + "hosted", "py" + "pi.org", "index" + "-url", "npm" + "js"]


def test_no_file_names_one_machine_or_a_registry() -> None:
    found = [f"{place}: {word}" for place, text in texts() for word in FORBIDDEN if word in text]
    assert found == []


def test_requirements_are_pinned_with_hashes() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        entries = [line for line in path.read_text().replace("\\\n", " ").splitlines() if line and line[0] not in "# -"]
        assert entries, path
        assert all("==" in entry and "--hash=sha256:" in entry for entry in entries), path


def has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> bool:
    return bool(ast.get_docstring(node))


def test_every_module_says_why_it_exists() -> None:
    modules = [*RUNNER, *EMULATOR, *FUNCTION]
    assert [str(module.place) for module in modules if module.tree.body and not has_docstring(module.tree)] == []


def test_every_public_method_of_the_verbs_says_what_it_does() -> None:
    (base,) = [source for source in RUNNER if source.place.parts[1:] == ("kinds", "base.py")]
    (kind,) = [node for node in base.tree.body if isinstance(node, ast.ClassDef) and node.name == "Kind"]
    verbs = {node.name: has_docstring(node) for node in kind.body if isinstance(node, ast.FunctionDef)}
    assert set(verbs) >= {"resources", "desired", "observe", "create", "update", "delete", "compare"}
    assert all(verbs.values())
