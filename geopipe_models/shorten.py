"""Write `data/` from the installed botocore: `python -m geopipe_models.shorten`, a part of `make reference`."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
from botocore.loaders import Loader

from . import loader

MODEL = "service-2"


def short_models() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path of each model below `data/`, without its ending, and the model without documentation."""
    original = Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])
    for service in loader.SERVICES:
        path = f"{service}/{original.determine_latest_version(service, MODEL)}/{MODEL}"
        yield path, without_documentation(original.load_data(path))


def without_documentation(model: Any) -> Any:
    """Return the model without its texts for people, except those that botocore insists on.

    A member may be named `documentation`, too: its value is no text.
    """
    if isinstance(model, dict):
        return {
            name: value if name == "clientContextParams" else without_documentation(value)
            for name, value in model.items()
            if not (name in ("documentation", "documentationUrl") and isinstance(value, str))
        }
    return [without_documentation(value) for value in model] if isinstance(model, list) else model


def write(folder: Path = loader.DATA) -> None:
    """Write all models, and the version that they are from."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, model in short_models():
        file = folder / f"{path}.json.gz"
        file.parent.mkdir(parents=True)
        text = json.dumps(model, ensure_ascii=False, separators=(",", ":"))
        file.write_bytes(gzip.compress(text.encode(), mtime=0))
    (folder / loader.VERSION_FILE.name).write_text(f"{botocore.__version__}\n", encoding="ascii")


if __name__ == "__main__":
    write()
