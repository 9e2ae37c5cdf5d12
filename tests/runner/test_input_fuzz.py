"""Any input file: `validate` accepts it or names the fault, with no traceback and no raw control character."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
import yaml

from geopipe_runner.cli.main import main
from tests.support import fuzz
from tests.support.csv_mutations import make_csv
from tests.support.paths import ROOT

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    settings = yaml.safe_load((ROOT / "config/local.yaml").read_text(encoding="utf-8"))
    settings["function"]["source"] = str(ROOT / "lambda")
    settings["pipeline"]["template"] = str(ROOT / "pipeline_templates/reverse_geocoding.json.j2")
    settings["input"]["source"] = str(tmp_path / "input.csv")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.mark.slow
def test_any_input_file_is_accepted_or_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = fuzz.seed()
    codes = []
    for number in range(fuzz.count("CSV", 60)):
        file = make_csv(Random(f"{seed}/{number}"))
        config.with_name("input.csv").write_bytes(file.content)
        place = f"seed {seed}, file {number} ({', '.join(file.steps) or 'sound'})"
        try:
            code = main(["validate", str(config)])
        except Exception as error:
            raise AssertionError(f"{place}: {file.content[:300]!r}") from error
        output = "".join(capsys.readouterr())
        assert code in (0, 2), f"{place}: exit code {code}\n{output}"
        assert code == 0 or not file.is_sound, f"{place}: {output}"
        assert "Traceback" not in output, place
        assert not _CONTROL.search(output), f"{place}: {output!r}"
        codes.append(code)
    assert 0 in codes
