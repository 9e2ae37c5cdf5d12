"""Loaders for botocore that read the short models in `data/` where botocore would read its own."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import botocore
from botocore.loaders import JSONFileLoader, Loader

DATA = Path(__file__).with_name("data")
# Holds the version of botocore that the short models are from.
VERSION_FILE = DATA / "botocore-version"
SERVICES = (
    "geo-places",
    "iam",
    "lambda",
    "logs",
    "resourcegroupstaggingapi",
    "s3",
    "sagemaker",
    "sagemaker-geospatial",
    "sqs",
    "sts",
)


class ShortModels:
    """To be mixed into a subclass of botocore's Loader. Reads the files of `SERVICES` without searching for them.

    A model in ~/.aws/models comes first, as always. A botocore that is older than the short models reads its own.
    Another service than ours is read by the loader that `other_services` returns.
    """

    def __init__(self, extra_search_paths: list[str] | None = None) -> None:
        short = [str(DATA)] if is_new_enough(botocore.__version__) else []
        super().__init__(  # type: ignore[call-arg]  # the other base class is a loader
            extra_search_paths=[
                *(extra_search_paths or []),
                Loader.CUSTOMER_DATA_PATH,
                *short,
                Loader.BUILTIN_DATA_PATH,
            ],
            include_default_search_paths=False,
            file_loader=_PlainFiles(),
        )
        self._others: Any = None

    def other_services(self) -> Any:
        """Return the loader for all other services."""
        return Loader()

    def list_available_services(self, type_name: str) -> list[str]:
        """Return our services. botocore asks only whether it has the one that it is about to load."""
        return list(SERVICES)

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """Return one file of a service. Raises botocore's UnknownServiceError or DataNotFoundError."""
        if service_name in SERVICES:
            return super().load_service_model(service_name, type_name, api_version)  # type: ignore[misc]
        if self._others is None:
            self._others = self.other_services()
        return self._others.load_service_model(service_name, type_name, api_version)


class _ModelLoader(ShortModels, Loader):  # type: ignore[misc]  # botocore has no types
    """botocore's loader with short models."""


class _PlainFiles(JSONFileLoader):  # type: ignore[misc]
    """Reads JSON into plain dictionaries. They keep their order, too, and take half the time of OrderedDict."""

    def load_file(self, file_path: str) -> Any:
        for suffix, open_file in ((".json", open), (".json.gz", gzip.open)):
            try:
                with open_file(file_path + suffix, "rb") as file:
                    return json.loads(file.read())
            except (FileNotFoundError, NotADirectoryError):
                continue
        return None


def model_loader(extra_search_paths: list[str] | None = None) -> Any:
    """Return a loader for a botocore session: its component `data_loader`."""
    return _ModelLoader(extra_search_paths)


def is_new_enough(version: str) -> bool:
    """Whether a botocore of this version understands the short models."""
    return _numbers(version) >= _numbers(VERSION_FILE.read_text(encoding="ascii"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.strip().split(".") if part.isdigit())
