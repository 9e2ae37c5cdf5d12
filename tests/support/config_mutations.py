"""Configurations with the mistakes that people make, as YAML text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import yaml

from geopipe_runner.config.schema import editor_schema

from .config_files import MINIMAL_CONFIG

_PROPERTIES: dict[str, Any] = editor_schema()["properties"]
_FREE_SECTIONS = ("tags", "function.environment", "pipeline.parameters")
_RAW_VALUES = (
    *("012", "no", "1.10", "0x1F", "1_000", "1e3", "~", "null", "", "true", "False", "on", "2024-01-02", "12:30:00"),
    *("0x" + "f" * 5_000, "1" + ":59" * 3_000, "9" * 6_000, "1" * 400 + ".5", "-.inf", ".nan", "0b" + "1" * 9_000),
    *("!!timestamp x", "!!int x", "!!float ''", "!!bool maybe", "!!null x", "!!binary x", "!!set {a}", "!!python/none"),
    *(
        "!custom x",
        "&a x",
        "*a",
        "*gone",
        "&a [*a]",
        "<<",
        "=",
        "[]",
        "{}",
        "[[]]",
        "{a: b}",
        "[a, a]",
        "- a",
        "'",
        '"',
    ),
    *('"\\0"', '"\\ud800"', '"\\e[31m"', "'a: b'", "a: b", "@a", "`a`", "%a", "|\n  a\n  b", ">\n  a\n", "x" * 5_000),
    *("${env:X}", "${env:SECRET}", "${env:GONE}", "${env:}", "${", "$${", "${region}${account_id}", "${x}" * 300),
    *("${deployment}", "${env:GONE:-no}", "s3://b/k", "s3://", "http://[", "https://127.0.0.1:1", "arn:aws:iam::1:r/x"),
    *(
        "arn:aws:iam::999999999999:role/r",
        "~unknown/x",
        "/dev/zero",
        "/",
        "..",
        ".",
        "a\u2028b",
        "\u202e",
        "\ufeff",
        "é",
    ),
    *(
        "{Effect: Allow}",
        "[{Effect: Allow}]",
        "[{Effect: Deny, Action: '*', Resource: '*', Condition: {Bool: {a: no}}}]",
    ),
    *("[{Effect: Deny, Action: '*', Resource: '*', Condition: {DateLessThan: {a: 2024-01-02}}}]", "[{}]", "[null]"),
)


def mutated_config(random: Random, folder: Path) -> tuple[str, list[str]]:
    """Returns the text of a configuration below `folder`, and the names of the mutations that made it."""
    lines = MINIMAL_CONFIG.splitlines() + [f"{name}: {{}}" for name in random.sample(["tags", "iam", "queue"], 2)]
    names = []
    for _ in range(random.randint(1, 4)):
        mutate = random.choice(_MUTATIONS)
        names.append(mutate.__name__)
        mutate(random, lines, folder)
    return "\n".join(lines) + "\n", names


def replace_value(random: Random, lines: list[str], folder: Path) -> None:
    name = random.choice(list(_PROPERTIES))
    lines[:] = [line for line in lines if not line.startswith(f"{name}:")]
    if "properties" in _PROPERTIES[name] and random.random() < 0.8:
        key = random.choice(list(_PROPERTIES[name]["properties"]))
        lines += [f"{name}:", *_indented(f"{key}: {random.choice(_RAW_VALUES)}")]
    else:
        lines.append(f"{name}: {random.choice(_RAW_VALUES)}")


def use_example(random: Random, lines: list[str], folder: Path) -> None:
    name = random.choice([name for name in _PROPERTIES if "properties" in _PROPERTIES[name]])
    key, part = random.choice(list(_PROPERTIES[name]["properties"].items()))
    text = yaml.safe_dump({name: {key: random.choice(part.get("examples", [None]))}}).rstrip()
    lines[:] = [line for line in lines if not line.startswith(f"{name}:")]
    lines += text.splitlines()


def fill_free_section(random: Random, lines: list[str], folder: Path) -> None:
    path = random.choice(_FREE_SECTIONS).split(".")
    lines[:] = [line for line in lines if not line.startswith(f"{path[0]}:")]
    entries = [f"k{number}: {random.choice(_RAW_VALUES)}" for number in range(random.choice((1, 3, 60)))]
    if len(path) == 1:
        lines += [f"{path[0]}:", *_indented(*entries)]
    else:
        lines += [f"{path[0]}:", f"  {path[1]}:", *_indented(*_indented(*entries))]


def misspell_key(random: Random, lines: list[str], folder: Path) -> None:
    index = random.randrange(len(lines))
    at = random.randrange(len(lines[index]) + 1)
    lines[index] = (
        lines[index][:at] + random.choice(("x", "", " ", ":", "\t", "'", "{", "#", "é")) + lines[index][at + 1 :]
    )


def repeat_line(random: Random, lines: list[str], folder: Path) -> None:
    lines.insert(random.randrange(len(lines)), random.choice(lines))


def drop_line(random: Random, lines: list[str], folder: Path) -> None:
    if len(lines) > 1:
        del lines[random.randrange(len(lines))]


def indent_line(random: Random, lines: list[str], folder: Path) -> None:
    index = random.randrange(len(lines))
    lines[index] = random.choice((" ", "  ", "\t")) + lines[index]


def add_many(random: Random, lines: list[str], folder: Path) -> None:
    count = random.choice((150, 1_500))
    shape = random.choice(("key_{}: 1", "# {}", "'{}': ${{x}}", "? {}", "aws:{}: x"))
    lines += [shape.format(number) for number in range(count)]


def nest_deeply(random: Random, lines: list[str], folder: Path) -> None:
    depth = random.choice((20, 400, 3_000))
    opening, closing = random.choice((("[", "]"), ("{a: ", "}"), ("[", "")))
    lines.append("tags: " + opening * depth + closing * depth)


def point_at_odd_code(random: Random, lines: list[str], folder: Path) -> None:
    code = folder / "code"
    code.mkdir(exist_ok=True)
    for entry in code.iterdir():
        entry.unlink()
    handler = random.choice(_HANDLERS)
    (code / "handler.py").write_bytes(handler)
    odd = random.choice((b"plain.py", b"caf\xe9.py", b"a\nb.py", b"\xff", b"-rf", b"link", b"loop", b"pipe", b"large"))
    path = code / os.fsdecode(odd)
    if odd == b"link":
        path.symlink_to(random.choice(("/etc/passwd", "gone", "..", "/", "handler.py")))
    elif odd == b"loop":
        path.symlink_to("loop")
    elif odd == b"pipe":
        os.mkfifo(path)
    elif odd == b"large":
        with path.open("wb") as file:
            file.truncate(3 * 1024**3)
    else:
        path.write_bytes(b"")
    lines[:] = [line for line in lines if not line.startswith("function:")]
    lines.append(f"function: {{source: {random.choice(('code', '[code]', '[code, code]', 'code/handler.py'))}}}")


def point_at_odd_file(random: Random, lines: list[str], folder: Path) -> None:
    pipe = folder / "pipe"
    if not pipe.exists():
        os.mkfifo(pipe)
    section, key = random.choice((("pipeline", "template"), ("input", "source"), ("function", "source")))
    lines[:] = [line for line in lines if not line.startswith(f"{section}:")]
    lines.append(f"{section}: {{{key}: {random.choice(('pipe', '/dev/null', '/proc/self/mem', 'x' * 300, '/root'))}}}")


_HANDLERS = (
    b"def lambda_handler(event, context):\n    return {}\n",
    b"",
    b"\x00",
    b"\xff",
    b"x = " + b"-" * 50_000 + b"1\n",
    b"if x: pass\n" + b"elif x: pass\n" * 3_000,
    b"x = " + b"+".join([b'"a"'] * 5_000),
    b"def lambda_handler(:\n",
    b"# coding: no-such-encoding\n",
    b"from other import *\n",
)
_MUTATIONS: tuple[Callable[[Random, list[str], Path], None], ...] = (
    *(replace_value,) * 6,
    *(fill_free_section,) * 3,
    *(use_example,) * 2,
    misspell_key,
    repeat_line,
    drop_line,
    indent_line,
    add_many,
    nest_deeply,
    point_at_odd_code,
    point_at_odd_file,
)


def _indented(*lines: str) -> list[str]:
    return [f"  {line}" for text in lines for line in text.split("\n")]
