"""The excerpts of this project pass the validator of AWS's code example library."""

from __future__ import annotations

import ast
import copy
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml

from tests.support.excerpts import (
    END,
    LIBRARY_METADATA,
    START,
    Excerpts,
    key_like,
    metadata_faults,
    refused_words,
    scanned_files,
    tags_of,
)
from tests.support.paths import ROOT

SPECIFIED = {
    "sagemaker_Hello": {"ListNotebookInstances"},
    "sagemaker_CreatePipeline": {"CreatePipeline", "UpdatePipeline"},
    "sagemaker_ExecutePipeline": {"StartPipelineExecution"},
    "sagemaker_DeletePipeline": {"DeletePipeline"},
    "sagemaker_DescribePipelineExecution": {"DescribePipelineExecution"},
    "sagemaker_Scenario_Pipelines": {
        "CreatePipeline",
        "UpdatePipeline",
        "StartPipelineExecution",
        "DescribePipelineExecution",
        "DeletePipeline",
    },
}
"""The keys that the specification names, and the service's actions they show."""


@cache
def ours() -> Excerpts:
    excerpts = Excerpts()
    for path in scanned_files(ROOT):
        excerpts.read(path.read_text(encoding="utf-8-sig"), str(path.relative_to(ROOT)))
    return excerpts


def metadata() -> Any:
    return yaml.safe_load((ROOT / LIBRARY_METADATA).read_text(encoding="utf-8"))


def test_tags_come_in_pairs() -> None:
    assert ours().faults == []


def test_the_metadata_is_valid_and_everything_it_shows_is_there() -> None:
    assert metadata_faults(metadata(), ours().code, ROOT) == []


def test_the_specification_s_keys_show_its_actions() -> None:
    assert {name: set(example["services"]["sagemaker"]) for name, example in metadata().items()} == SPECIFIED


def test_every_tag_is_shown() -> None:
    assert set(ours().code) == tags_of(metadata())


def test_the_services_actions_exist() -> None:
    known = botocore.session.get_session().get_service_model("sagemaker").operation_names
    assert set().union(*SPECIFIED.values()) <= set(known)


def test_every_excerpt_is_whole_code_with_an_explanation() -> None:
    wrong = []
    for tag in sorted(tags_of(metadata())):
        tree = ast.parse(textwrap.dedent(ours().code[tag]))
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        if not functions or not all(ast.get_docstring(function) for function in functions):
            wrong.append(tag)
    assert wrong == []


def test_an_excerpt_of_an_action_calls_it() -> None:
    operations = {
        "Hello": "list_notebook_instances",
        "CreatePipeline": "create_pipeline",
        "UpdatePipeline": "update_pipeline",
        "DeletePipeline": "delete_pipeline",
        "StartPipelineExecution": "start_pipeline_execution",
        "DescribePipelineExecution": "describe_pipeline_execution",
    }
    without_call = []
    for tag, operation in operations.items():
        tree = ast.parse(ours().code[f"python.example_code.sagemaker.{tag}"])
        calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if f"sagemaker_client.{operation}" not in calls:
            without_call.append(tag)
    assert without_call == []


def test_excerpts_have_no_refused_words() -> None:
    assert {tag: words for tag, code in ours().code.items() if (words := refused_words(code))} == {}


def test_nothing_looks_like_a_key() -> None:
    texts = {path.relative_to(ROOT): path.read_text(encoding="utf-8-sig") for path in scanned_files(ROOT)}
    assert {str(place): words for place, text in texts.items() if (words := key_like(text))} == {}


def test_what_is_read_includes_tests_and_data_but_nothing_ignored() -> None:
    places = {str(path.relative_to(ROOT)) for path in scanned_files(ROOT)}
    assert {"run.py", "lambda/handler.py", "config/local.yaml", "tests/meta/test_excerpts.py"} <= places
    assert not [place for place in places if place.startswith((".venv/", ".git/")) or "__pycache__" in place]


# The rules find what they are for.


def begin(tag: str) -> str:
    return f"# {START}{tag}]\n"


def end(tag: str) -> str:
    return f"# {END}{tag}]\n"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (begin("a") + "code\n", ["f: a does not end"]),
        ("code\n" + end("a"), ["f:2: a ends without a beginning"]),
        (begin("a") + begin("a") + end("a"), ["f:2: a begins twice"]),
        (begin("a") + end("a") + begin("a") + end("a"), ["f:3: a begins twice", "f:4: a ends twice"]),
        (begin("a") + end("a") + end("a"), ["f:3: a ends twice"]),
        (begin("a") + end("b"), ["f:2: b ends without a beginning", "f: a does not end"]),
        (begin("a") + begin("b") + end("a") + end("b"), []),
    ],
)
def test_unpaired_tags_are_found(text: str, faults: list[str]) -> None:
    excerpts = Excerpts()
    excerpts.read(text, "f")
    assert excerpts.faults == faults


def test_a_tag_may_not_be_in_two_files() -> None:
    excerpts = Excerpts()
    for place in ("f", "g"):
        excerpts.read(begin("a") + end("a"), place)
    assert excerpts.faults == ["g:1: a begins twice"]


def test_the_code_of_a_tag_is_what_lies_between() -> None:
    excerpts = Excerpts()
    excerpts.read("before\n" + begin("a") + "one\n" + begin("b") + "two\n" + end("b") + end("a") + "after\n", "f")
    assert excerpts.code == {"a": "one\ntwo\n", "b": "two\n"}


@pytest.mark.parametrize("path", ["lambda/handler.py", "geopipe_runner/cli/commands/run.py", "geopipe_runner/hello.py"])
def test_a_file_of_ours_without_its_last_tag_would_be_found(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    broken = Excerpts()
    broken.read("".join(line for line in text.splitlines(keepends=True) if END not in line), path)
    assert broken.faults


def without(path: str) -> Any:
    """Our metadata with one thing taken out, named by its keys."""
    return changed(path, None)


def changed(path: str, value: Any) -> Any:
    """Our metadata with one thing, named by its keys, replaced; None takes it out."""
    data = copy.deepcopy(metadata())
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    inner = data
    for key in parents:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return data


VERSION = "sagemaker_Hello.languages.Python.versions.0"
EXCERPT = f"{VERSION}.excerpts.0"


@pytest.mark.parametrize(
    "broken",
    [
        without("sagemaker_Hello.title"),
        without("sagemaker_Hello.title_abbrev"),
        without("sagemaker_Hello.synopsis"),
        without("sagemaker_Hello.category"),
        without("sagemaker_Hello.services"),
        without("sagemaker_Hello.languages"),
        without(f"{VERSION}.github"),
        without(f"{EXCERPT}.description"),
        without(f"{EXCERPT}.snippet_tags"),
        changed("sagemaker_Hello.title", "Hello &SM;."),
        changed("sagemaker_Hello.title", "Hello AWS"),
        changed("sagemaker_Hello.title", "hello &SM;"),
        changed("sagemaker_Hello.synopsis", "Get started."),
        changed("sagemaker_Hello.synopsis", "get started"),
        changed("sagemaker_Hello.category", "Greetings"),
        changed("sagemaker_Hello.author", "no one"),
        changed("sagemaker_Hello.services", {"sagemaker": {}}),
        changed("sagemaker_Hello.services", {"wisemaker": {"ListNotebookInstances": None}}),
        changed("sagemaker_Hello.title_abbrev", "Create a pipeline")
        | {"sagemaker_CreatePipeline": metadata()["sagemaker_CreatePipeline"] | {"category": "Hello"}},
        changed("sagemaker_CreatePipeline.category", "Api"),
        changed("sagemakerHello", metadata()["sagemaker_Hello"]),
        changed(f"{VERSION}.sdk_version", 2),
        changed(f"{VERSION}.excerpts", []),
        changed(f"{VERSION}.github", "run.py"),
        changed(f"{VERSION}.github", "no-such-folder"),
        changed(f"{VERSION}.github", "https://example.com"),
        changed(f"{EXCERPT}.description", "no capital."),
        changed(f"{EXCERPT}.description", "No full stop"),
        changed(f"{EXCERPT}.snippet_tags", ["python.example_code.sagemaker.Goodbye"]),
        changed(f"{EXCERPT}.snippet_files", ["no-such-file.py"]),
    ],
)
def test_broken_metadata_is_found(broken: Any) -> None:
    assert metadata_faults(broken, ours().code, ROOT)


@pytest.mark.parametrize(
    "text",
    [
        f" AKIA{'Q' * 16} ",
        f'"ASIA{"0" * 16}"',
        f"={'a' * 19}/{'B' * 20};".replace("=", ":"),
        f"'{'0123456789' * 4}'",
    ],
)
def test_what_looks_like_a_key_is_found(text: str) -> None:
    assert key_like(text)


@pytest.mark.parametrize("text", [f" AKIA{'Q' * 15} ", f" AKIA{'Q' * 17} ", f"'{'0' * 39}'", f"'{'0' * 64}'"])
def test_what_does_not_look_like_a_key_is_not(text: str) -> None:
    assert key_like(text) == []


def test_refused_words_are_found_in_paths_too() -> None:
    assert refused_words("the run kills: nothing, a/hole/b. No harder, held") == ["kills:", "hole"]


def test_ignored_folders_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("out/\n*.egg-info/\n")
    for place in ("a.py", "a.png", "b/c.md", "out/d.py", "x.egg-info/e.txt", ".git/f.json"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("")
    assert {str(path.relative_to(tmp_path)) for path in scanned_files(tmp_path)} == {"a.py", "b/c.md"}
