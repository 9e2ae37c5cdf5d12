"""The project's Python files as trees, and what each imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.support.paths import ROOT

PACKAGE = "geopipe_runner"
EMULATOR_PACKAGE = "geopipe_emulator"
GAZETTEER_PACKAGE = "geopipe_gazetteer"
MODELS_PACKAGE = "geopipe_models"


@dataclass(frozen=True)
class Source:
    """One Python file; `place` is its path below the project's root."""

    place: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse((ROOT / self.place).read_text(encoding="utf-8"))

    @property
    def package(self) -> str:
        """The folder inside the package, or the module's name at the top level."""
        return self.place.parts[1] if len(self.place.parts) > 2 else self.place.stem

    @cached_property
    def imports(self) -> frozenset[str]:
        """Full names of all imports, anywhere in the file, such as `geopipe_runner.aws.clients.connect`."""
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


RUNNER = sources(PACKAGE)
EMULATOR = sources(EMULATOR_PACKAGE)
FUNCTION = sources("lambda")


def outside_main_block(tree: ast.Module) -> Iterator[ast.AST]:
    """Yields all nodes except those below `if __name__ == "__main__":`, which make the file a program."""
    for statement in tree.body:
        is_main = isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)
        if not is_main:
            yield from ast.walk(statement)
