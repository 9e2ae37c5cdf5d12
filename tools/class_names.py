"""Fails on a class name that is defined in two places of the repository.

    python -m tools.class_names

One class name means one thing, in the product, the Lambda code, the tests and the tools. Prints each name with its
places, and exits with 1 if there is one.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Name: the reason why it may be defined in several places.
ALLOWED: Mapping[str, str] = {
    "Emulator": "a running emulator and its clients: the public one in a process, the tests' own in theirs",
}


def repeated_names(trees: Iterable[tuple[str, ast.Module]]) -> dict[str, list[str]]:
    """Returns the places of each class name that has more than one.

    `trees` are file names and their modules. Classes inside functions count as well.
    """
    places = defaultdict(list)
    for file, tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name not in ALLOWED:
                places[node.name].append(f"{file}:{node.lineno}")
    return {name: where for name, where in sorted(places.items()) if len(where) > 1}


def main() -> int:
    """Print the names that the repository defines more than once."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = sorted({name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()})
    repeated = repeated_names((file, ast.parse((ROOT / file).read_text(encoding="utf-8"))) for file in files)
    for name, places in repeated.items():
        print(f"class {name} is defined {len(places)} times: {', '.join(places)}")
    return 1 if repeated else 0


if __name__ == "__main__":
    sys.exit(main())
