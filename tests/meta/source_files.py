"""The project's Python files as trees, and what each imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "geopipe_runner"


@dataclass(frozen=True)
class Source:
    """One Python file; `place` is its path below the project's root."""

    place: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse((ROOT / self.place).read_text(encoding="utf-8"))

    @property
    def room(self) -> str:
        """The folder of the package it lies in, or its own name at the top."""
        return self.place.parts[1] if len(self.place.parts) > 2 else self.place.stem

    @cached_property
    def imports(self) -> frozenset[str]:
        """Full names of all that is imported, anywhere in the file: `geopipe_runner.aws.gone.none_if_gone`."""
        return frozenset(self._imports())

    def _imports(self) -> Iterator[str]:
        package = self.place.with_suffix("").parts
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = [*package[: -node.level]] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                yield from (f"{module}.{alias.name}" for alias in node.names)


def sources(folder: str) -> list[Source]:
    return [Source(path.relative_to(ROOT)) for path in sorted((ROOT / folder).rglob("*.py"))]


RUNNER = [source for source in sources(PACKAGE) if source.room != "emulator"]
EMULATOR = [source for source in sources(PACKAGE) if source.room == "emulator"]
FUNCTION = sources("lambda")


def outside_main_block(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes but those under `if __name__ == "__main__":`, which make a file a program of its own."""
    for statement in tree.body:
        is_main = isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)
        if not is_main:
            yield from ast.walk(statement)
