"""Templates that would never end, or fill the memory, end with a message that names the line."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from geopipe_runner.errors import TemplateError
from geopipe_runner.pipeline import bounded_jinja, template

VALUES = {"function_arn": "arn", "name": "x"}
DOUBLE = "{% set ns = namespace(v=START) %}\n{% for i in range(100) %}{% set ns.v = NEXT %}{% endfor %}{{ ns.v }}"


def doubling(start: str, following: str) -> str:
    return DOUBLE.replace("START", start).replace("NEXT", following)


ENDLESS = {
    "power": "\n{{ 10 ** (10 ** 9) }}",
    "power of power": "\n{{ 9 ** (9 ** 9) }}",
    "loops in loops": "\n" + "{% for i in range(100000) %}" * 3 + "{% endfor %}" * 3,
    "loops with output": "\n{% for i in range(100000) %}{% for j in range(100000) %}{{ i }}{% endfor %}{% endfor %}",
    "macro that calls itself twice": "\n{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}"
    "{% endmacro %}{{ m(60) }}",
    "loop in a filter": "\n{% for i in range(100000) %}{% set x = range(100000) | map('string') | list %}{% endfor %}",
    "random text": "\n{{ lipsum(n=1000000) }}",
    "repeated text": "\n{{ 'x' * 10 ** 10 }}",
    "repeated list": "\n{{ [1] * 10 ** 10 }}",
    "repeated the other way": "\n{{ 10 ** 10 * 'x' }}",
    "joined with itself": doubling("'x'", "ns.v ~ ns.v"),
    "added to itself": doubling("'x'", "ns.v + ns.v"),
    "multiplied by itself": doubling("3", "ns.v * ns.v"),
    "list of itself": doubling("[1]", "[ns.v, ns.v]"),
    "tuple of itself": doubling("[1]", "(ns.v, ns.v)"),
    "section of itself": doubling("{}", "{'a': ns.v, 'b': ns.v}"),
    "dict() of itself": doubling("{}", "dict(a=ns.v, b=ns.v)"),
    "list appended to itself": "{% set v = [] %}\n{% for i in range(100) %}{% set _ = v.append(v) %}{% endfor %}",
    "block of itself": "{% set v = 'x' %}\n" + "{% set v %}{{ v }}{{ v }}{% endset %}" * 60 + "{{ v }}",
    "centered": "\n{{ 'x' | center(10 ** 10) }}",
    "justified": "\n{{ 'x'.ljust(10 ** 10) }}",
    "indented": "\n{{ 'x' | indent(10 ** 10, true) }}",
    "indented JSON": "\n{{ [1] | tojson(10 ** 10) }}",
    "wide number": "\n{{ '%10000000000d' % 1 }}",
    "wide number by argument": "\n{{ '%*d' % (10 ** 10, 1) }}",
    "wide format": "\n{{ '{:>10000000000}'.format(1) }}",
    "wide format filter": "\n{{ '%10000000000d' | format(1) }}",
    "replaced": "\n{{ ('x' * 100000).replace('', 'y' * 100000) }}",
    "replaced by a filter": "\n{{ ('x' * 100000) | replace('x', 'y' * 100000) }}",
    "joined": "\n{{ range(100000) | join('x' * 100000) }}",
    "joined by a method": "\n{{ ('x' * 100000).join(range(100000) | map('string') | list) }}",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_template_ends(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_jinja, "MAX_SECONDS", 1.0)
    path = tmp_path / "t.json.j2"
    path.write_text('{"a":' + ENDLESS[name] + "}", encoding="utf-8")
    before = time.process_time()
    with pytest.raises(TemplateError) as caught:
        template.render(path, VALUES)
    assert time.process_time() - before < 15
    # Time that runs out in a nested expression is reported where the whole expression began.
    assert caught.value.message.startswith((f"{path}:1: ", f"{path}:2: "))
    assert "JSON" not in caught.value.message


@pytest.mark.slow
@pytest.mark.process
def test_a_template_that_fills_the_memory_ends(tmp_path: Path) -> None:
    """It keeps two thousand texts of 1 MB. A process of its own has not used as much memory before.

    The highest use of a process counts for the program that replaces it. So a shell starts another process.
    """
    path = tmp_path / "t.json.j2"
    lines = (f"{{% set text_{number} = 'x' * 1000000 %}}" for number in range(2000))
    path.write_text("\n".join(lines), encoding="utf-8")
    program = (
        "import pathlib, sys\n"
        "from geopipe_runner.errors import TemplateError\n"
        "from geopipe_runner.pipeline import template\n"
        "try:\n"
        "    template.render(pathlib.Path(sys.argv[1]), {})\n"
        "except TemplateError as error:\n"
        "    print(error.message)\n"
    )
    command = ["sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-c", program, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(
        rf"{re.escape(str(path))}:[0-9]+: it needs more than 536,870,912 bytes of memory\n", ended.stdout
    )


def test_ordinary_operations_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "t.json.j2"
    path.write_text(
        "{%- set names = [] -%}{%- for i in range(1, 4) -%}{%- set _ = names.append('s-' ~ i * 2) -%}{%- endfor -%}"
        '{"names": {{ names | tojson }}, "text": {{ ("-" * 3 + "%03d" % 7) | tojson }}, "power": {{ 2 ** 10 }},'
        ' "joined": {{ names | join(", ") | replace("s", "t") | tojson }},'
        ' "format": {{ "{:>4}".format("x") | tojson }}, "mapped": {{ [1, 2] | map("string") | list | tojson }},'
        ' "sorted": {{ {"b": 1, "a": 2} | dictsort | tojson }}, "undefined": {{ other | default("none") | tojson }}}',
        encoding="utf-8",
    )
    assert template.render(path, VALUES) == {
        "names": ["s-2", "s-4", "s-6"],
        "text": "---007",
        "power": 1024,
        "joined": "t-2, t-4, t-6",
        "format": "   x",
        "mapped": ["1", "2"],
        "sorted": [["a", 2], ["b", 1]],
        "undefined": "none",
    }


def test_a_tracer_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "t.json.j2"
    for text in ("{}", "{{ 1 / 0 }}", "{{ 'x' * 10 ** 10 }}"):
        path.write_text(text, encoding="utf-8")
        before = sys.gettrace()
        try:
            template.render(path, VALUES)
        except TemplateError:
            assert text != "{}"
        assert sys.gettrace() is before


def test_a_large_file_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    with path.open("wb") as file:
        file.truncate(3 * 1024**3)
    with pytest.raises(TemplateError, match="it is larger than 4,194,304 bytes"):
        template.render(path, VALUES)
