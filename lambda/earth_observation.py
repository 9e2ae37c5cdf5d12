"""SageMaker geospatial's Earth Observation Jobs: start one, export its results, and say when a callback is due.

The events have the keys of AWS's handler for pipelines with these jobs, in any case:

    start       eoj_name, eoj_config, eoj_input_config, role
    export      eoj_arn, eoj_export_config, role
    callback    eoj_arn, and phase (job or export), which AWS's handler lacks

`eoj_input_config` is a query of a raster data collection, or the ARN of the job whose results are the input. As that
handler does, it takes configurations as text of Python too, which pipelines contain that were written with the SDK.
Every event may have `region`. `execution_arn` and `step` make an attempt at a step repeatable: see
`geospatial_jobs.client_token`.
"""

import ast
import json
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
    title="earth observation job",
    arn_key="eoj_arn",
    resource="earth-observation-job",
    phases={
        "job": StatusFields(
            status="Status",
            error="ErrorDetails",
            error_texts=("Type", "Message"),
            succeeded=frozenset({"COMPLETED"}),
            failed=frozenset({"FAILED", "STOPPED", "DELETED"}),
            outputs={"eoj_status": "Status"},
        ),
        "export": StatusFields(
            status="ExportStatus",
            error="ExportErrorDetails",
            error_texts=("Type", "Message"),
            succeeded=frozenset({"SUCCEEDED"}),
            failed=frozenset({"FAILED"}),
            # AWS's handler answers this callback with the first one, too.
            outputs={"eoj_status": "Status", "export_eoj_status": "ExportStatus"},
        ),
    },
)


def start_job(fields: Mapping[str, Any], invocation: InvocationContext) -> dict[str, str]:
    """Start the job that the event describes."""
    request = {
        "Name": required_text(fields, "eoj_name"),
        "ExecutionRoleArn": required_text(fields, "role"),
        "JobConfig": _configuration(fields, "eoj_config"),
        "InputConfig": _input_config(fields),
        "ClientToken": client_token(fields, "start", invocation),
    }
    region = optional_text(fields, "region")

    def start() -> str:
        return str(invocation.long_client(SERVICE, region).start_earth_observation_job(**request)["Arn"])

    arn = repeat(start, f"starting the {TYPE.title}", invocation, lambda: _find_job(request, region, invocation))
    invocation.log.info("job started", job=arn)
    return {"statusCode": "200", "eoj_arn": arn}


def export_job(fields: Mapping[str, Any], invocation: InvocationContext) -> dict[str, str]:
    """Start the export of a finished job's results, and return when it shows in the job's description.

    A callback without a phase takes a job whose export shows for one that waits for its export.
    """
    arn = TYPE.arn_of(fields)
    region = region_of(fields, arn)
    request: dict[str, Any] = {
        "Arn": arn,
        "ExecutionRoleArn": required_text(fields, "role"),
        "OutputConfig": _configuration(fields, "eoj_export_config"),
        "ClientToken": client_token(fields, "export", invocation),
    }

    def export() -> bool:
        invocation.long_client(SERVICE, region).export_earth_observation_job(**request)
        return True

    def shows() -> bool:
        return bool(_get(invocation.client(SERVICE, region), arn).get("ExportStatus"))

    repeat(export, f"exporting the {TYPE.title}", invocation, lambda: shows() or None)
    wait_for_export(arn, invocation, shows)
    invocation.log.info("export started", job=arn)
    return {"statusCode": "200", "eoj_arn": arn}


def check(callback: Callback, invocation: InvocationContext) -> Verdict:
    """Returns what to send to the step that waits for this job, or for its export."""
    return check_job(TYPE, callback, invocation, _get)


def stop(callback: Callback, invocation: InvocationContext) -> None:
    """Stop the job that a callback waits for."""
    arn = TYPE.arn_of(callback.arguments)
    invocation.client(SERVICE, region_of(callback.arguments, arn)).stop_earth_observation_job(Arn=arn)


def _get(client: Client, arn: str) -> Any:
    return client.get_earth_observation_job(Arn=arn)


def _find_job(request: Mapping[str, Any], region: str, invocation: InvocationContext) -> str | None:
    client = invocation.long_client(SERVICE, region)

    def pages(token: str) -> tuple[list[Any], str | None]:
        page = client.list_earth_observation_jobs(**({"NextToken": token} if token else {}))
        return page["EarthObservationJobSummaries"], page.get("NextToken")

    # The service adds to the input what it knows of the collection, so that is not compared.
    return find_job(
        request, ("Name", "ExecutionRoleArn", "JobConfig"), pages, lambda arn: _get(client, arn), invocation
    )


def _input_config(fields: Mapping[str, Any]) -> dict[str, Any]:
    previous = optional_text(fields, "eoj_input_config")
    if previous.startswith("arn:"):
        return {"PreviousEarthObservationJobArn": previous}
    return _configuration(fields, "eoj_input_config")


def _configuration(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Returns a configuration, which can be a mapping, or text of JSON or of Python. Raises MalformedInputError."""
    if key not in fields:
        raise MalformedInputError(f"{key} is missing")
    value = fields[key]
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            try:
                value = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
                raise MalformedInputError(f"{key} is neither JSON nor a literal of Python") from None
    return as_mapping(value, key)
