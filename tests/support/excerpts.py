"""The rules of AWS's code example library for tagged excerpts and their metadata, as its validator has them.

The validator reads every text file of a project, tests too: its own marks are put together here, never written out.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import jsonschema

START = "snippet-" + "start:["
END = "snippet-" + "end:["

SCANNED = re.compile(r"\.(css|go|html|java|jsx?|json|md|mjs|php|py|rb|rs|sh|toml|tsx?|txt|ya?ml)", re.IGNORECASE)
"""Suffixes of the files that are read (those that a Python project may have)."""

LIBRARY_METADATA = ".doc_gen/metadata/sagemaker_metadata.yaml"

_KEYS = (
    re.compile(r"(?<=[^A-Z0-9])A[ACGIKNPRS][A-Z]{2}[A-Z0-9]{16}(?=[^A-Z0-9])"),
    re.compile(r"(?<=[^a-zA-Z0-9/+=])[a-zA-Z0-9/+=]{40}(?=[^a-zA-Z0-9/+=])"),
)

_REFUSED = re.compile(
    "bigger|c|g|giant|gross|harder|hard|hole|hook|huge|illegal|joint|kill|killed|kills|lies|period|play|position|"
    "straight|strip|stroke|swallow"
)
"""Everyday words among those that no excerpt may have, as a word of its own or as a part of a path."""

_CATEGORIES = ["Api", "Actions", "Basics", "Hello", "Scenarios"]
_PLAIN = {"not": {"pattern": "(?<![&0-9a-zA-Z])AWS(?![;0-9a-zA-Z])"}}
"""The name of AWS comes as an entity, `&AWS;`."""


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern, **_PLAIN}


def _object(required: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": dict(properties),
    }


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": items}


def _by_name(pattern: str, values: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "patternProperties": {f"^(?:{pattern})$": values},
    }


_EXCERPT = _object(
    "description",
    {
        "description": _text(r"^[A-Z](.|\n)*[!.?]$"),
        "snippet_tags": _list({"type": "string"}),
        "snippet_files": _list({"type": "string"}),
        "genai": {"enum": ["none", "some", "most", "all"]},
    },
) | {"anyOf": [{"required": ["snippet_tags"]}, {"required": ["snippet_files"]}]}

_VERSION = _object(
    "sdk_version github excerpts",
    {
        "sdk_version": {"const": 3},
        "github": {"type": "string", "pattern": "^(?!http)."},
        "excerpts": _list(_EXCERPT),
    },
)

_EXAMPLE = _object(
    "title title_abbrev category languages services",
    {
        "title": _text(r"^[A-Z].*[^!.?]$"),
        "title_abbrev": _text(r"^[A-Z].*[^!.?]$"),
        "synopsis": _text(r"^[a-z].*[!.?;]$"),
        "synopsis_list": _list(_text(r"^[A-Z].*[!.?]$")),
        "category": {"enum": _CATEGORIES},
        "languages": _by_name("Python", _object("versions", {"versions": _list(_VERSION)})),
        "services": _by_name("sagemaker", _by_name("[A-Z][A-Za-z]+", {"type": "null"})),
    },
) | {"anyOf": [{"required": ["synopsis"]}, {"required": ["synopsis_list"]}]}

_METADATA = _by_name(r"sagemaker(_[0-9a-zA-Z]+)+", _EXAMPLE)


@dataclass
class Excerpts:
    """The code of every tag of a project, and what is wrong with the tags."""

    code: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def read(self, text: str, place: str) -> None:
        """Add the excerpts of one file. A tag begins once, and ends once, in the file in which it has begun."""
        here: dict[str, list[str]] = {}
        closed: set[str] = set()
        for number, line in enumerate(text.splitlines(keepends=True), 1):
            where = f"{place}:{number}"
            if START in line:
                self._begin(_tag(line, START), here, where)
            elif END in line:
                self._end(_tag(line, END), here, closed, where)
            else:
                for tag in here.keys() - closed:
                    here[tag].append(line)
        self.faults += [f"{place}: {tag} does not end" for tag in here.keys() - closed]
        self.code |= {tag: "".join(lines) for tag, lines in here.items()}

    def _begin(self, tag: str, here: dict[str, list[str]], where: str) -> None:
        if tag in here or tag in self.code:
            self.faults.append(f"{where}: {tag} begins twice")
        here.setdefault(tag, [])

    def _end(self, tag: str, here: Mapping[str, Any], closed: set[str], where: str) -> None:
        if tag not in here:
            self.faults.append(f"{where}: {tag} ends without a beginning")
        elif tag in closed:
            self.faults.append(f"{where}: {tag} ends twice")
        closed.add(tag)


def _tag(line: str, mark: str) -> str:
    begin = line.index(mark) + len(mark)
    return line[begin : line.find("]", begin)].strip()


def scanned_files(root: Path) -> Iterator[Path]:
    """All files the validator reads: those with a known suffix, apart from what .gitignore names."""
    ignored = [line.rstrip("/") for line in (root / ".gitignore").read_text().splitlines() if line] + [".git"]
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not any(fnmatch(name, pattern) for pattern in ignored)]
        for name in sorted(files):
            if SCANNED.fullmatch(Path(name).suffix):
                yield Path(folder, name)


def key_like(text: str) -> list[str]:
    """Words of 20 or 40 characters that could be an access key or its secret."""
    return [word for pattern in _KEYS for word in pattern.findall(text)]


def refused_words(text: str) -> list[str]:
    """Words that no excerpt may have."""
    parts = (part for word in text.lower().split() for part in word.split("/"))
    return [part for part in parts if _REFUSED.fullmatch(part.strip(".:"))]


def metadata_faults(metadata: Any, excerpts: Mapping[str, str], root: Path) -> list[str]:
    """What is wrong with a metadata file whose project lies in `root` and has these `excerpts`."""
    schema = jsonschema.Draft202012Validator(_METADATA)
    faults = [f"{error.json_path}: {error.message}" for error in schema.iter_errors(metadata)]
    return faults or [*_alike(metadata), *_missing(metadata, excerpts, root)]


def _alike(metadata: Mapping[str, Any]) -> Iterator[str]:
    abbreviations = Counter((example["title_abbrev"], example["category"]) for example in metadata.values())
    yield from (f"{title!r} is the title_abbrev of {n} examples" for (title, _), n in abbreviations.items() if n > 1)
    for name, example in metadata.items():
        actions = [action for service in example["services"].values() for action in service]
        if example["category"] == "Api" and len(actions) != 1:
            yield f"{name}: an Api example is about one action, not {len(actions)}"


def _missing(metadata: Mapping[str, Any], excerpts: Mapping[str, str], root: Path) -> Iterator[str]:
    for name, example in metadata.items():
        for version in (version for language in example["languages"].values() for version in language["versions"]):
            if Path(version["github"]).suffix or not (root / version["github"] / "README.md").is_file():
                yield f"{name}: {version['github']} is no folder with a README.md"
            for excerpt in version["excerpts"]:
                yield from (f"{name}: no tag {tag}" for tag in excerpt.get("snippet_tags", []) if tag not in excerpts)
                files = excerpt.get("snippet_files", [])
                yield from (f"{name}: no file {file}" for file in files if not (root / file).is_file())


def tags_of(metadata: Mapping[str, Any]) -> set[str]:
    """Every tag that a metadata file shows."""
    return {
        tag
        for example in metadata.values()
        for language in example["languages"].values()
        for version in language["versions"]
        for excerpt in version["excerpts"]
        for tag in excerpt.get("snippet_tags", [])
    }
