"""AWS's API as botocore's model files describe it, read without importing botocore, which takes longer than a check.

The files are data that botocore installs (`botocore/data/<service>/<version>/service-2.json.gz`). A newer boto3 brings
newer ones, so what AWS adds becomes known with it.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

# A shape by its name: its `type`, and `members`, `member`, `key`, `value`, `required`, `enum`, `min`, `max`.
Shapes = Mapping[str, Mapping[str, Any]]


@cache
def load_shapes(service: str) -> Shapes:
    """Returns the shapes of a service; none where botocore has no model of it. SageMaker's take 20 ms."""
    spec = importlib.util.find_spec("botocore")  # finds the package and does not import it
    for root in (spec and spec.submodule_search_locations) or ():
        for folder in sorted((Path(root) / "data" / service).glob("*-*-*"), reverse=True):
            packed, plain = folder / "service-2.json.gz", folder / "service-2.json"
            try:
                text = gzip.decompress(packed.read_bytes()) if packed.is_file() else plain.read_bytes()
                shapes: Shapes = json.loads(text)["shapes"]
            except (OSError, EOFError, ValueError, KeyError):
                continue
            return shapes
    return {}
