"""`python -m geopipe_runner.pipeline.export_json`: our template as a plain definition to read or to start from.

It is rendered as for us-west-2 with the placeholder `*FUNCTION_ARN*` left in, the form AWS's own sample has.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .template import FUNCTION_ARN, render


def export(path: Path) -> str:
    """Returns the template in `path` as indented JSON."""
    values = {"function_arn": FUNCTION_ARN, "region": "us-west-2", "experiments": False}
    return json.dumps(render(path, values), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(export(Path("pipeline_templates/reverse_geocoding.json.j2")))
