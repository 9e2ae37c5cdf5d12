"""SageMaker geospatial's Vector Enrichment Jobs: start one, export its results, and say when a callback is due.

This is the part to replace for jobs of another kind: two functions for Lambda steps, and `check` and `stop` for the
callback contract. The events have the keys of AWS's sample pipeline, in any case:

    start       vej_name, vej_config, vej_input_config, role
    export      vej_arn, vej_export_config, role
    callback    vej_arn, and phase (job or export), which AWS's sample leaves out

Every event may have `region`. `execution_arn` and `step` make an attempt at a step repeatable: see
`geospatial_jobs.client_token`.
"""

from collections.abc import Mapping
from typing import Any

from aws import Client, InvocationContext
from callbacks import Callback, MalformedInputError, Verdict, as_mapping, optional_text, required_text
from geospatial_jobs import (
    SERVICE,
    JobType,
    StatusFields,
    check_job,
    client_token,
    find_job,
    region_of,
    repeat,
    wait_for_export,
)

TYPE = JobType(
    title="vector enrichment job",
    arn_key="vej_arn",
    resource="vector-enrichment-job",
    phases={
        "job": StatusFields(
            status="Status",
            error="ErrorDetails",
            error_texts=("ErrorType", "ErrorMessage"),
            succeeded=frozenset({"COMPLETED"}),
            failed=frozenset({"FAILED", "STOPPED", "DELETED"}),
            outputs={"vej_status": "Status"},
        ),
        "export": StatusFields(
            status="ExportStatus",
            error="ExportErrorDetails",
            error_texts=("Type", "Message"),
            succeeded=frozenset({"SUCCEEDED"}),
            failed=frozenset({"FAILED"}),
            outputs={"statusJob": "ExportStatus"},
        ),
    },
)


# snippet-start:[python.example_code.sagemaker.LambdaSteps]
def start_job(fields: Mapping[str, Any], invocation: InvocationContext) -> dict[str, str]:
    """Start the job that the event describes."""
    request = {
        "Name": required_text(fields, "vej_name"),
        "ExecutionRoleArn": required_text(fields, "role"),
        "JobConfig": configuration(fields, "vej_config"),
        "InputConfig": input_config(fields, "vej_input_config"),
        "ClientToken": client_token(fields, "start", invocation),
    }
    region = optional_text(fields, "region")

    def start() -> str:
        return str(invocation.long_client(SERVICE, region).start_vector_enrichment_job(**request)["Arn"])

    arn = repeat(start, f"starting the {TYPE.title}", invocation, lambda: _find_job(request, region, invocation))
    invocation.log.info("job started", job=arn)
    return {"statusCode": "200", "vej_arn": arn}


def export_job(fields: Mapping[str, Any], invocation: InvocationContext) -> dict[str, str]:
    """Start the export of a finished job's results, and return when it shows in the job's description.

    A callback without a phase takes a job whose export shows for one that waits for its export.
    """
    arn = TYPE.arn_of(fields)
    region = region_of(fields, arn)
    request = {
        "Arn": arn,
        "ExecutionRoleArn": required_text(fields, "role"),
        "OutputConfig": output_config(fields, "vej_export_config"),
        "ClientToken": client_token(fields, "export", invocation),
    }

    def export() -> bool:
        invocation.long_client(SERVICE, region).export_vector_enrichment_job(**request)
        return True

    def shows() -> bool:
        return bool(invocation.client(SERVICE, region).get_vector_enrichment_job(Arn=arn).get("ExportStatus"))

    repeat(export, f"exporting the {TYPE.title}", invocation, lambda: shows() or None)
    wait_for_export(arn, invocation, shows)
    invocation.log.info("export started", job=arn)
    return {"statusCode": "200", "vej_arn": arn}


# snippet-end:[python.example_code.sagemaker.LambdaSteps]


def check(callback: Callback, invocation: InvocationContext) -> Verdict:
    """Returns what to send to the step that waits for this job, or for its export."""
    return check_job(TYPE, callback, invocation, _get)


def stop(callback: Callback, invocation: InvocationContext) -> None:
    """Stop the job that a callback waits for."""
    arn = TYPE.arn_of(callback.arguments)
    invocation.client(SERVICE, region_of(callback.arguments, arn)).stop_vector_enrichment_job(Arn=arn)


def _get(client: Client, arn: str) -> Any:
    return client.get_vector_enrichment_job(Arn=arn)


def _find_job(request: Mapping[str, Any], region: str, invocation: InvocationContext) -> str | None:
    client = invocation.long_client(SERVICE, region)

    def pages(token: str) -> tuple[list[Any], str | None]:
        page = client.list_vector_enrichment_jobs(**({"NextToken": token} if token else {}))
        return page["VectorEnrichmentJobSummaries"], page.get("NextToken")

    compared = ("Name", "ExecutionRoleArn", "InputConfig", "JobConfig")
    return find_job(request, compared, pages, lambda arn: _get(client, arn), invocation)


# The forms in which programs in several languages write the same configuration. What is still wrong is left to the
# service, whose message names it.

_SPELLING = {
    key.lower(): key
    for key in (
        *("DataSourceConfig", "DocumentType", "KmsKeyId", "S3Data", "S3Uri", "MapMatchingConfig"),
        *("ReverseGeocodingConfig", "IdAttributeName", "TimestampAttributeName", "XAttributeName", "YAttributeName"),
    )
}


def configuration(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Returns the configuration under a key with AWS's spelling of its keys, and without nulls."""
    if key not in fields:
        raise MalformedInputError(f"{key} is missing")
    spelled: dict[str, Any] = _spelled(as_mapping(fields[key], key))
    return spelled


def input_config(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Returns an InputConfig, also from a bare data source or a bare S3 location."""
    config = configuration(fields, key)
    source = config.get("DataSourceConfig", _s3_data(config))
    if isinstance(source, dict):
        # An older form names the branch of the union a second time; the service has no such member.
        source = {name: value for name, value in source.items() if name.lower() != "type"}
    rest = {name: value for name, value in config.items() if name not in ("S3Data", "S3Uri", "KmsKeyId")}
    return {"DocumentType": "CSV", **rest, "DataSourceConfig": source}


def output_config(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Returns an OutputConfig, also from a bare S3 location."""
    config = configuration(fields, key)
    return _s3_data(config) if "S3Uri" in config else config


def _s3_data(config: dict[str, Any]) -> dict[str, Any]:
    if "S3Data" in config:
        return {"S3Data": config["S3Data"]}
    return {"S3Data": {name: config[name] for name in ("S3Uri", "KmsKeyId") if name in config}}


def _spelled(value: Any) -> Any:
    """Returns the value with AWS's spelling of the keys; {"Value": x}, as some write an enumeration, becomes x."""
    if isinstance(value, list):
        return [_spelled(item) for item in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["Value"]:
        return value["Value"]
    return {_SPELLING.get(key.lower(), key): _spelled(item) for key, item in value.items() if item is not None}
