"""What an existing pipeline definition needs to run offline, found by reading it: `geopipe init --from`.

The definition itself stays as it is, apart from AWS's placeholder for the function. Its ARNs and queue URLs say which
functions and queues there are, and in which account and region. A function whose code is not at hand gets a stand-in
that returns the outputs its steps declare, and a queue gets one that answers its callbacks the same way. A step that
only AWS can run gets an answer in `emulator.steps`. Values are chosen so that conditions are met, where that is known.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import UsageError
from ..pipeline.definition import problems
from ..pipeline.structure_checks import every_step
from ..pipeline.template import FUNCTION_ARN
from .example import contract_files, deployment_name

_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:([a-z0-9-]+):([0-9]{12}):function:([A-Za-z0-9_-]+)(?::[A-Za-z0-9$_-]+)?")
_QUEUE = re.compile(r"https://sqs\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([0-9]{12})/([A-Za-z0-9_-]+)")
_ANY_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:([a-z0-9-]*):([0-9]{12}):")
_OUTPUT = re.compile(r"Steps\.(?P<step>[^.\[]+)\.OutputParameters\[['\"](?P<output>.+)['\"]\]")
_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/|$)")
_PROPERTY_FILE = re.compile(r"Steps\.(?P<step>[^.\[]+)\.PropertyFiles\.(?P<file>.+)")
# What the emulator runs by itself.
_RUN_OFFLINE = {"Lambda", "Callback", "Condition", "Fail", "ForEach"}
_SAMPLES: Mapping[str, Any] = {"String": "text", "Integer": 1, "Float": 1.0, "Boolean": True}
_EMULATED_ACCOUNT, _EMULATED_REGION = "123456789012", "us-east-1"


@dataclass(frozen=True)
class _Place:
    """The region and the account that most of the definition's ARNs and queue URLs are in."""

    region: str
    account_id: str

    def function_arn(self, name: str) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{name}"

    def queue_url(self, name: str) -> str:
        return f"https://sqs.{self.region}.amazonaws.com/{self.account_id}/{name}"


@dataclass(frozen=True)
class _Called:
    """A function or a queue that the definition names, and the outputs that its steps declare, with a value each."""

    key: str
    name: str
    steps: tuple[str, ...]
    outputs: Mapping[str, Any]


def files_for_definition(source: Path, name: str | None) -> dict[str, str]:
    """Return the texts of the files by their path, for a definition in a JSON file.

    The file may also hold the response of DescribePipeline, as `aws sagemaker describe-pipeline` prints it.

    Raises:
        UsageError: The file holds neither, or `name` cannot be used.
    """
    definition, pipeline = _read(source)
    name = deployment_name(name, pipeline.get("PipelineName") or source.stem)
    place = _place(definition, pipeline)
    steps = [step for _, step in every_step(definition["Steps"])]
    values = _parameter_values(definition, steps, name, place)
    outputs = _compared_outputs(definition, values)
    functions = _called(steps, "FunctionArn", _FUNCTION, values, name, outputs)
    queues = _called(steps, "SqsQueueUrl", _QUEUE, values, name, outputs)
    answers, property_files = _answers(definition, steps, values)
    config = _config(name, definition, pipeline, place, values, functions, queues, answers)
    text = json.dumps(definition, indent=2).replace(FUNCTION_ARN, values[FUNCTION_ARN])
    files = {"config.yaml": config, "pipeline.json": text + "\n", **property_files}
    for function in functions:
        files[f"functions/{function.key}/handler.py"] = _FUNCTION_CODE.format(
            name=function.name, steps=", ".join(function.steps), outputs=_python(function.outputs)
        )
    for queue in queues:
        folder = f"functions/{_answering(queue)}"
        files[f"{folder}/handler.py"] = _ANSWER_CODE.format(
            name=queue.name, steps=", ".join(queue.steps), outputs=_python(queue.outputs)
        )
        files |= dict(contract_files(folder))
    return files


def _read(source: Path) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return the definition, and the description of the pipeline around it as far as there is one."""
    try:
        found = json.loads(source.read_text("utf-8-sig"))
        pipeline = found if isinstance(found, dict) and "PipelineDefinition" in found else {}
        definition = json.loads(pipeline["PipelineDefinition"]) if pipeline else found
    except OSError as error:
        raise UsageError(f"{source}: cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{source}: it is not JSON: {error}", _EXPECTED) from None
    # Names go into code: only a definition that SageMaker takes has names that are safe there.
    if wrong := [problem.text for problem in problems(definition)]:
        raise UsageError(f"{source}: it is no definition that SageMaker takes:\n  " + "\n  ".join(wrong), _EXPECTED)
    return definition, pipeline


def _parameter_values(
    definition: Mapping[str, Any], steps: list[dict[str, Any]], name: str, place: _Place
) -> dict[str, Any]:
    """Return a value for each parameter, by its reference: its default, or else one that fits where it is used."""
    values = {}
    for parameter in definition.get("Parameters", []):
        reference, default = f"Parameters.{parameter['Name']}", parameter.get("DefaultValue")
        own_name = f"{name}-{re.sub(r'[^A-Za-z0-9]+', '-', parameter['Name'])}"[:64].strip("-")
        if default not in (None, ""):
            values[reference] = default
        elif any(step.get("FunctionArn") == {"Get": reference} for step in steps):
            values[reference] = place.function_arn(own_name)
        elif any(step.get("SqsQueueUrl") == {"Get": reference} for step in steps):
            values[reference] = place.queue_url(own_name)
        elif default is None:
            values[reference] = (parameter.get("EnumValues") or [_SAMPLES.get(parameter["Type"], "text")])[0]
    # AWS's sample definition has this placeholder.
    return {FUNCTION_ARN: place.function_arn(f"{name}-function"), **values}


def _called(
    steps: list[dict[str, Any]],
    member: str,
    form: re.Pattern[str],
    values: Mapping[str, Any],
    deployment: str,
    outputs: Mapping[tuple[str, str], Any],
) -> list[_Called]:
    """Return what the steps name in `member`, in the order of the definition. A name becomes a key of the config."""
    found: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        value = step.get(member)
        value = value.get("Get") if isinstance(value, dict) else value
        if match := form.fullmatch(str(values.get(value, value) if isinstance(value, str) else "")):
            found.setdefault(match[3], []).append(step)
    keys: dict[str, str] = {}
    for name in found:
        key = (
            re.sub(r"[^a-z0-9]+", "_", name.removeprefix(f"{deployment}-").lower()).strip("_")[:24].strip("_") or "one"
        )
        key = key if key[0].isalpha() else f"x{key}"[:24]
        keys[name] = key if key not in keys.values() else f"{key}_{len(keys)}"
    return [
        _Called(keys[name], name, tuple(s["Name"] for s in its), _outputs(its, outputs)) for name, its in found.items()
    ]


def _outputs(steps: list[dict[str, Any]], compared: Mapping[tuple[str, str], Any]) -> dict[str, Any]:
    """Return a value for each output that the steps declare."""
    return {
        output["OutputName"]: compared.get(
            (step["Name"], output["OutputName"]), _SAMPLES.get(output.get("OutputType", ""), "text")
        )
        for step in steps
        for output in step.get("OutputParameters") or ()
    }


def _compared_outputs(definition: Mapping[str, Any], values: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Return, by step and output, a value that meets the condition that compares the output with a known value."""
    found = {}
    for expression, fitting in _expressions(definition, None, values):
        match = _OUTPUT.fullmatch(str(expression.get("Get")))
        if match and fitting is not None:
            found[match["step"], match["output"]] = fitting
    return found


def _answers(
    definition: Mapping[str, Any], steps: list[dict[str, Any]], values: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return an answer for each step that needs one, and the files that stand in for its property files."""
    contents = _property_file_contents(definition, values)
    answers: dict[str, dict[str, Any]] = {}
    files: dict[str, str] = {}
    for step in steps:
        if step["Type"] in _RUN_OFFLINE:
            continue
        answers[step["Name"]] = {"succeed": {}}
        for file in step.get("PropertyFiles") or ():
            path = f"property_files/{step['Name']}.{file['PropertyFileName']}.json"
            answers[step["Name"]].setdefault("property_files", {})[file["PropertyFileName"]] = path
            content = contents.get((step["Name"], file["PropertyFileName"]), {})
            files[path] = json.dumps(content, indent=2) + "\n"
    return answers, files


def _property_file_contents(definition: Mapping[str, Any], values: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Return for each property file a value that has what Std:JsonGet reads of it, as far as the paths are simple.

    Where a condition compares what it reads with a known value, the condition is met.
    """
    contents: dict[tuple[str, str], Any] = {}
    for expression, fitting in _expressions(definition, None, values):
        read = expression.get("Std:JsonGet", {})
        file = read.get("PropertyFile")
        match = _PROPERTY_FILE.fullmatch(str(file.get("Get"))) if isinstance(file, dict) else None
        if match:
            names = re.findall(r"[^.\[\]'\"$]+", str(read.get("Path", "")))
            content = contents.setdefault((match["step"], match["file"]), {})
            _put(
                content, [int(name) if name.isdigit() else name for name in names], 1.0 if fitting is None else fitting
            )
    return contents


def _expressions(value: Any, fitting: Any, values: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """Yield every Get and Std:JsonGet in `value`, with the value that meets the condition around it; else None."""
    if isinstance(value, list):
        for entry in value:
            yield from _expressions(entry, fitting, values)
    elif isinstance(value, dict):
        if isinstance(value.get("Std:JsonGet"), dict) or isinstance(value.get("Get"), str):
            yield value, fitting
            return
        met_by = _fitting(value, values) if "Type" in value and "Name" not in value else None
        for entry in value.values():
            yield from _expressions(entry, fitting if met_by is None else met_by, values)


def _fitting(condition: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """Return a value that meets a condition of a definition, whichever side it is on; None where that is not known."""
    listed = condition.get("Values")
    sides = [condition.get("LeftValue"), condition.get("RightValue"), *(listed if isinstance(listed, list) else ())]
    known = [values.get(str(side.get("Get"))) if isinstance(side, dict) else side for side in sides]
    other = next((side for side in known if isinstance(side, (str, int, float))), None)
    # A strict comparison needs a different number: a larger one if what is read is on the left of GreaterThan.
    step = {"GreaterThan": 1, "LessThan": -1}.get(str(condition.get("Type")), 0)
    is_left = isinstance(condition.get("LeftValue"), dict)
    if isinstance(other, (int, float)) and not isinstance(other, bool):
        return other + (step if is_left else -step)
    return other


def _put(container: Any, names: list[str | int], value: Any) -> None:
    """Put a value into nested objects and lists, which grow as needed."""
    for position, name in enumerate(names):
        is_last = position == len(names) - 1
        inner: Any = value if is_last else [] if isinstance(names[position + 1], int) else {}
        if isinstance(container, list) and isinstance(name, int):
            container.extend({} if not is_last else value for _ in range(min(name, 100) + 1 - len(container)))
            container[min(name, 100)] = inner if is_last or not container[min(name, 100)] else container[min(name, 100)]
            container = container[min(name, 100)]
        elif isinstance(container, dict):
            container = container.setdefault(str(name), inner)
        else:
            return  # the paths contradict each other; the user sees the file


def _config(
    name: str,
    definition: Mapping[str, Any],
    pipeline: Mapping[str, Any],
    place: _Place,
    values: Mapping[str, Any],
    functions: list[_Called],
    queues: list[_Called],
    answers: Mapping[str, Any],
) -> str:
    buckets = Counter(_BUCKET.findall(json.dumps(definition)))
    bucket = buckets.most_common(1)[0][0] if buckets else f"{name}-${{account_id}}-${{region}}"
    consumers = {
        _answering(queue): {"source": f"functions/{_answering(queue)}", "queue": queue.key} for queue in queues
    }
    called = {entry.key: {"name": entry.name, "source": f"functions/{entry.key}"} for entry in functions}
    sections = {
        "functions": (_FUNCTIONS, called | consumers),
        "queues": (_QUEUES, {entry.key: {"name": entry.name} for entry in queues}),
    }
    settings: dict[str, Any] = {"name": str(pipeline.get("PipelineName") or name), "template": "pipeline.json"}
    missing = {
        entry["Name"]: values[f"Parameters.{entry['Name']}"]
        for entry in definition.get("Parameters", [])
        if values.get(f"Parameters.{entry['Name']}", entry.get("DefaultValue")) != entry.get("DefaultValue")
    }
    if missing:
        settings["parameters"] = missing
    emulator: dict[str, Any] = {"steps": answers} if answers else {}
    parts = [
        _HEAD.format(name=name, region=place.region, account_id=place.account_id, bucket=bucket),
        *(f"{comment}\n{_yaml({key: section})}" for key, (comment, section) in sections.items()),
        f"{_PARAMETERS if missing else ''}{_yaml({'pipeline': settings})}",
        _TAIL,
        f"{_STEPS}\n{_yaml({'emulator': emulator})}" if emulator else "",
    ]
    return "\n".join(part for part in parts if part)


def _place(definition: Mapping[str, Any], pipeline: Mapping[str, Any]) -> _Place:
    text = json.dumps([definition, pipeline.get("PipelineArn", ""), pipeline.get("RoleArn", "")])
    places = [*_ANY_ARN.findall(text), *(match[:2] for match in _QUEUE.findall(text))]
    regions = Counter(region for region, _ in places if region)
    accounts = Counter(account for _, account in places)
    return _Place(
        regions.most_common(1)[0][0] if regions else _EMULATED_REGION,
        accounts.most_common(1)[0][0] if accounts else _EMULATED_ACCOUNT,
    )


def _answering(queue: _Called) -> str:
    return f"answer_{queue.key}"[:30].rstrip("_")


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)


def _python(outputs: Mapping[str, Any]) -> str:
    lines = [f"    {name!r}: {value!r}," for name, value in outputs.items()]
    return "\n".join(["{", *lines, "}"]) if lines else "{}"


_EXPECTED = (
    "Name the JSON that pipeline.definition() of the SageMaker SDK returns, or what "
    "`aws sagemaker describe-pipeline --pipeline-name NAME` prints."
)

_HEAD = """\
# An existing pipeline on this machine:
#
#     geopipe run config.yaml
#
# Its definition is pipeline.json. What the definition calls stands in for the real one until you replace it.

deployment: {name}
target: local                     # local: an emulator on this machine; aws: your account
region: {region}
account_id: "{account_id}"

iam:
  propagation_timeout: 0          # seconds; delete this line for aws, where a new role needs time to take effect

bucket:
  name: {bucket}
  # managed: false                # for aws, if the bucket exists there: it is used and never changed
"""

_FUNCTIONS = """\
# The functions that the Lambda steps call, and one for each queue that answers its callbacks. Their code returns the
# outputs that the steps declare, and does nothing: put your own into these folders."""

_QUEUES = """\
# The queues of the Callback steps."""

_PARAMETERS = """\
# The parameters have no default in the definition. Replace these values.
"""

_TAIL = """\
job:
  kind: custom

execution:
  poll_interval: 0.2              # seconds; 10 for aws

cleanup: none                     # the emulator ends with the command; for aws: ask
"""

_STEPS = """\
# What the steps do that only AWS can run. `succeed: {}`: nothing, and they succeed with what their arguments say.
# `run: [python, script.py]` runs a Processing or Training step as a process on this machine; `fail: TEXT` fails it."""

_FUNCTION_CODE = '''\
"""Stands in for the function {name}: it does nothing, and returns what its steps declare as outputs.

Called by: {steps}. Put the function's own code into this folder.
"""

OUTPUTS = {outputs}


def lambda_handler(event, context):
    print("called with", event)
    return OUTPUTS
'''

_ANSWER_CODE = '''\
"""Answers the callbacks that wait in the queue {name}: all succeed, with the outputs that their steps declare.

Steps that wait: {steps}. Replace `check` by a look at your job. callbacks.py, aws.py and log.py are geopipe's callback
contract and never need a change.
"""

import os
import sys

import callbacks
from aws import Clients, FunctionSettings, InvocationContext, own_region

SETTINGS = FunctionSettings.read(os.environ)
CLIENTS = Clients(own_region())
CLIENTS.prepare(["sagemaker", "sqs"])

OUTPUTS = {outputs}


def lambda_handler(event, context):
    invocation = InvocationContext.begin(context, CLIENTS, SETTINGS)
    return callbacks.answer_batch(event["Records"], sys.modules[__name__], invocation)


def check(callback, invocation):
    """Returns callbacks.success(...), .failure(...) or .still_running(...), which brings the message again later."""
    print("asked about", callback.arguments)
    return callbacks.success("nothing to do", OUTPUTS)


def stop(callback, invocation):
    """Stop the job: no step waits for it any more."""
'''
