"""`validate` refuses a definition that SageMaker would refuse: with the position, exit code 2, and no connection.

Each entry of REFUSED is one rule: what is changed in a sound definition, the text in the file at whose position the
message must point, and what the message must say.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from geopipe_runner.cli.main import main
from geopipe_runner.pipeline.definition import problems
from tests.support.definition_mutations import (
    EQUAL,
    FAIL,
    SDK_3_DEFINITIONS,
    SDK_DEFINITIONS,
    condition_step,
    definition,
    lambda_step,
)

ROLE = "arn:aws:iam::123456789012:role/Jobs"

CONFIG = """
deployment: refused
target: aws
region: us-west-2
account_id: "123456789012"
bucket: {name: refused-123456789012}
function: {source: FOLDER, handler: app.handler}
pipeline:
  template: FOLDER/p.json
  parameters: PARAMETERS
job: {kind: custom}
input: {source: FOLDER/in.csv}
emulator: {steps: {Processing: {succeed: {}}, Training: {succeed: {}}, RegisterModel: {succeed: {}}}}
"""

connections: list[str] = []
is_watched = [False]


def _note_connection(event: str, arguments: tuple[Any, ...]) -> None:
    if is_watched[0] and event in ("socket.connect", "socket.getaddrinfo"):
        connections.append(f"{event}: {arguments}")


sys.addaudithook(_note_connection)

PROCESSING = {
    "Name": "prepare",
    "Type": "Processing",
    "Arguments": {
        "AppSpecification": {"ImageUri": "1.dkr.ecr/x:1", "ContainerArguments": ["--rows", "5"]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
        },
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "rows",
                    "S3Output": {
                        "S3Uri": "s3://b/rows",
                        "LocalPath": "/opt/ml/processing/rows",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        "RoleArn": ROLE,
    },
    "PropertyFiles": [{"PropertyFileName": "Report", "OutputName": "rows", "FilePath": "report.json"}],
}
TRAINING = {
    "Name": "train",
    "Type": "Training",
    "Arguments": {
        "AlgorithmSpecification": {"TrainingImage": "1.dkr.ecr/x:1", "TrainingInputMode": "File"},
        "HyperParameters": {"depth": "5"},
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": {"Get": "Parameters.Input"}}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://b/models"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10},
        "RoleArn": ROLE,
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    },
}
SOUND = definition(
    lambda_step("start"),
    PROCESSING,
    TRAINING,
    condition_step(
        "decide",
        {
            "Type": "LessThan",
            "LeftValue": {
                "Std:JsonGet": {"PropertyFile": {"Get": "Steps.prepare.PropertyFiles.Report"}, "Path": "error.value"}
            },
            "RightValue": {"Get": "Parameters.Limit"},
        },
        if_steps=[lambda_step("finish", {"model": {"Get": "Steps.train.ModelArtifacts.S3ModelArtifacts"}})],
        else_steps=[FAIL],
    ),
    parameters=[
        {"Name": "Input", "Type": "String", "DefaultValue": "s3://b/in"},
        {"Name": "Limit", "Type": "Float", "DefaultValue": 0.5},
        {"Name": "Rows", "Type": "Integer", "DefaultValue": 100},
        {"Name": "Stage", "Type": "String", "DefaultValue": "dev", "EnumValues": ["dev", "prod"]},
    ],
)
START, PREPARE, TRAIN, DECIDE = range(4)

Change = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class Refused:
    """A rule: `change` breaks it, and `says` is in the message, which points at the text `at` (or behind it)."""

    change: Change
    at: str
    says: str
    parameters: dict[str, Any] = field(default_factory=dict)


def step(number: int, **keys: Any) -> Change:
    return lambda d: d["Steps"][number].update(keys)


def arguments(number: int, **keys: Any) -> Change:
    return lambda d: d["Steps"][number]["Arguments"].update(keys)


def argument(value: Any) -> Change:
    return arguments(START, x=value)


def get(reference: str) -> Change:
    return argument({"Get": reference})


def condition(value: Any) -> Change:
    return arguments(DECIDE, Conditions=[value])


def parameter(**entry: Any) -> Change:
    return lambda d: d["Parameters"].append({"Name": "P", "Type": "String", **entry})


def channel(number: int) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}}
    return {"ChannelName": f"c{number}", "DataSource": source}


def output(number: int) -> dict[str, Any]:
    return {"OutputName": f"o{number}"}


OUTPUT = {"OutputName": "a", "OutputType": "String"}

REFUSED: dict[str, Refused] = {
    # Types and required fields of steps
    "unknown step type": Refused(step(PREPARE, Type="Procesing"), '"Procesing"', 'did you mean "Processing"?'),
    "missing argument": Refused(
        lambda d: d["Steps"][TRAIN]["Arguments"].pop("OutputDataConfig"),
        '"Type": "Training",\n   "Arguments": ',
        "step 'train': a Training step needs OutputDataConfig in Arguments",
    ),
    "missing inner field": Refused(
        arguments(TRAIN, OutputDataConfig={"KmsKeyId": "k"}),
        '"OutputDataConfig": ',
        "Arguments.OutputDataConfig needs S3OutputPath",
    ),
    "unknown argument": Refused(
        arguments(TRAIN, HyperParameter={}),
        '"HyperParameter": ',
        "Arguments has the unknown member 'HyperParameter'; did you mean \"HyperParameters\"?",
    ),
    "unknown inner member": Refused(
        arguments(TRAIN, StoppingCondition={"MaxRuntime": 60}),
        '"MaxRuntime": ',
        "Arguments.StoppingCondition has the unknown member 'MaxRuntime'; did you mean \"MaxRuntimeInSeconds\"?",
    ),
    "text for a number": Refused(
        arguments(TRAIN, StoppingCondition={"MaxRuntimeInSeconds": "an hour"}),
        '"an hour"',
        "Arguments.StoppingCondition.MaxRuntimeInSeconds is 'an hour', not a whole number",
    ),
    "number for text": Refused(
        arguments(TRAIN, HyperParameters={"depth": 5}), '"depth": ', "Arguments.HyperParameters.depth is 5, not text"
    ),
    "object for a list": Refused(arguments(TRAIN, InputDataConfig=channel(1)), '"InputDataConfig": ', ", not a list"),
    "expression for a list": Refused(
        arguments(TRAIN, InputDataConfig={"Get": "Parameters.Input"}),
        '"InputDataConfig": ',
        "Arguments.InputDataConfig is an expression, and SageMaker takes a list here",
    ),
    "number parameter for text": Refused(
        arguments(TRAIN, HyperParameters={"depth": {"Get": "Parameters.Rows"}}),
        '"depth": ',
        "parameter 'Rows' is of type Integer, which SageMaker does not convert; write {\"Std:Join\"",
    ),
    "misspelled word of an enumeration": Refused(
        arguments(TRAIN, AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "file"}),
        '"file"',
        "Arguments.AlgorithmSpecification.TrainingInputMode is 'file'; did you mean \"File\"?",
    ),
    "member that a pipeline does not take": Refused(
        lambda d: d["Steps"].append(
            {
                "Name": "register",
                "Type": "RegisterModel",
                "Arguments": {"ModelPackageGroupName": "g", "ModelPackageName": "m", "InferenceSpecification": None},
            }
        ),
        '"ModelPackageName": ',
        "Arguments has ModelPackageName, which SageMaker does not take in a pipeline",
    ),
    "neither of two arguments": Refused(
        lambda d: d["Steps"].append({"Name": "model", "Type": "Model", "Arguments": {"ExecutionRoleArn": ROLE}}),
        '"Type": "Model",\n   "Arguments": ',
        "a step of type Model needs Containers or PrimaryContainer in Arguments",
    ),
    "both of two arguments": Refused(
        lambda d: d["Steps"].append(
            {"Name": "emr", "Type": "EMR", "Arguments": {"StepConfig": {}, "ClusterId": "j-1", "ClusterConfig": {}}}
        ),
        '"Type": "EMR",\n   "Arguments": ',
        "a step of type EMR has either ClusterConfig or ClusterId in Arguments, not both",
    ),
    "misspelled step key": Refused(
        step(TRAIN, DependOn=["start"]), '"DependOn": ', "the unknown key 'DependOn'; did you mean \"DependsOn\"?"
    ),
    "function that is no ARN": Refused(step(START, FunctionArn="worker"), '"worker"', "neither the ARN of a function"),
    "function of another region": Refused(
        step(START, FunctionArn="arn:aws:lambda:eu-west-1:123456789012:function:worker"),
        '"arn:aws:lambda:eu-west-1',
        "the function is in eu-west-1, and the pipeline is in us-west-2",
    ),
    # Sizes and counts
    "too many channels": Refused(
        arguments(TRAIN, InputDataConfig=[channel(n) for n in range(21)]),
        '"InputDataConfig": ',
        "Arguments.InputDataConfig has 21 entries; SageMaker takes 20",
    ),
    "too many processing outputs": Refused(
        arguments(PREPARE, ProcessingOutputConfig={"Outputs": [{"OutputName": "rows"}, *map(output, range(10))]}),
        '"Outputs": ',
        "Arguments.ProcessingOutputConfig.Outputs has 11 entries; SageMaker takes 10",
    ),
    "too many hyperparameters": Refused(
        arguments(TRAIN, HyperParameters={f"h{n}": "1" for n in range(101)}),
        '"HyperParameters": ',
        "Arguments.HyperParameters has 101 entries; SageMaker takes 100",
    ),
    "hyperparameter too long": Refused(
        arguments(TRAIN, HyperParameters={"depth": "x" * 2501}),
        '"depth": ',
        "Arguments.HyperParameters.depth has 2,501 characters; SageMaker takes 2,500",
    ),
    "number over the limit": Refused(
        arguments(TRAIN, ResourceConfig={"InstanceCount": 1, "VolumeSizeInGB": -1}),
        '"VolumeSizeInGB": -1',
        "Arguments.ResourceConfig.VolumeSizeInGB is -1; SageMaker takes at least",
    ),
    "too many outputs": Refused(
        step(START, OutputParameters=[{**OUTPUT, "OutputName": f"o{n}"} for n in range(51)]),
        '"OutputParameters": ',
        "there are 51 OutputParameters; SageMaker takes 50",
    ),
    "too many parameters": Refused(
        lambda d: d["Parameters"].extend({"Name": f"p{n}", "Type": "String", "DefaultValue": ""} for n in range(200)),
        '"Parameters": ',
        "there are 204 Parameters; SageMaker takes 200",
    ),
    "definition too large": Refused(argument("x" * 2**20), "{", "SageMaker takes 1,048,576"),
    "display name too long": Refused(
        step(START, DisplayName="x" * 257), '"DisplayName": ', "DisplayName has 257 characters; SageMaker takes 256"
    ),
    # References
    "unknown parameter": Refused(get("Parameters.Inptu"), '{\n     "Get"', 'did you mean "Input"?'),
    "unknown step": Refused(
        get("Steps.trian.TrainingJobName"), '"x": ', 'names an unknown step; did you mean "train"?'
    ),
    "unknown variable": Refused(get("Execution.PipelineNam"), '"x": ', 'is unknown; did you mean "PipelineName"?'),
    "unknown property": Refused(
        get("Steps.train.ModelArtifact.S3ModelArtifacts"),
        '"x": ',
        'the result of a Training step has no ModelArtifact; did you mean "ModelArtifacts"?',
    ),
    "unknown inner property": Refused(
        get("Steps.train.ModelArtifacts.S3Uri"), '"x": ', "ModelArtifacts has no S3Uri; it has S3ModelArtifacts"
    ),
    "unknown processing output": Refused(
        get("Steps.prepare.ProcessingOutputConfig.Outputs['row'].S3Output.S3Uri"),
        '"x": ',
        "ProcessingOutputConfig.Outputs has no entry 'row'; did you mean \"rows\"?",
    ),
    "unknown property file": Refused(
        get("Steps.prepare.PropertyFiles.Raport"), '"x": ', "has no such property file; it has Report"
    ),
    "property file of an unknown output": Refused(
        step(PREPARE, PropertyFiles=[{"PropertyFileName": "Report", "OutputName": "raws", "FilePath": "r.json"}]),
        '"raws"',
        "PropertyFiles[0] is of the output 'raws', which the step does not have; did you mean \"rows\"?",
    ),
    "unknown output": Refused(get("Steps.start.OutputParameters['b']"), '"x": ', "declares no such output"),
    "depends on an unknown step": Refused(
        step(TRAIN, DependsOn=["prepair"]), '"DependsOn": ', "unknown step 'prepair'; did you mean \"prepare\"?"
    ),
    "depends on a Fail step": Refused(step(TRAIN, DependsOn=["stop"]), '"DependsOn": ', "after which nothing runs"),
    "reads a Fail step": Refused(
        get("Steps.stop.ErrorMessage"), '"x": ', "a Get cannot read anything from a Fail step"
    ),
    "cycle": Refused(
        lambda d: step(START, DependsOn=["finish"])(d) or step(DECIDE, DependsOn=["start"])(d),
        '{\n   "Name": "start"',
        "steps wait for each other: start -> finish -> decide -> start",
    ),
    "condition that waits for its own branch": Refused(
        step(DECIDE, DependsOn=["finish"]),
        '{\n   "Name": "decide"',
        "steps wait for each other: decide -> finish -> decide",
    ),
    "step that is there twice": Refused(
        arguments(DECIDE, IfSteps=[lambda_step("start")]),
        '"IfSteps": [\n     {\n      "Name": ',
        "step 'start' is used 2 times; names must be unique",
    ),
    "output that is there twice": Refused(
        step(START, OutputParameters=[OUTPUT, OUTPUT]),
        '"OutputType": "String"\n    },\n    ',
        "the output 'a' is declared twice",
    ),
    # Parameters and their values
    "parameter type": Refused(parameter(Type="Int", DefaultValue=1), '"Int"', 'did you mean "Integer"?'),
    "default of another type": Refused(
        parameter(Type="Integer", DefaultValue="3"), '"DefaultValue": "3"', "is '3', not of type Integer"
    ),
    "default that EnumValues lack": Refused(
        parameter(DefaultValue="tset", EnumValues=["test"]), '"tset"', "is 'tset'; EnumValues has 'test'"
    ),
    "misspelled key of a parameter": Refused(
        parameter(Default="a"), '"Default": ', "the unknown key 'Default'; did you mean \"DefaultValue\"?"
    ),
    "parameter without a value": Refused(
        parameter(), "pipeline.parameters", "pipeline parameter P has neither a value nor a default"
    ),
    "value of another type": Refused(
        lambda d: None, "pipeline.parameters.Rows", 'is "many"; the template declares it as Integer', {"Rows": "many"}
    ),
    "value that EnumValues lack": Refused(
        lambda d: None,
        "pipeline.parameters.Stage",
        'is "test"; the template allows one of dev, prod',
        {"Stage": "test"},
    ),
    "value of an unknown parameter": Refused(
        lambda d: None, "pipeline.parameters.Row", 'did you mean "Rows"?', {"Row": 1}
    ),
    "value too long": Refused(lambda d: None, "pipeline.parameters.Input", "1,024", {"Input": "x" * 1025}),
    # Conditions and expressions
    "condition type": Refused(
        condition({**EQUAL, "Type": "LessThen"}), '"LessThen"', "condition type 'LessThen' is unknown; did"
    ),
    "condition without an operand": Refused(
        condition({"Type": "Equals", "LeftValue": 1}),
        '"Conditions": [\n     ',
        "the condition Equals needs RightValue",
    ),
    "operand that is a list": Refused(
        condition({**EQUAL, "RightValue": [1]}), '"RightValue": ', "is [1], neither a value nor an expression"
    ),
    "Not with Expression": Refused(
        condition({"Type": "Not", "Expression": EQUAL}), '"Conditions": [\n     ', "upgrade the SDK"
    ),
    "join without values": Refused(
        argument({"Std:Join": {"On": "/"}}), '"x": ', "Std:Join is not an object with On (text) and Values (a list)"
    ),
    "path that is an expression": Refused(
        argument({"Std:JsonGet": {"S3Uri": "s3://b/k", "Path": {"Get": "Parameters.Input"}}}),
        '"x": ',
        "Std:JsonGet is not an object with Path (text)",
    ),
    # Policies
    "two limits of a retry": Refused(
        step(TRAIN, RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 1, "ExpireAfterMin": 1}]),
        '"RetryPolicies": [\n    ',
        "has both MaxAttempts and ExpireAfterMin",
    ),
    "retry over the limit": Refused(
        step(TRAIN, RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 21}]),
        '"MaxAttempts": ',
        "MaxAttempts of RetryPolicies[0] is 21; SageMaker takes 0 to 20",
    ),
    "retry of a misspelled exception": Refused(
        step(TRAIN, RetryPolicies=[{"ExceptionType": ["SageMaker.CAPACITY_EROR"]}]),
        '"ExceptionType": ',
        'did you mean "SageMaker.CAPACITY_ERROR"?',
    ),
    "cache duration": Refused(
        step(TRAIN, CacheConfig={"Enabled": True, "ExpireAfter": "a month"}), '"a month"', "not an ISO 8601 duration"
    ),
}


@pytest.mark.slow
def test_every_rule_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lists the rules that let their definition pass, or point at another place."""
    offenders = {}
    for name, case in REFUSED.items():
        broken = copy.deepcopy(SOUND)
        case.change(broken)
        code, message = validate(tmp_path, broken, case.parameters, capsys)
        where = position(tmp_path, case.at)
        lines = [line for line in message.splitlines() if case.says in line]
        if code != 2 or len(lines) != 1 or where not in lines[0] or "Traceback" in message:
            offenders[name] = f"exit code {code}, expected {where} {case.says}: {message}"
    assert offenders == {}
    assert len(REFUSED) >= 28


def test_a_repeated_key_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON readers keep one of two equal keys, so this is found in the text."""
    text = json.dumps(SOUND, indent=1).replace('"Type": "Processing",', '"Type": "Processing", "Type": "Training",')
    code, message = validate(tmp_path, text, {}, capsys)
    assert code == 2
    assert "the key Steps[1].Type is used twice" in message
    assert position(tmp_path, ' "Type": "Training",', 1) in message


def test_the_definition_that_is_broken_is_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = validate(tmp_path, SOUND, {"Stage": "prod", "Rows": 5}, capsys)
    assert code == 0


def test_what_the_sagemaker_sdk_writes_is_sound() -> None:
    paths = [*SDK_DEFINITIONS, *SDK_3_DEFINITIONS]
    found = {str(path): list(problems(json.loads(path.read_text("utf-8")))) for path in paths}
    assert len(found) >= 13
    assert {name: problems for name, problems in found.items() if problems} == {}


def validate(
    folder: Path, content: Any, parameters: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Run `validate` on a definition; return the exit code and the error, and see that nothing is connected to."""
    text = content if isinstance(content, str) else json.dumps(content, indent=1)
    (folder / "p.json").write_text(text, encoding="utf-8")
    (folder / "in.csv").write_text("Latitude,Longitude\n1,2\n", encoding="utf-8")
    (folder / "app.py").write_text("def handler(event, context):\n    return {}\n", encoding="utf-8")
    config = CONFIG.replace("FOLDER", str(folder)).replace("PARAMETERS", json.dumps(parameters))
    (folder / "c.yaml").write_text(config, encoding="utf-8")
    connections.clear()
    is_watched[0] = True
    try:
        code = main(["validate", str(folder / "c.yaml"), "--non-interactive"])
    finally:
        is_watched[0] = False
    assert connections == []
    return code, capsys.readouterr().err


def position(folder: Path, at: str, more: int = 0) -> str:
    """Return the position of a text of the definition, or what follows it where it ends in a space or a bracket.

    A key of the configuration stands for itself: the message names it.
    """
    if at.startswith("pipeline."):
        return "c.yaml:"
    text = (folder / "p.json").read_text("utf-8")
    start = text.index(at)
    start += len(at) if at.endswith(" ") else more
    if at.endswith((": -1", ': "3"')):
        start += at.index(": ") + 2
    line = text.count("\n", 0, start) + 1
    return f"p.json:{line}:{start - text.rfind(chr(10), 0, start)}:"
