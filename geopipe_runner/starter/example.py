"""The example that `geopipe init` copies, with the user's name in it.

It lies in docs/examples/starter, and the callback contract in lambda/, once each; both are in the wheel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError
from ..packaged import own_folder

# The name in the example, which the user's name replaces.
_NAME = "my-pipeline"
_CONTRACT = ("callbacks.py", "aws.py", "log.py")
# Names of roles, queues and functions are made of it, and a bucket's, with the account and the region behind it.
_VALID_NAME = re.compile(r"[a-z][a-z0-9-]{0,28}[a-z0-9]")


def example_files(folder: Path, name: str | None) -> dict[str, str]:
    """Return the texts of the example's files by their path. Raises UsageError for a name that cannot be used."""
    name = deployment_name(name, folder.resolve().name)
    example = own_folder() / "docs/examples/starter"
    paths = sorted(path for path in example.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    files = {path.relative_to(example).as_posix(): path.read_text("utf-8").replace(_NAME, name) for path in paths}
    return files | dict(contract_files("code"))


def contract_files(folder: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of the modules that answer callbacks, in `folder`."""
    for module in _CONTRACT:
        yield f"{folder}/{module}", (own_folder() / "lambda" / module).read_text("utf-8")


def deployment_name(name: str | None, fallback: str) -> str:
    """Return the name of the deployment: the given one, or one made from `fallback` as far as that can be had.

    Raises:
        UsageError: The given name cannot be used.
    """
    if name is None:
        made = "-".join(re.findall(r"[a-z0-9]+", fallback.lower()))[:30].strip("-")
        return made if _VALID_NAME.fullmatch(made) else _NAME
    if not _VALID_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of the deployment.",
            "Use --name with 2 to 30 lower-case letters, digits and hyphens, beginning with a letter.",
        )
    return name
