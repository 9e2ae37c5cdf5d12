"""The example with several functions and queues, as a configuration for a standing emulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.support.e2e import Standing, Workplace
from tests.support.paths import ROOT

EXAMPLE = ROOT / "docs/examples/several_functions"


def several_functions(workplace: Workplace, standing: Standing, **changes: Any) -> Path:
    """Write the example's configuration, with `changes` over its sections and the entries in them."""
    settings = yaml.safe_load((EXAMPLE / "config.yaml").read_text(encoding="utf-8"))
    settings |= {"endpoint": standing.url, "region": "us-west-2", "cleanup": "ask"}
    for function in settings["functions"].values():
        function["source"] = str(EXAMPLE / function["source"])
    settings["pipeline"]["template"] = str(EXAMPLE / "pipeline.json.j2")
    for section, value in changes.items():
        present = settings.get(section)
        settings[section] = _merged(present, value) if isinstance(present, dict) else value
    path = workplace.folder / "config.yaml"
    settings = {key: value for key, value in settings.items() if value is not None}
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


def _merged(present: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {**present, **changes}
    for key, value in changes.items():
        if isinstance(present.get(key), dict) and isinstance(value, dict):
            merged[key] = _merged(present[key], value)
    return merged
