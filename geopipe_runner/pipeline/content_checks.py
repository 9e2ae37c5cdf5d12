"""The content of a pipeline definition: types, required fields, conditions and expressions, as SageMaker checks them.

Pure. The structure has been checked. What CreatePipeline refuses is refused here first, before anything is created.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..config.messages import one_of
from .argument_checks import argument_problems
from .condition_checks import condition_problems
from .expressions import is_expression, is_text, shown
from .json_text import JsonPath
from .policy_checks import cache_problems, retry_problems
from .spelling import key_problems
from .step_types import COMMON_KEYS, STEP_TYPES, list_entries
from .structure_checks import DefinitionProblem, Step, every_step, own_part

VERSION = "2020-12-01"
VALUE_TYPES = ("String", "Integer", "Float", "Boolean")
# The resource that a step works with: its key, the form of its value, and what the message calls it.
_RESOURCES = {
    "Callback": ("SqsQueueUrl", re.compile(r"https?://[^/\s]+/\S+"), "the URL of a queue"),
    "Lambda": (
        "FunctionArn",
        re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[\w-]+(:[\w$-]+)?", re.ASCII),
        "the ARN of a function",
    ),
}
_TOP_LEVEL_KEYS = (
    "Metadata",
    "MlflowConfig",
    "ParallelismConfiguration",
    "Parameters",
    "PipelineExperimentConfig",
    "Steps",
    "Version",
)
_PARAMETER_KEYS = ("DefaultValue", "Description", "EnumValues", "Name", "Type")
_PROPERTY_FILE_KEYS = ("FilePath", "OutputName", "PropertyFileName")
# A start takes values for so many parameters.
_MAX_PARAMETERS = 200
# Characters of a step's texts, as ListPipelineExecutionSteps describes them.
_MAX_TEXT = {"DisplayName": 256, "Description": 3072}
_MAX_OUTPUTS, _MAX_OUTPUT_NAME = 50, 256


def content_problems(definition: Mapping[str, Any]) -> Iterator[DefinitionProblem]:
    """Yields everything in a well-structured definition that SageMaker would refuse by itself."""
    if definition.get("Version", VERSION) != VERSION:
        yield DefinitionProblem(("Version",), f"Version is {definition['Version']!r}; there is only {VERSION!r}")
    for key in ("Metadata", "PipelineExperimentConfig"):
        if not isinstance(definition.get(key), dict | None):
            yield DefinitionProblem((key,), f"{key} is not an object")
    yield from key_problems(definition, _TOP_LEVEL_KEYS, ())
    for key in definition.keys() - {"Steps", "Parameters"}:
        yield from _expressions(definition[key], (key,))
    parameters = definition.get("Parameters", [])
    if len(parameters) > _MAX_PARAMETERS:
        what = f"there are {len(parameters)} Parameters; SageMaker takes {_MAX_PARAMETERS}"
        yield DefinitionProblem(("Parameters",), what)
    for number, parameter in enumerate(parameters):
        yield from _parameter(parameter, ("Parameters", number))
    parameter_types = {entry["Name"]: entry["Type"] for entry in parameters}
    for path, step in every_step(definition["Steps"]):
        for problem in _step(step, path, parameter_types):
            yield DefinitionProblem(problem.path, f"step {step['Name']!r}: {problem.text}")


def has_type(kind: str, value: Any) -> bool:
    """Whether a JSON value is of a parameter type. A whole number is a Float too; a Boolean is no number."""
    if kind == "Boolean" or isinstance(value, bool):
        return kind == "Boolean" and isinstance(value, bool)
    python_types: Mapping[str, type | tuple[type, ...]] = {"String": str, "Integer": int, "Float": (int, float)}
    return isinstance(value, python_types[kind])


def _parameter(parameter: Mapping[str, Any], path: JsonPath) -> Iterator[DefinitionProblem]:
    name, kind = parameter["Name"], parameter["Type"]
    if kind not in VALUE_TYPES:
        what = f"parameter {name!r} has the unknown type {kind!r}; {one_of(kind, VALUE_TYPES)}"
        yield DefinitionProblem((*path, "Type"), what)
        return
    yield from key_problems(parameter, _PARAMETER_KEYS, path)
    values = parameter.get("EnumValues", [])
    if not isinstance(values, list) or not all(has_type(kind, value) for value in values):
        yield DefinitionProblem(
            (*path, "EnumValues"), f"EnumValues of parameter {name!r} is not a list of {kind} values"
        )
        values = []
    if "DefaultValue" not in parameter:
        return
    default = parameter["DefaultValue"]
    if not has_type(kind, default):
        what = f"DefaultValue of parameter {name!r} is {shown(default)}, not of type {kind}"
        yield DefinitionProblem((*path, "DefaultValue"), what)
    elif values and default not in values:
        what = f"DefaultValue of parameter {name!r} is {shown(default)}; EnumValues has {_listed(values)}"
        yield DefinitionProblem((*path, "DefaultValue"), what)


def _step(step: Step, path: JsonPath, parameter_types: Mapping[str, str]) -> Iterator[DefinitionProblem]:
    kind = step["Type"]
    if kind not in STEP_TYPES:
        yield DefinitionProblem((*path, "Type"), f"the type {kind!r} is unknown; {one_of(kind, STEP_TYPES)}")
        return
    yield from key_problems(step, (*COMMON_KEYS, *STEP_TYPES[kind].keys), path)
    if missing := [key for key in STEP_TYPES[kind].required_keys if key not in step]:
        yield DefinitionProblem(path, f"a step of type {kind} needs {', '.join(missing)}")
    if kind in _RESOURCES:
        key, form, valid = _RESOURCES[kind]
        value = step.get(key)
        if key not in step:
            yield DefinitionProblem(path, f"a {kind} step needs {key}, {valid} or an expression")
        elif not is_expression(value) and not (isinstance(value, str) and form.fullmatch(value)):
            yield DefinitionProblem((*path, key), f"{key} is {shown(value)}, neither {valid} nor an expression")
    arguments = step.get("Arguments", {})
    yield from argument_problems(step, path, parameter_types)
    if kind == "Condition" and "Conditions" in arguments:
        yield from condition_problems(arguments["Conditions"], (*path, "Arguments", "Conditions"))
    if kind == "Fail" and not is_text(arguments.get("ErrorMessage", "")):
        yield DefinitionProblem((*path, "Arguments", "ErrorMessage"), "ErrorMessage is neither text nor an expression")
    for key, most in _MAX_TEXT.items():
        text = step.get(key, "")
        if not isinstance(text, str):
            yield DefinitionProblem((*path, key), f"{key} is not text")
        elif len(text) > most:
            yield DefinitionProblem((*path, key), f"{key} has {len(text):,} characters; SageMaker takes {most:,}")
    yield from _outputs(step, path)
    yield from _property_files(step, (*path, "PropertyFiles"))
    yield from cache_problems(step.get("CacheConfig"), (*path, "CacheConfig"))
    yield from retry_problems(step.get("RetryPolicies"), (*path, "RetryPolicies"))
    yield from _expressions(own_part(step), path)


def _outputs(step: Step, path: JsonPath) -> Iterator[DefinitionProblem]:
    outputs = step.get("OutputParameters", [])
    if outputs and not STEP_TYPES[step["Type"]].has_outputs:
        yield DefinitionProblem((*path, "OutputParameters"), f"a {step['Type']} step has no OutputParameters")
    if len(outputs) > _MAX_OUTPUTS:
        what = f"there are {len(outputs)} OutputParameters; SageMaker takes {_MAX_OUTPUTS}"
        yield DefinitionProblem((*path, "OutputParameters"), what)
    names: set[str] = set()
    for number, output in enumerate(outputs):
        here = (*path, "OutputParameters", number)
        name, kind = output["OutputName"], output["OutputType"]
        if name in names:
            yield DefinitionProblem(here, f"the output {name!r} is declared twice")
        names.add(name)
        if not 1 <= len(name) <= _MAX_OUTPUT_NAME:
            yield DefinitionProblem(here, f"the output name {shown(name)} must have 1 to {_MAX_OUTPUT_NAME} characters")
        if kind not in VALUE_TYPES:
            what = f"the output {name!r} has the unknown type {kind!r}; {one_of(kind, VALUE_TYPES)}"
            yield DefinitionProblem((*here, "OutputType"), what)


def _property_files(step: Step, path: JsonPath) -> Iterator[DefinitionProblem]:
    files = step.get("PropertyFiles")
    if files is None:
        return
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        yield DefinitionProblem(path, "PropertyFiles is not a list of objects")
        return
    outputs = list_entries(step, "ProcessingOutputConfig.Outputs", "OutputName")
    none = f"it has {', '.join(outputs or ()) or 'none'}"
    names: list[Any] = []
    for number, file in enumerate(files):
        here, entry = (*path, number), f"PropertyFiles[{number}]"
        for key in _PROPERTY_FILE_KEYS:
            if not isinstance(file.get(key), str):
                yield DefinitionProblem(here, f"{entry} needs {key}, which is text")
        name, output = file.get("PropertyFileName"), file.get("OutputName")
        if name in names:
            yield DefinitionProblem(here, f"the property file {name!r} is declared twice")
        names.append(name)
        if outputs is not None and isinstance(output, str) and output not in outputs:
            what = f"{entry} is of the output {output!r}, which the step does not have; {one_of(output, outputs, none)}"
            yield DefinitionProblem((*here, "OutputName"), what)


def _expressions(value: Any, path: JsonPath) -> Iterator[DefinitionProblem]:
    """Yields the problems of expressions, wherever they stand. What a Get names is checked with the references."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _expressions(item, (*path, number))
    if not isinstance(value, dict):
        return
    if set(value) == {"Std:Join"} and not _is_join(value["Std:Join"]):
        yield DefinitionProblem(path, "Std:Join is not an object with On (text) and Values (a list)")
    if set(value) == {"Std:JsonGet"} and not _is_json_get(value["Std:JsonGet"]):
        what = "Std:JsonGet is not an object with Path (text) and either PropertyFile (a Get) or S3Uri"
        yield DefinitionProblem(path, what)
    for key, item in value.items():
        yield from _expressions(item, (*path, key))


def _is_join(join: Any) -> bool:
    return isinstance(join, dict) and isinstance(join.get("On"), str) and isinstance(join.get("Values"), list)


def _is_json_get(get: Any) -> bool:
    if not isinstance(get, dict) or not isinstance(get.get("Path"), str):
        return False
    if "S3Uri" in get:
        return is_text(get["S3Uri"]) and "PropertyFile" not in get
    return is_expression(get.get("PropertyFile"))


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(shown, values))
