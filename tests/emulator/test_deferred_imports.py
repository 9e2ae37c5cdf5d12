"""A deferred module is loaded when it is used, and stands in for nothing afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from geopipe_emulator.deferred_imports import deferred_imports
from tests.support.paths import ROOT

LIBRARY = """
import sys
sys.__dict__.setdefault("loaded_rarely", []).append(1)
LIMIT = {"most": 3}
def double(number, *, plus=0):
    return 2 * number + plus
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that notes that it is loaded."""
    (tmp_path / "rare_library.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "loaded_rarely", [], raising=False)
    monkeypatch.delitem(sys.modules, "rare_library", raising=False)
    return "rare_library"


def test_a_stand_in_loads_its_module_when_it_is_called(library: str) -> None:
    with deferred_imports(library):
        from rare_library import LIMIT, double
    assert library not in sys.modules
    assert sys.loaded_rarely == []
    assert double(2, plus=1) == 5
    assert LIMIT.get("most") == 3
    assert sys.loaded_rarely == [1]
    import rare_library

    assert rare_library.double is not double


def test_a_module_that_is_loaded_stays(library: str) -> None:
    import rare_library

    with deferred_imports(library):
        from rare_library import double
    assert double is rare_library.double


STARTED = """
import sys
from geopipe_emulator.gateway.handlers.moto import MotoHandler
MotoHandler("123456789012")
print(sorted(name for name in ("unittest.mock", "cryptography.x509", "moto.s3", "moto.sqs") if name in sys.modules))
from moto.iam.models import x509
print(x509.load_pem_x509_certificate.__name__)
"""


@pytest.mark.process
def test_moto_starts_without_what_is_rarely_needed() -> None:
    done = subprocess.run([sys.executable, "-c", STARTED], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["[]", "load_pem_x509_certificate"], done.stderr
