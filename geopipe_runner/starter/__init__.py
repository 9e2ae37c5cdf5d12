"""The files that `geopipe init` writes: a working example, or what an existing definition needs to run offline."""

from __future__ import annotations

from .example import example_files
from .folder import next_steps, write_files
from .from_definition import files_for_definition

__all__ = ["example_files", "files_for_definition", "next_steps", "write_files"]
