"""Reads what the pipeline hands over, whoever wrote it.

The same event comes from programs in several languages: values are JSON text or objects, keys differ in capitals,
absent things are null. All that tolerance lives here, so that the other modules see one form. What is still wrong is
left to the service, whose message names it; nothing here calls AWS.
"""

import json
from collections.abc import Mapping
from typing import Any

# The service's own spelling of every key of the three configurations.
_SPELLING = {
    key.lower(): key
    for key in (
        "DataSourceConfig",
        "DocumentType",
        "IdAttributeName",
        "KmsKeyId",
        "MapMatchingConfig",
        "ReverseGeocodingConfig",
        "S3Data",
        "S3Uri",
        "TimestampAttributeName",
        "XAttributeName",
        "YAttributeName",
    )
}


def fold(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with lower-case keys and without nulls; a key that is lower-case already wins over its variants."""
    present = {key: value for key, value in mapping.items() if value is not None}
    exact = {key: value for key, value in present.items() if key == key.lower()}
    return {key.lower(): value for key, value in present.items()} | exact


def as_mapping(value: Any, name: str) -> dict[str, Any]:
    """The value as a dict, whether it came as one or as JSON text; ValueError says what is wrong with `name`."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a JSON object, not {type(value).__name__}")
    return value


def text(fields: Mapping[str, Any], key: str) -> str:
    """The non-empty text under a key that must be there."""
    value = fields.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key} is missing or not a text")
    return value.strip()


def optional_text(fields: Mapping[str, Any], key: str) -> str:
    """The text under a key, or nothing."""
    value = fields.get(key)
    return value.strip() if isinstance(value, str) else ""


def job_config(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A JobConfig: a union, in which other languages write the unused branches as null."""
    return _configuration(fields, key)


def input_config(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An InputConfig, also from a bare data source or a bare S3 location."""
    config = _configuration(fields, key)
    source = config.get("DataSourceConfig", _s3_location(config))
    if isinstance(source, dict):
        # An older form names the union's branch a second time; today's service has no such member.
        source = {name: value for name, value in source.items() if name.lower() != "type"}
    rest = {name: value for name, value in config.items() if name not in ("S3Data", "S3Uri", "KmsKeyId")}
    return {"DocumentType": "CSV", **rest, "DataSourceConfig": source}


def output_config(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An OutputConfig, also from a bare S3 location."""
    config = _configuration(fields, key)
    return _s3_location(config) if "S3Uri" in config else config


def _s3_location(config: dict[str, Any]) -> dict[str, Any]:
    if "S3Data" in config:
        return {"S3Data": config["S3Data"]}
    return {"S3Data": {name: config[name] for name in ("S3Uri", "KmsKeyId") if name in config}}


def _configuration(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    if key not in fields:
        raise ValueError(f"{key} is missing")
    config = _respell(as_mapping(fields[key], key))
    assert isinstance(config, dict)
    return config


def _respell(value: Any) -> Any:
    """AWS's spelling for the keys it knows, nulls dropped, enumerations written as {"Value": …} opened."""
    if isinstance(value, list):
        return [_respell(item) for item in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["Value"]:
        return value["Value"]
    return {_SPELLING.get(key.lower(), key): _respell(item) for key, item in value.items() if item is not None}
