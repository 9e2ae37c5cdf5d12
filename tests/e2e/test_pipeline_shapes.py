"""The forms that most public SageMaker pipelines have run offline, from definitions of our own.

Chains of Lambda and Callback steps are in test_several_functions.
"""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest
import yaml

from tests.support.e2e import Workplace

ROLE = "arn:aws:iam::123456789012:role/Jobs"
IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/work:1"
BUCKET = "shapes-123456789012"
CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}


def get(text: str) -> dict[str, str]:
    return {"Get": text}


def join(*values: Any) -> dict[str, Any]:
    return {"Std:Join": {"On": "/", "Values": list(values)}}


def place(name: str) -> dict[str, Any]:
    """Where a step leaves its results: below the execution's own prefix, as the SDK writes it."""
    return join("s3:/", BUCKET, "shapes", get("Execution.PipelineExecutionId"), name)


def processing(name: str, inputs: dict[str, Any], outputs: tuple[str, ...], **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "RoleArn": ROLE,
            "ProcessingResources": {"ClusterConfig": CLUSTER},
            "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", "work.py"]},
            "ProcessingInputs": [
                {
                    "InputName": key,
                    "S3Input": {
                        "S3Uri": uri,
                        "LocalPath": f"/opt/ml/processing/{key}",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
                for key, uri in inputs.items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": key,
                        "S3Output": {
                            "S3Uri": place(key),
                            "LocalPath": f"/opt/ml/processing/{key}",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                    for key in outputs
                ]
            },
        },
        **more,
    }


def output_of(step: str, name: str) -> dict[str, str]:
    return get(f"Steps.{step}.ProcessingOutputConfig.Outputs['{name}'].S3Output.S3Uri")


def channel(uri: Any) -> dict[str, Any]:
    return {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}


def training(name: str, output: Any, *channels: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "Training",
        "Arguments": {
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "InputDataConfig": list(channels),
            "OutputDataConfig": {"S3OutputPath": output},
            "ResourceConfig": CLUSTER,
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            **more,
        },
    }


REPORT = [{"PropertyFileName": "Report", "OutputName": "evaluation", "FilePath": "evaluation.json"}]
FAIL = {
    "Name": "TooBad",
    "Type": "Fail",
    "Arguments": {"ErrorMessage": join("error above", get("Parameters.MaxError"))},
}


def decide(value: Any, limit: Any, *then: dict[str, Any]) -> dict[str, Any]:
    small = {"Type": "LessThanOrEqualTo", "LeftValue": value, "RightValue": limit}
    return {
        "Name": "Decide",
        "Type": "Condition",
        "Arguments": {"Conditions": [small], "IfSteps": [*then], "ElseSteps": [FAIL]},
    }


def register(model: Any) -> dict[str, Any]:
    containers = [{"Image": IMAGE, "ModelDataUrl": model}]
    types = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
    arguments = {"ModelPackageGroupName": "shapes", "InferenceSpecification": {"Containers": containers, **types}}
    return {"Name": "Register", "Type": "RegisterModel", "Arguments": arguments}


def model_and_transform(model: Any) -> list[dict[str, Any]]:
    create = {
        "Name": "Create",
        "Type": "Model",
        "Arguments": {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": model}},
    }
    source = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/batch"}}}
    transform = {
        "Name": "Score",
        "Type": "Transform",
        "Arguments": {
            "ModelName": get("Steps.Create.ModelName"),
            "TransformInput": source,
            "TransformOutput": {"S3OutputPath": place("scores")},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        },
    }
    return [create, transform]


EVALUATED = {"Std:JsonGet": {"PropertyFile": get("Steps.Evaluate.PropertyFiles.Report"), "Path": "metrics.mse.value"}}
SCRIPTS = {
    "prepare.py": """
        import os, pathlib
        base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"]) / "processing"
        rows = [line for line in (base / "raw/points.csv").read_text().splitlines() if line.count(",") == 1]
        (base / "train/points.csv").write_text("\\n".join(rows[:-2]))
        (base / "test/points.csv").write_text("\\n".join(rows[-2:]))
        """,
    "train.py": """
        import argparse, json, os, pathlib, statistics
        parser = argparse.ArgumentParser()
        parser.add_argument("--digits", type=int)
        text = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "points.csv").read_text()
        points = [tuple(map(float, line.split(","))) for line in text.splitlines()]
        slope, _ = statistics.linear_regression(*zip(*points))
        model = {"slope": round(slope, parser.parse_args().digits)}
        pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(model))
        """,
    "evaluate.py": """
        import json, os, pathlib, tarfile
        base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"]) / "processing"
        with tarfile.open(base / "model/model.tar.gz") as archive:
            slope = json.load(archive.extractfile("model.json"))["slope"]
        points = [tuple(map(float, line.split(","))) for line in (base / "test/points.csv").read_text().splitlines()]
        mse = sum((slope * x - y) ** 2 for x, y in points) / len(points)
        (base / "evaluation/evaluation.json").write_text(json.dumps({"metrics": {"mse": {"value": mse}}}))
        """,
}


def run_process(script: str, **more: Any) -> dict[str, Any]:
    return {"run": ["python", script], "source": "scripts", **more}


# Process, train and evaluate with real scripts; then register and transform, or fail.
TRAINED = (
    [
        processing("Prepare", {"raw": "s3://data/points.csv"}, ("train", "test")),
        training(
            "Train",
            place("models"),
            channel(output_of("Prepare", "train")),
            HyperParameters={"sagemaker_program": "train.py", "digits": "3"},
        ),
        processing(
            "Evaluate",
            {"model": get("Steps.Train.ModelArtifacts.S3ModelArtifacts"), "test": output_of("Prepare", "test")},
            ("evaluation",),
            PropertyFiles=REPORT,
        ),
        decide(
            EVALUATED,
            get("Parameters.MaxError"),
            register(get("Steps.Train.ModelArtifacts.S3ModelArtifacts")),
            *model_and_transform(get("Steps.Train.ModelArtifacts.S3ModelArtifacts")),
        ),
    ],
    {
        "Prepare": run_process("prepare.py", inputs={"raw": "points.csv"}),
        "Train": run_process("train.py"),
        "Evaluate": run_process("evaluate.py"),
        **{kind: {"succeed": {}} for kind in ("RegisterModel", "Model", "Transform")},
    },
)

# The same with a tuning job, whose best model is evaluated and registered.
BEST = join("s3:/", BUCKET, "tuned", get("Steps.Tune.TrainingJobSummaries[0].TrainingJobName"), "output/model.tar.gz")
TUNED = (
    [
        processing("Prepare", {"raw": "s3://data/points.csv"}, ("train", "test")),
        {
            "Name": "Tune",
            "Type": "Tuning",
            "Arguments": {
                "HyperParameterTuningJobConfig": {
                    "Strategy": "Bayesian",
                    "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 1},
                },
                "TrainingJobDefinition": {
                    "RoleArn": ROLE,
                    "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
                    "InputDataConfig": [channel(output_of("Prepare", "train"))],
                    "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/tuned"},
                    "ResourceConfig": CLUSTER,
                    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
                },
            },
        },
        processing("Evaluate", {"model": BEST}, ("evaluation",), PropertyFiles=REPORT),
        decide(EVALUATED, get("Parameters.MaxError"), register(BEST)),
    ],
    {
        "Processing": {"succeed": {}},
        "Tuning": {"succeed": {}},
        "Evaluate": {"succeed": {}, "property_files": {"Report": "evaluation.json"}},
        "RegisterModel": {"succeed": {}},
    },
)

# A model scores a batch, and checks look at the data and at the scores.
CHECK = {"CheckType": "DATA_QUALITY", "SkipCheck": False, "RegisterNewBaseline": False, "FailOnViolation": True}
SCORES = get("Steps.Score.TransformOutput.S3OutputPath")
ROWS = {"Std:JsonGet": {"PropertyFile": get("Steps.Read.PropertyFiles.Report"), "Path": "rows"}}
SCORED = (
    [
        *model_and_transform("s3://data/model.tar.gz"),
        {**processing("Monitor", {"scores": SCORES}, ("quality",)), "Type": "QualityCheck", **CHECK},
        processing("Read", {"scores": SCORES}, ("evaluation",), PropertyFiles=REPORT),
        decide(ROWS, 2),
    ],
    {
        "Model": {"succeed": {}},
        "Transform": {"succeed": {}, "outputs": {"TransformOutput.S3OutputPath": "scores"}},
        "QualityCheck": {"succeed": {}},
        "Read": run_process("read.py"),
    },
)
SCRIPTS["read.py"] = """
    import json, os, pathlib
    base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"]) / "processing"
    rows = (base / "scores/batch.csv.out").read_text().splitlines()
    (base / "evaluation/evaluation.json").write_text(json.dumps({"rows": len(rows)}))
    """

# Functions that the SDK turned into steps: the result of one is in a file of its job.
RESULT = {"S3Uri": join(get("Steps.f.OutputDataConfig.S3OutputPath"), "results.json"), "Path": "Result['error'][0]"}
FUNCTIONS = (
    [training("f", place("f")), decide({"Std:JsonGet": RESULT}, get("Parameters.MaxError"), training("g", place("g")))],
    {"f": {"succeed": {}, "outputs": {"OutputDataConfig.S3OutputPath": "results"}}, "g": {"succeed": {}}},
)
SHAPES = {"trained": TRAINED, "tuned": TUNED, "scored": SCORED, "functions": FUNCTIONS}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_usual_pipeline_runs(workplace: Workplace, shape: str) -> None:
    steps, answers = SHAPES[shape]
    folder = workplace.folder
    for name in ("scripts", "scores", "results"):
        (folder / name).mkdir()
    for name, text in SCRIPTS.items():
        (folder / "scripts" / name).write_text(textwrap.dedent(text))
    (folder / "points.csv").write_text("1,2.1\n2,4\nbroken\n3,5.9\n4,8\n5,10.1\n")
    (folder / "evaluation.json").write_text('{"metrics": {"mse": {"value": 0.1}}}')
    (folder / "scores/batch.csv.out").write_text("0.5\n0.7\n")
    (folder / "results/results.json").write_text('{"Result": {"error": [0.1]}, "Exception": null}')
    parameters = [{"Name": "MaxError", "Type": "Float", "DefaultValue": 0.5}]
    definition = {"Version": "2020-12-01", "Parameters": parameters, "Steps": steps}
    (folder / "pipeline.json").write_text(json.dumps(definition))
    settings: dict[str, Any] = {
        "deployment": "shapes",
        "target": "local",
        "region": "us-west-2",
        "account_id": "123456789012",
        "iam": {"propagation_timeout": 0},
        "bucket": {"name": BUCKET},
        "functions": {},
        "queues": {},
        "pipeline": {"template": "pipeline.json"},
        "job": {"kind": "custom"},
        "execution": {"poll_interval": 0.1},
        "cleanup": "none",
        "emulator": {"steps": answers},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    done = workplace.geopipe("run", folder / "config.yaml", "--non-interactive")
    assert done.returncode == 0, done.stdout + done.stderr

    # The other branch, for the same steps.
    settings["pipeline"]["parameters"] = {"MaxError": 0.001}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    if shape != "scored":
        other = workplace.geopipe("run", folder / "config.yaml", "--non-interactive")
        assert other.returncode == 3, other.stdout + other.stderr
        assert "Step TooBad failed: error above/0.001" in other.stdout + other.stderr
