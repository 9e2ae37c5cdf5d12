"""From a template to a definition, and where the fault is when that does not work."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopipe_runner.errors import TemplateError
from geopipe_runner.pipeline import template
from geopipe_runner.pipeline.definition import check
from tests.support.paths import ROOT
from tests.support.runner_fakes import FUNCTION_ARN, config, deployment

OURS = ROOT / "pipeline_templates" / "reverse_geocoding.json.j2"
VALUES: dict[str, Any] = {"function_arn": FUNCTION_ARN, "name": "x", "experiments": False, "job": {"kind": "k"}}


def render(folder: Path, text: str, name: str = "t.json.j2", **values: Any) -> dict[str, Any]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return template.render(path, {**VALUES, **values})


def fault(folder: Path, text: str, name: str = "t.json.j2", **values: Any) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        render(folder, text, name, **values)
    return caught.value


def test_values_come_in_as_json(tmp_path: Path) -> None:
    assert render(tmp_path, '{"a": {{ name | tojson }}, "b": {{ experiments | tojson }}}') == {"a": "x", "b": False}


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_any_text_comes_out_as_it_went_in(value: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rendered = render(Path(folder), '{"a": {{ value | tojson }}}', value=value)
    assert rendered["a"] == value.replace("*FUNCTION_ARN*", FUNCTION_ARN)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('{\n"a": {{ nmae | tojson }}\n}', 2, "'nmae' is undefined"),
        ('{\n\n"a": {{ nmae }}}', 3, "'nmae' is undefined"),
        ('{"a":\n{{ job.knid | tojson }}}', 2, "has no attribute 'knid'"),
        ('{"a": 1\n{% if nmae %}, "b": 2{% endif %}}', 2, "'nmae' is undefined"),
        ("{\n{% for n in nmae %}{{ n | tojson }}{% endfor %}}", 2, "'nmae' is undefined"),
        ('{% macro m(v) %}\n{{ v.gone | tojson }}{% endmacro %}\n{"a": {{ m(name) }}}', 2, "no attribute 'gone'"),
    ],
)
def test_a_missing_variable_is_named_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    error = fault(tmp_path, text)
    assert error.message.startswith(f"{tmp_path / 't.json.j2'}:{line}: ")
    assert says in error.message
    assert error.hint == "A template may use: experiments, function_arn, job, name."
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{{ name", 1),
        ("{\n{% if name %}\n}", 2),
        ("{\n{% endif %}", 2),
        ("{\n{{ name | nofilter }}", 2),
        ('{"a": 1,\n{% include "other" %}}', 2),
        ("{\n{{ 1 / 0 }}}", 2),
        ("{\n{{ [1][5] | tojson }}}", 2),
        ("\n{{ name + 1 }}", 2),
        ("\n{% for i in range(1000000000) %}{% endfor %}", 2),
        ("\n{{ 5 | dictsort }}", 2),
        ("\n{{ name | xmlattr }}", 2),
        ("\n{{ namespace(5) }}", 2),
        ("\n{{ 'x' * 10 ** 13 }}", 2),
        ("{% macro m(v) %}\n{{ m(v) }}{% endmacro %}\n{{ m(1) }}", 2),
        ("{% if name %}" * 150 + "{% endif %}" * 150, 1),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", 1),
    ],
)
def test_a_fault_of_the_template_has_its_line(tmp_path: Path, text: str, line: int) -> None:
    assert fault(tmp_path, text).message.startswith(f"{tmp_path / 't.json.j2'}:{line}: ")


@pytest.mark.parametrize(
    "expression",
    [
        "name.__class__",
        "''.__class__.__mro__",
        "name.__class__.__mro__[1].__subclasses__()",
        "name['__class__']",
        "self.__init__.__globals__",
        "cycler.__init__.__globals__.os",
        "''|attr('__class__')",
        "'{0.__class__}'.format(name)",
        "lipsum.__globals__['os'].popen('id').read()",
    ],
)
@pytest.mark.parametrize("form", ["{{ %s }}", "{{ (%s) | tojson }}"])
def test_the_sandbox_holds(tmp_path: Path, expression: str, form: str) -> None:
    message = fault(tmp_path, form % expression).message
    assert message.startswith(f"{tmp_path / 't.json.j2'}:1: ")
    assert "JSON" not in message


@pytest.mark.parametrize("name", ["t.json.j2", "t.json"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{\n  "a": 1,\n}', (3, 1, "")),
        ('{\n  "a": oops\n}', (2, 8, 'Expecting value: "a": oops')),
        ("", (1, 1, "Expecting value")),
        ('{"a": 1', (1, 8, "")),
    ],
)
def test_what_is_no_json_is_shown_where_it_goes_wrong(
    tmp_path: Path, name: str, text: str, says: tuple[int, int, str]
) -> None:
    message = fault(tmp_path, text, name).message
    line, column, rest = says
    rendered = "rendered, " if name.endswith(".j2") else ""
    assert message.startswith(f"{tmp_path / name}:{line}:{column}: {rendered}it is not JSON: {rest}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 200_000, "nested too deeply"),
        ('{"a": ' * 200_000, "nested too deeply"),
        ('{"a": NaN}', ":1:7: it is not JSON: NaN is not a JSON value"),
        ('{"a":\n -Infinity}', ":2:2: it is not JSON: -Infinity is not a JSON value"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
    ],
    ids=["brackets", "braces", "nan", "infinity", "digits"],
)
def test_what_python_would_take_or_choke_on(tmp_path: Path, text: str, says: str) -> None:
    message = fault(tmp_path, text, "t.json").message
    assert message.startswith(f"{tmp_path / 't.json'}:")
    assert says in message


def test_a_place_that_stands_in_no_file_is_that_of_the_rendered_text(tmp_path: Path) -> None:
    """A loop writes a line of the template several times; what an expression writes is in no line of it."""
    text = """{
    {% for name in ["a", "b"] %}
    "{{ name }}": 2, "{{ name }}": 3,
    {% endfor %}
    {{ '"c": 4,\n"c": 5' }}}"""
    first, second, third = fault(tmp_path, text, "t.json.j2").message.splitlines()
    assert "t.json.j2:3:22: the key a is used twice" in first
    assert "t.json.j2:3:22: the key b is used twice" in second
    assert "t.json.j2: rendered, line 8, column 1: the key c is used twice" in third


@pytest.mark.parametrize("name", ["t.json.j2", "t.json"])
def test_a_repeated_key_is_shown_where_it_is(tmp_path: Path, name: str) -> None:
    message = fault(tmp_path, '{"a": 1,\n "b": [{"c": 1, "c": 2}],\n "a": 3}', name).message
    first, second = message.splitlines()
    assert "the key b[0].c is used twice" in first and "the key a is used twice" in second
    assert first.startswith(f"{tmp_path / name}:2:17: ") and second.startswith(f"{tmp_path / name}:3:2: ")


@pytest.mark.parametrize("text", ["[]", '"text"', "1", "null"])
def test_a_definition_is_an_object(tmp_path: Path, text: str) -> None:
    assert "is a JSON object, not" in fault(tmp_path, text).message


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="cannot be read"):
        template.render(tmp_path / "none.json", VALUES)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TemplateError, match="cannot be read"):
        template.render(tmp_path / "binary.json", VALUES)


def test_a_plain_file_is_taken_as_it_is_but_for_the_placeholder(tmp_path: Path) -> None:
    text = '\ufeff{"a": "{{ name }}", "FunctionArn": "*FUNCTION_ARN*", "b": ["*FUNCTION_ARN*"]}'
    assert render(tmp_path, text, "t.json") == {"a": "{{ name }}", "FunctionArn": FUNCTION_ARN, "b": [FUNCTION_ARN]}


def test_the_placeholder_works_in_a_template_too(tmp_path: Path) -> None:
    assert render(tmp_path, '{"a": "*FUNCTION_ARN*"}') == {"a": FUNCTION_ARN}


@pytest.mark.parametrize("experiments", [False, True])
def test_our_template_gives_a_sound_definition(experiments: bool) -> None:
    given = deployment(config(pipeline={"experiments": experiments}))
    rendered = template.render(OURS, template.variables(given))
    check(rendered, OURS)
    assert [(step["Name"], step["Type"]) for step in rendered["Steps"]] == [
        ("vej-processing-step", "Lambda"),
        ("vej-callback-step", "Callback"),
        ("export-vej-step", "Lambda"),
        ("export-vej-callback", "Callback"),
    ]
    assert [parameter["Name"] for parameter in rendered["Parameters"]] == [
        "parameter_execution_role",
        "parameter_region",
        "parameter_queue_url",
        "parameter_vej_input_config",
        "parameter_vej_export_config",
        "parameter_step_1_vej_config",
    ]
    assert {step["FunctionArn"] for step in rendered["Steps"] if "FunctionArn" in step} == {FUNCTION_ARN}
    assert bool(rendered["PipelineExperimentConfig"]) is experiments


def test_every_variable_may_be_used(tmp_path: Path) -> None:
    values = template.variables(deployment())
    pairs = ", ".join(f'"{name}": {{{{ {name} | tojson }}}}' for name in values)
    path = tmp_path / "all.j2"
    path.write_text(f"{{{pairs}}}")
    assert template.render(path, values) == json.loads(json.dumps(values))


def test_the_placeholder_of_the_function_needs_one_function(tmp_path: Path) -> None:
    """With several, nothing says which one is meant; a template without the placeholder needs none."""
    path = tmp_path / "p.json"
    path.write_text('{"a": "*FUNCTION_ARN*"}', encoding="utf-8")
    with pytest.raises(TemplateError) as caught:
        template.render(path, {"functions": {"one": {}, "two": {}}})
    assert "*FUNCTION_ARN* stands for the only function, but the configuration has 2" in caught.value.message
    path.write_text('{"a": 1}', encoding="utf-8")
    assert template.render(path, {"functions": {}}) == {"a": 1}
