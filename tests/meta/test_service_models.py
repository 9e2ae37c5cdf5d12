"""The short models are botocore's own, and a client that reads them sends and reads the same."""

from __future__ import annotations

from pathlib import Path

import botocore
import botocore.session
import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from geopipe_models import loader, model_loader
from geopipe_models.shorten import MODEL, short_models, without_documentation

RENEW = "write the short models again: make reference"


def test_the_short_models_are_those_of_the_installed_botocore() -> None:
    assert loader.VERSION_FILE.read_text().strip() == botocore.__version__, RENEW
    models = dict(short_models())
    stored = {str(path.relative_to(loader.DATA)).removesuffix(".json.gz") for path in loader.DATA.rglob("*.json.gz")}
    assert stored == set(models), RENEW
    short = Loader(include_default_search_paths=False, extra_search_paths=[str(loader.DATA)])
    assert [path for path, model in models.items() if short.load_data(path) != model] == [], RENEW


def test_only_documentation_is_missing() -> None:
    model = {"documentation": "text", "members": {"documentation": {"shape": "S", "documentation": "text"}}}
    assert without_documentation(model) == {"members": {"documentation": {"shape": "S"}}}
    original = Loader().load_service_model("s3", MODEL)
    found = model_loader().load_service_model("s3", MODEL)
    assert original["operations"].keys() == found["operations"].keys()
    assert original["shapes"].keys() == found["shapes"].keys()
    assert "documentation" not in found


@pytest.mark.parametrize("type_name", ["paginators-1", "waiters-2", "endpoint-rule-set-1"])
def test_everything_else_is_botocore_s(type_name: str) -> None:
    assert model_loader().load_service_model("lambda", type_name) == Loader().load_service_model("lambda", type_name)


def test_another_service_is_read_from_botocore() -> None:
    assert model_loader().load_service_model("sns", MODEL) == Loader().load_service_model("sns", MODEL)
    with pytest.raises(UnknownServiceError):
        model_loader().load_service_model("no-such-service", MODEL)


def test_a_model_of_the_user_s_own_comes_first(tmp_path: Path) -> None:
    folder = tmp_path / "sqs/2099-01-01"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text('{"metadata": {"apiVersion": "2099-01-01"}}')
    assert model_loader([str(tmp_path)]).load_service_model("sqs", MODEL)["metadata"]["apiVersion"] == "2099-01-01"


def test_an_older_botocore_reads_its_own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore, "__version__", "1.40.0")
    assert str(loader.DATA) not in model_loader().search_paths
    assert "documentation" in model_loader().load_service_model("sqs", MODEL)
