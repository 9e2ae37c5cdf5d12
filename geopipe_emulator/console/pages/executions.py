"""Pipelines and their executions: what runs, what waits for a callback, what each step got and returned."""

from __future__ import annotations

import contextlib
import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from ...protocol.errors import ServiceError
from ...services.sagemaker.inspection import InspectedStep, inspect_execution
from ..api import AccountApi
from ..graph import BOX, lay_out
from ..logs import ShownLine, lines_between
from ..masking import MASK, is_secret, mask, show
from ..page import ActionError, ConsolePage, NoPageError, seconds_between, status_style
from .queues import dead_letters

_MOST_PIPELINES = 200
_MOST_EXECUTIONS = 50
NOT_STARTED = "Not started"
# The lines of a step that has ended arrive within a moment; after that they are kept.
_SECONDS_UNTIL_COMPLETE = 3.0
# A wider drawing does not leave enough room for the steps next to it.
_NARROW = 430
_JOB_LOGS = {"ProcessingJob": "/aws/sagemaker/ProcessingJobs", "TrainingJob": "/aws/sagemaker/TrainingJobs"}

_S3_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{2,62})(?:/(.*))?")

Fields = dict[str, Any]


def overview(api: AccountApi, names: tuple[str, ...], query: Mapping[str, str]) -> ConsolePage:
    pipelines = api.read("sagemaker", "ListPipelines", MaxResults=_MOST_PIPELINES)["PipelineSummaries"]
    executions: list[Fields] = []
    for pipeline in pipelines:
        with contextlib.suppress(ServiceError):  # deleted since
            executions += _executions(api, pipeline["PipelineName"])[0]
    executions.sort(key=lambda execution: execution["started"], reverse=True)
    executions = executions[:_MOST_EXECUTIONS]
    values = {
        "pipelines": [pipeline["PipelineName"] for pipeline in pipelines],
        "executions": executions,
        "callbacks": [callback for execution in executions for callback in _waiting_callbacks(api, execution)],
        "dead_letters": dead_letters(api),
    }
    return ConsolePage("overview.html.j2", "executions", "Executions", values)


def pipeline(api: AccountApi, names: tuple[str, ...], query: Mapping[str, str]) -> ConsolePage:
    described = api.read("sagemaker", "DescribePipeline", PipelineName=names[0])
    executions, next_token = _executions(api, names[0], query.get("after", ""))
    values = {
        "pipeline": described,
        "executions": executions,
        "next_token": next_token,
        "definition": show(described["PipelineDefinition"]),
    }
    return ConsolePage("pipeline.html.j2", "executions", described["PipelineName"], values, interval=1.0)


def _executions(api: AccountApi, pipeline_name: str, after: str = "") -> tuple[list[Fields], str]:
    """Return the executions of a pipeline, newest first, and the token of the next page."""
    parameters: Fields = {"PipelineName": pipeline_name, "MaxResults": _MOST_EXECUTIONS}
    if after:
        parameters["NextToken"] = after
    listed = api.read("sagemaker", "ListPipelineExecutions", **parameters)
    rows = []
    for summary in listed["PipelineExecutionSummaries"]:
        arn = summary["PipelineExecutionArn"]
        described = api.read("sagemaker", "DescribePipelineExecution", PipelineExecutionArn=arn)
        rows.append(_row(arn, described) | {"pipeline": pipeline_name})
    return rows, listed.get("NextToken", "")


def _row(arn: str, described: Fields) -> Fields:
    status, started = described["PipelineExecutionStatus"], described["CreationTime"]
    is_running = status in ("Executing", "Stopping")
    return {
        "arn": arn,
        "pipeline": arn.split("/")[1],
        "id": arn.rsplit("/", 1)[1],
        "name": described.get("PipelineExecutionDisplayName", ""),
        "description": described.get("PipelineExecutionDescription", ""),
        "status": status,
        "is_running": is_running,
        "started": started,
        "seconds": seconds_between(started, None if is_running else described["LastModifiedTime"]),
        "reason": described.get("FailureReason", ""),
        "role": described.get("RoleArn", ""),
    }


def _waiting_callbacks(api: AccountApi, execution: Fields) -> list[Fields]:
    if not execution["is_running"]:
        return []
    return [
        {"execution": execution, "step": step["StepName"], "seconds": seconds_between(step["StartTime"], None)}
        for step in _listed_steps(api, execution["arn"]).values()
        if _waiting_token(step)
    ]


def _listed_steps(api: AccountApi, arn: str) -> dict[str, Fields]:
    steps = api.read_all(
        "sagemaker", "ListPipelineExecutionSteps", "PipelineExecutionSteps", PipelineExecutionArn=arn, MaxResults=100
    )
    return {step["StepName"]: step for step in steps}


def _waiting_token(step: Fields) -> str:
    """Return the token of a callback that nothing has answered yet; "" for every other step."""
    if step.get("EndTime") is not None:
        return ""
    token: str = step["Metadata"].get("Callback", {}).get("CallbackToken", "")
    return token


def execution(api: AccountApi, names: tuple[str, ...], query: Mapping[str, str]) -> ConsolePage:
    arn = _arn(api, names)
    described = api.read("sagemaker", "DescribePipelineExecution", PipelineExecutionArn=arn)
    row = _row(arn, described)
    inspected = inspect_execution(api.pipelines, arn)
    listed = _listed_steps(api, arn)
    steps = [_step(api, arn, step, listed.get(step.name)) for step in inspected]
    layout = lay_out({step.name: step.dependencies for step in inspected})
    by_name = {step["name"]: step for step in steps}
    parameters = api.read_all(
        "sagemaker", "ListPipelineParametersForExecution", "PipelineParameters", PipelineExecutionArn=arn
    )
    values = {
        "execution": row,
        "pipeline": _pipeline_name(api, names[0]),
        "steps": steps,
        "failed": next((step for step in steps if step["status"] == "Failed"), None),
        "layout": layout,
        "box": BOX,
        "is_narrow": layout.width <= _NARROW,
        "boxes": [(placed, by_name[placed.name]) for placed in layout.boxes],
        "parameters": [_value(entry["Name"], entry["Value"]) for entry in parameters],
        "done": sum(step["status"] == "Succeeded" for step in steps),
        "can_stop": row["status"] == "Executing",
        "can_retry": row["status"] in ("Failed", "Stopped"),
    }
    _, sign = status_style(row["status"])
    return ConsolePage("execution.html.j2", "executions", f"{sign} {row['status']} · {row['name']}", values)


def _pipeline_name(api: AccountApi, name: str) -> str:
    """Return the name as it was given: the ARN has it in lower case."""
    described: str = api.read("sagemaker", "DescribePipeline", PipelineName=name)["PipelineName"]
    return described


def _arn(api: AccountApi, names: tuple[str, ...]) -> str:
    return api.arn("sagemaker", f"pipeline/{names[0].lower()}/execution/{names[1]}")


def _step(api: AccountApi, arn: str, step: InspectedStep, listed: Fields | None) -> Fields:
    fields: Fields = {
        "name": step.name,
        "type": step.type,
        "description": step.description,
        "after": step.dependencies,
        "arguments": _values(step.arguments),
        "written": _written(step),
        "declared": list(step.outputs.items()),
        "status": NOT_STARTED,
        "seconds": None,
        "token": "",
        "outputs": [],
        "facts": [],
        "queue": "",
        "function": "",
        "reason": "",
        "outcome": "",
        "attempt": 1,
        "lines": [],
    }
    if listed is None:
        return fields
    metadata: Fields = listed["Metadata"]
    entry: Fields = next(iter(metadata.values()), {})
    token = _waiting_token(listed)
    callback_queue = metadata.get("Callback", {}).get("SqsQueueUrl", "")
    shown = {name: value for name, value in entry.items() if name not in ("CallbackToken", "OutputParameters")}
    return fields | {
        "status": "Waiting" if token and listed["StepStatus"] == "Executing" else listed["StepStatus"],
        "seconds": seconds_between(listed["StartTime"], listed.get("EndTime")),
        "started": listed["StartTime"],
        "token": token,
        "outputs": [_value(output["Name"], output["Value"]) for output in entry.get("OutputParameters", [])],
        "facts": _values(shown),
        "queue": callback_queue.rpartition("/")[2],
        "function": _function_name(metadata),
        "outcome": metadata.get("Condition", {}).get("Outcome", ""),
        "reason": show(listed.get("FailureReason", "")),
        "attempt": listed["AttemptCount"],
        "cached": listed.get("CacheHitResult", {}).get("SourcePipelineExecutionArn", ""),
        "selected": listed.get("SelectiveExecutionResult", {}).get("SourcePipelineExecutionArn", ""),
        "lines": _lines(api, arn, listed, step.request_id),
    }


def _written(step: InspectedStep) -> str:
    """Return which arguments are shown as the definition has them."""
    if not step.unresolved:
        return ""
    names = [name for name in step.arguments if name in step.unresolved]
    return (
        "as the definition has them"
        if len(names) == len(step.arguments)
        else f"{', '.join(names)} as in the definition"
    )


def _values(values: Any) -> list[Fields]:
    if not isinstance(values, dict):
        return [_value("", values)] if values else []
    return [_value(name, value) for name, value in values.items()]


def _value(name: str, value: Any) -> Fields:
    """One argument, output or parameter as text, without secrets.

    `is_long` is for a block of its own, and `place` is the bucket and the prefix of an S3 URI.
    """
    if value and isinstance(value, str) and is_secret(name):
        text = MASK
    elif isinstance(value, str):
        text = show(value)
    else:
        text = json.dumps(mask(value), indent=2, ensure_ascii=False, default=str)
    uri = _S3_URI.fullmatch(text)
    place = (uri[1], uri[2] or "") if uri else None
    return {"name": name, "text": text, "is_long": "\n" in text or len(text) > 300, "place": place}


def _function_name(metadata: Fields) -> str:
    arn: str = metadata.get("Lambda", {}).get("Arn", "")
    return arn.split(":function:", 1)[1].split(":")[0] if ":function:" in arn else ""


def _lines(api: AccountApi, arn: str, listed: Fields, request_id: str) -> list[ShownLine]:
    """Return the lines that the step's function or job wrote.

    While a function runs, these are all of its lines since the step began, also those of other invocations.
    """
    metadata, start, end = listed["Metadata"], listed["StartTime"], listed.get("EndTime")
    function = _function_name(metadata)
    job = next((kind for kind in _JOB_LOGS if kind in metadata), "")
    if function:
        group, prefix = f"/aws/lambda/{function}", ""
    elif job:
        group, prefix = _JOB_LOGS[job], metadata[job]["Arn"].rpartition("/")[2]
    else:
        return []
    is_complete = end is not None and time.time() - end.timestamp() > _SECONDS_UNTIL_COMPLETE
    key = (arn, listed["StepName"], listed["AttemptCount"], start)
    return api.remember(key, is_complete, lambda: lines_between(api, group, start, end, prefix, request_id))


def stop(api: AccountApi, names: tuple[str, ...], form: Mapping[str, str]) -> None:
    api.client("sagemaker").stop_pipeline_execution(
        PipelineExecutionArn=_arn(api, names), ClientRequestToken=str(uuid.uuid4())
    )


def retry(api: AccountApi, names: tuple[str, ...], form: Mapping[str, str]) -> None:
    api.client("sagemaker").retry_pipeline_execution(
        PipelineExecutionArn=_arn(api, names), ClientRequestToken=str(uuid.uuid4())
    )


def succeed(api: AccountApi, names: tuple[str, ...], form: Mapping[str, str]) -> None:
    """Answer a callback with success. Fields named `output.NAME` are its output parameters."""
    outputs = [
        {"Name": name.removeprefix("output."), "Value": value}
        for name, value in form.items()
        if name.startswith("output.") and value
    ]
    token = _token_to_answer(api, names, form)
    api.client("sagemaker").send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=outputs)


def fail(api: AccountApi, names: tuple[str, ...], form: Mapping[str, str]) -> None:
    """Answer a callback with failure."""
    token = _token_to_answer(api, names, form)
    reason = form.get("reason", "").strip() or "Failed by hand in the emulator's console"
    api.client("sagemaker").send_pipeline_execution_step_failure(CallbackToken=token, FailureReason=reason[:256])


def _token_to_answer(api: AccountApi, names: tuple[str, ...], form: Mapping[str, str]) -> str:
    step = _listed_steps(api, _arn(api, names)).get(form.get("step", ""))
    if step is None:
        raise NoPageError("This execution has not started a step of that name.")
    token = _waiting_token(step)
    # The form may be older than the callback that waits now.
    if not token or str(step["AttemptCount"]) != form.get("attempt"):
        raise ActionError(f"Step {step['StepName']} no longer waits for this callback. Something has answered it.")
    return token
