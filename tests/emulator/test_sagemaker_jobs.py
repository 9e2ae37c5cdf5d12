"""Steps that start a job of AWS: their configured answers, properties, retries, cache and selective execution."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.model import StructureShape

from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.protocol.models import service_model
from geopipe_emulator.services.sagemaker.steps import STEP_TYPES
from geopipe_emulator.services.sagemaker.steps.job import JobStep
from tests.support.pipelines import (
    ACCOUNT,
    ROLE,
    PipelinesWorld,
    condition,
    equals,
    failing,
    function,
    output,
    processing,
    refused,
    training,
)
from tests.support.wait import eventually

Open = Callable[..., PipelinesWorld]


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[Open]:
    worlds: list[PipelinesWorld] = []

    def open_(**answers: Any) -> PipelinesWorld:
        worlds.append(PipelinesWorld(answers=answers, folder=tmp_path))
        worlds[-1].functions.functions.update({name: lambda payload: {} for name in ("a", "b", "see")})
        return worlds[-1]

    yield open_
    for world in worlds:
        world.service.stop()


def see(**arguments: Any) -> dict[str, Any]:
    """A Lambda step that receives resolved values."""
    return function("see", Arguments=arguments)


def seen(world: PipelinesWorld) -> dict[str, Any]:
    return next(payload for name, payload in world.functions.payloads if name == "see")


def get(text: str) -> dict[str, str]:
    return {"Get": text}


def json_get(path: str, **place: Any) -> dict[str, Any]:
    return {"Std:JsonGet": {**place, "Path": path}}


# Every type

ARGUMENTS: Mapping[str, dict[str, Any]] = {
    "AutoML": {"InputDataConfig": [], "OutputDataConfig": {"S3OutputPath": "s3://b/out"}, "RoleArn": ROLE},
    "EMR": {"ClusterId": "j-1", "StepConfig": {"HadoopJarStep": {"Jar": "x.jar"}}},
    "EMRServerless": {"ExecutionRoleArn": ROLE, "JobConfig": {}, "ApplicationId": "00a"},
    "Endpoint": {"EndpointName": "live", "EndpointConfigName": "config"},
    "EndpointConfig": {"ProductionVariants": []},
    "InferenceComponent": {"EndpointName": "live", "InferenceComponentName": "part"},
    "Job": {"RoleArn": ROLE, "JobCategory": "c", "JobConfigSchemaVersion": "1", "JobConfigDocument": "{}"},
    "Lineage": {"Actions": [{"ActionName": "act"}], "Artifacts": [], "Contexts": [], "Associations": []},
    "Model": {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "image"}},
    "Processing": processing("p", {"o": "s3://b/o"})["Arguments"],
    "RegisterModel": {"ModelPackageGroupName": "Churn", "InferenceSpecification": {}},
    "Training": training("t")["Arguments"],
    "Transform": {
        "ModelName": "m",
        "TransformInput": {},
        "TransformOutput": {"S3OutputPath": "s3://b/scores"},
        "TransformResources": {},
    },
    "Tuning": {"HyperParameterTuningJobConfig": {"ResourceLimits": {"MaxNumberOfTrainingJobs": 3}}},
}
CHECK = {"CheckType": "DATA_QUALITY", "SkipCheck": False, "RegisterNewBaseline": True}


def job(kind: str, name: str = "step", **more: Any) -> dict[str, Any]:
    is_check = kind.endswith("Check")
    arguments = ARGUMENTS["Processing"] if is_check else ARGUMENTS.get(kind, {})
    return {"Name": name, "Type": kind, "Arguments": arguments, **(CHECK if is_check else {}), **more}


def test_every_type_succeeds_with_the_metadata_of_its_model(open_world: Open) -> None:
    types = [step_type.name for step_type in STEP_TYPES if issubclass(step_type, JobStep)]
    assert len(types) == 20
    world = open_world(**{kind: {"succeed": {}} for kind in types})
    arn = world.run(*(job(kind, f"Step-{kind}") for kind in types))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    shape = service_model("sagemaker").shape_for("PipelineExecutionStepMetadata")
    assert isinstance(shape, StructureShape)
    for kind, row in zip(types, (world.steps(arn)[f"Step-{kind}"] for kind in types), strict=True):
        ((key, metadata),) = row["Metadata"].items()
        member = shape.members[key]
        assert isinstance(member, StructureShape)
        assert set(metadata) <= set(member.members), kind
        for arn_of_job in (value for name, value in metadata.items() if name.endswith("Arn")):
            assert arn_of_job.split(":")[3:5] == ["us-west-2", ACCOUNT], kind


def test_types_are_described_as_their_services_do(open_world: Open) -> None:
    kinds = ("Training", "Tuning", "Model", "RegisterModel", "QualityCheck", "Endpoint", "Lineage", "EMR")
    world = open_world(**{kind: {"succeed": {}} for kind in kinds})
    values = {
        "model_file": get("Steps.Training.ModelArtifacts.S3ModelArtifacts"),
        "best": get("Steps.Tuning.BestTrainingJob.TrainingJobName"),
        "first": get("Steps.Tuning.TrainingJobSummaries[0].TrainingJobName"),
        "third": get("Steps.Tuning.TrainingJobSummaries[2].TrainingJobName"),
        "model": get("Steps.Model.ModelName"),
        "version": get("Steps.RegisterModel.ModelPackageVersion"),
        "approval": get("Steps.RegisterModel.ModelApprovalStatus"),
        "baseline": get("Steps.QualityCheck.BaselineUsedForDriftCheckConstraints"),
        "endpoint": get("Steps.Endpoint.EndpointArn"),
        "action": get("Steps.Lineage.ActionArns['act']"),
        "cluster": get("Steps.EMR.ClusterId"),
    }
    arn = world.run(*(job(kind, kind) for kind in kinds), see(**values))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded", world.steps(arn)
    payload = seen(world)
    execution = arn.rsplit("/", 1)[1]
    training_job = world.steps(arn)["Training"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[1]
    assert training_job.startswith(f"pipelines-{execution}-Training-")
    assert payload["model_file"] == f"s3://models/out/{training_job}/output/model.tar.gz"
    assert payload["best"] == payload["first"] != payload["third"]
    assert payload["model"].startswith(f"pipelines-{execution}-model-") and payload["model"].islower()
    assert (payload["version"], payload["approval"]) == (1, "PendingManualApproval")
    assert payload["baseline"] == "s3://b/o/constraints.json"
    assert payload["endpoint"] == f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:endpoint/live"
    assert payload["action"] == f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:action/act"
    assert payload["cluster"] == "j-1"


def test_a_new_version_of_a_package_is_counted(open_world: Open) -> None:
    world = open_world(RegisterModel={"succeed": {}})
    arns = [world.create(job("RegisterModel")) and world.start()]
    world.ended(arns[0])
    arns.append(world.start())
    world.ended(arns[1])
    packages = [world.steps(arn)["step"]["Metadata"]["RegisterModel"]["Arn"] for arn in arns]
    assert [package.rsplit(":", 1)[1] for package in packages] == ["model-package/churn/1", "model-package/churn/2"]


# Answers


def test_an_answer_gives_properties_by_path(open_world: Open) -> None:
    world = open_world(
        train={
            "succeed": {"ModelArtifacts.S3ModelArtifacts": "s3://b/m.tar.gz", "FinalMetricDataList['f1'].Value": 0.9}
        },
        Training={"fail": "the name goes before the type"},
    )
    arn = world.run(
        training("train"),
        see(
            model=get("Steps.train.ModelArtifacts.S3ModelArtifacts"),
            role=get("Steps.train.RoleArn"),
            none=get("Steps.train.TrainingJobStatus"),
        ),
    )
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded", world.steps(arn)
    assert seen(world) == {"model": "s3://b/m.tar.gz", "role": ROLE, "none": "Completed"}


def test_a_property_that_a_step_lacks_fails_the_step_that_reads_it(open_world: Open) -> None:
    world = open_world(Training={"succeed": {}})
    arn = world.run(training("train"), see(x=get("Steps.train.FinalMetricDataList['f1'].Value")))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    steps = world.steps(arn)
    assert steps["train"]["StepStatus"] == "Succeeded"
    assert "step 'train' has no property FinalMetricDataList.f1.Value" in steps["see"]["FailureReason"]


def test_an_answer_leaves_files_where_properties_say(open_world: Open, tmp_path: Path) -> None:
    (tmp_path / "scores/deep").mkdir(parents=True)
    (tmp_path / "scores/deep/batch.out").write_text("1")
    (tmp_path / "model.tar.gz").write_bytes(b"model")
    world = open_world(
        t={"succeed": {}, "outputs": {"ModelArtifacts.S3ModelArtifacts": "model.tar.gz"}},
        Transform={"succeed": {}, "outputs": {"TransformOutput.S3OutputPath": "scores"}},
        bad={"succeed": {}, "outputs": {"Nowhere.Uri": "model.tar.gz"}},
    )
    arn = world.run(training("t"), job("Transform"), training("bad"))
    world.ended(arn)
    steps = world.steps(arn)
    name = steps["t"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[1]
    assert world.s3.objects == {
        ("models", f"out/{name}/output/model.tar.gz"): b"model",
        ("b", "scores/deep/batch.out"): b"1",
    }
    assert steps["bad"]["FailureReason"] == "ClientError: 'Nowhere.Uri' cannot be written: there is no Nowhere"


@pytest.mark.parametrize(("error", "branch"), [(4.5, "good"), (6.5, "bad")])
def test_property_files_decide_in_both_forms(open_world: Open, tmp_path: Path, error: float, branch: str) -> None:
    (tmp_path / "evaluation.json").write_text(json.dumps({"regression_metrics": {"mse": {"value": error, "n": 3}}}))
    world = open_world(evaluate={"succeed": {}, "property_files": {"Report": "evaluation.json"}})
    world.functions.functions.update(good=lambda payload: {}, n=lambda payload: {"n": payload["n"]})
    uri = {"Std:Join": {"On": "/", "Values": ["s3://results", get("Execution.PipelineExecutionId")]}}
    evaluate = processing(
        "evaluate",
        {"evaluation": uri},
        PropertyFiles=[{"PropertyFileName": "Report", "OutputName": "evaluation", "FilePath": "evaluation.json"}],
    )
    by_file = json_get("regression_metrics.mse.value", PropertyFile=get("Steps.evaluate.PropertyFiles.Report"))
    by_uri = json_get(
        "$.regression_metrics['mse'].n",
        S3Uri={
            "Std:Join": {
                "On": "/",
                "Values": [
                    get("Steps.evaluate.ProcessingOutputConfig.Outputs['evaluation'].S3Output.S3Uri"),
                    "evaluation.json",
                ],
            }
        },
    )
    small = {"Type": "LessThanOrEqualTo", "LeftValue": by_file, "RightValue": 6.0}
    decide = condition("decide", [small, equals(by_uri, 3)], [function("good")], [failing("bad", "too much")])
    arn = world.run(evaluate, decide)
    world.ended(arn)
    assert list(world.statuses(arn)) == ["evaluate", "decide", branch]
    written = ("results", f"{arn.rsplit('/', 1)[1]}/evaluation.json")
    assert json.loads(world.s3.objects[written])["regression_metrics"]["mse"]["value"] == error


def test_steps_wait_for_what_json_gets_refer_to(open_world: Open) -> None:
    world = open_world(Processing={"succeed": {}})
    files = [{"PropertyFileName": "F", "OutputName": "o", "FilePath": "f.json"}]
    arn = world.run(
        condition("decide", [equals(json_get("a", PropertyFile=get("Steps.p.PropertyFiles.F")), 1)], []),
        processing("p", {"o": "s3://b/o"}, PropertyFiles=files),
    )
    world.ended(arn)
    steps = world.steps(arn)
    assert list(steps) == ["p", "decide"]
    assert "s3://b/o/f.json cannot be read: An error occurred (NoSuchKey)" in steps["decide"]["FailureReason"]


def test_the_names_of_jobs_are_execution_variables(open_world: Open) -> None:
    world = open_world(Processing={"succeed": {}}, Training={"succeed": {}})
    own = {"Environment": {"JOB": get("Execution.ProcessingJobName")}}
    arn = world.run(
        processing("p", Arguments={**own, "ProcessingJobName": "nightly"}),
        training("t", Arguments={"Environment": {"JOB": get("Execution.TrainingJobName")}}),
        see(p=get("Steps.p.Environment['JOB']"), t=get("Steps.t.Environment.JOB")),
        training("wrong", DependsOn=["see"], Arguments={"Environment": {"JOB": get("Execution.ProcessingJobName")}}),
    )
    world.ended(arn)
    steps = world.steps(arn)
    assert steps["wrong"]["FailureReason"].endswith("execution variable 'ProcessingJobName' is not known")
    jobs = [steps["p"]["Metadata"]["ProcessingJob"]["Arn"], steps["t"]["Metadata"]["TrainingJob"]["Arn"]]
    assert jobs[0].rsplit("/", 1)[1].startswith("nightly-")
    assert list(seen(world).values()) == [job.rsplit("/", 1)[1] for job in jobs]


@pytest.mark.parametrize(
    ("answers", "steps", "message"),
    [
        ({}, [training("t")], "step 't' of type Training has no answer: start the emulator with --steps FILE"),
        (
            {"Model": {"run": ["python", "x.py"]}},
            [condition("c", [equals(1, 2)], [job("Model", "m")])],
            "step 'm' of type Model cannot run as a local process; use succeed or fail",
        ),
        (
            {"Processing": {"succeed": {}, "property_files": {"Rapport": "x.json"}}},
            [processing("p")],
            "the answer of step 'p' names property files that it does not declare: ['Rapport']",
        ),
    ],
)
def test_a_start_refuses_steps_that_it_cannot_run(
    open_world: Open, answers: dict[str, Any], steps: list[dict[str, Any]], message: str
) -> None:
    world = open_world(**answers)
    world.create(*steps)
    with pytest.raises(ServiceError) as refusal:
        world.start()
    assert (refusal.value.code, refusal.value.status) == ("NotImplemented", 501)
    assert message in refusal.value.message


def test_faults_of_job_steps_are_named(open_world: Open) -> None:
    world = open_world()
    files = [{"PropertyFileName": "F", "OutputName": "other", "FilePath": "f.json"}]
    cases = {
        "property file 'F' names the unknown output 'other'": processing("p", {"o": "s3://b/o"}, PropertyFiles=files),
        "step 'p' declares no property file 'G'": condition(
            "c", [equals(json_get("a", PropertyFile=get("Steps.p.PropertyFiles.G")), 1)], []
        ),
        "Unknown Argument member 'ModelPackageName'": job(
            "RegisterModel", Arguments={**ARGUMENTS["RegisterModel"], "ModelPackageName": "x"}
        ),
        "CheckType is required": {**job("ClarifyCheck"), "CheckType": None} and processing("q", Type="ClarifyCheck"),
        "exactly one of ClusterId and ClusterConfig": job("EMR", Arguments={"StepConfig": {}}),
        "has no Properties in it": see(x=get("Steps.p.Properties.Environment")),
        "a Processing step has no OutputParameters": processing(
            "q", OutputParameters=[{"OutputName": "x", "OutputType": "String"}]
        ),
        "step 'p' declares no output parameter 'x'": see(x=output("p", "x")),
    }
    for message, step in cases.items():
        steps = [step] if step["Name"] == "p" else [processing("p", {"o": "s3://b/o"}), step]
        assert message in refused("ValidationException", lambda steps=steps: world.create(*steps)), message


# Failures and retries


def test_a_failure_is_retried_as_its_policy_says(open_world: Open) -> None:
    world = open_world(t={"fail": "no capacity", "times": 2})
    policies = [
        {"ExceptionType": ["Step.THROTTLING"], "IntervalSeconds": 1, "BackoffRate": 1.0, "MaxAttempts": 0},
        {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "IntervalSeconds": 1, "BackoffRate": 2.0, "MaxAttempts": 2},
    ]
    arn = world.run(training("t", RetryPolicies=policies[1:]), function("a", DependsOn=["t"]))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    steps = world.steps(arn)
    assert (steps["t"]["AttemptCount"], steps["t"]["StepStatus"]) == (3, "Succeeded")
    assert world.statuses(arn)["a"] == "Succeeded"


@pytest.mark.parametrize(
    ("answer", "policy", "attempts"),
    [
        ({"fail": "no"}, {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "IntervalSeconds": 0, "MaxAttempts": 3}, 4),
        (
            {"fail": "no"},
            {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "IntervalSeconds": 40, "ExpireAfterMin": 1},
            2,
        ),
        (
            {"fail": "no", "exception": "SageMaker.RESOURCE_LIMIT"},
            {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "MaxAttempts": 3},
            1,
        ),
        ({"fail": "no", "exception": "Step.THROTTLING"}, {"ExceptionType": "Step.THROTTLING", "MaxAttempts": 0}, 1),
        ({"fail": "no"}, None, 1),
    ],
)
def test_a_step_that_keeps_failing_ends(
    open_world: Open, answer: dict[str, Any], policy: dict[str, Any] | None, attempts: int
) -> None:
    world = open_world(Training=answer)
    arn = world.run(training("t", **({"RetryPolicies": [policy]} if policy else {})))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    step = world.steps(arn)["t"]
    assert (step["AttemptCount"], step["FailureReason"]) == (attempts, "no")
    assert step["Metadata"]["TrainingJob"]["Arn"].startswith(f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:training-job/")


def test_a_stop_ends_the_wait_for_another_attempt(open_world: Open) -> None:
    world = open_world(t={"fail": "no"})
    policy = {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "IntervalSeconds": 43200, "MaxAttempts": 3}
    arn = world.run(training("t", RetryPolicies=[policy]))
    eventually(lambda: "t" in world.steps(arn) and bool(world.steps(arn)["t"]["Metadata"]))
    world.call("StopPipelineExecution", PipelineExecutionArn=arn)
    assert world.ended(arn)["PipelineExecutionStatus"] == "Stopped"


def test_a_retried_execution_counts_the_failures_of_the_first(open_world: Open) -> None:
    world = open_world(t={"fail": "once", "times": 1})
    arn = world.run(training("t"))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    world.retry(arn)
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"


# Cache


def cached(step: dict[str, Any], expire: str = "P30D") -> dict[str, Any]:
    return {**step, "CacheConfig": {"Enabled": True, "ExpireAfter": expire}}


def source_of(world: PipelinesWorld, arn: str, name: str) -> str | None:
    hit = world.steps(arn)[name].get("CacheHitResult")
    return hit["SourcePipelineExecutionArn"] if hit else None


def test_the_cache_compares_the_values_that_count(open_world: Open) -> None:
    world = open_world(Training={"succeed": {}}, Processing={"succeed": {}})
    depth = {"HyperParameters": {"depth": get("Parameters.who")}}
    other = {"OutputDataConfig": {"S3OutputPath": "s3://elsewhere"}}
    model = get("Steps.t.ModelArtifacts.S3ModelArtifacts")
    first = world.run(cached(training("t", Arguments=depth)), see(model=model))
    world.ended(first)
    again = world.start()
    world.ended(again)
    assert source_of(world, again, "t") == first
    assert world.steps(again)["t"]["Metadata"] == world.steps(first)["t"]["Metadata"]
    models = [payload["model"] for name, payload in world.functions.payloads if name == "see"]
    assert len(models) == 2 and len(set(models)) == 1

    changed = world.start(given={"who": "moon"})
    world.ended(changed)
    assert source_of(world, changed, "t") is None

    definition = {"Parameters": [{"Name": "who", "Type": "String", "DefaultValue": "world"}]}
    elsewhere = [cached(training("t", Arguments={**depth, **other})), {**cached(processing("p")), "CacheConfig": None}]
    text = json.dumps({**definition, "Steps": elsewhere})
    world.call("UpdatePipeline", PipelineName="Pipe", PipelineDefinition=text)
    last = world.start()
    world.ended(last)
    assert (source_of(world, last, "t"), source_of(world, last, "p")) == (first, None)


@pytest.mark.parametrize(("expire", "hits"), [("T1M", True), ("PT1H", True), ("p30d", True), ("PT0M", False)])
def test_the_cache_forgets(open_world: Open, expire: str, hits: bool) -> None:
    world = open_world(Training={"succeed": {}})
    first = world.run(cached(training("t"), expire))
    world.ended(first)
    again = world.start()
    world.ended(again)
    assert source_of(world, again, "t") == (first if hits else None)


# Selective execution


def test_selected_steps_run_with_what_an_earlier_execution_left(open_world: Open) -> None:
    world = open_world(Training={"succeed": {}}, Processing={"succeed": {}})
    model = get("Steps.t.ModelArtifacts.S3ModelArtifacts")
    steps = [processing("p"), training("t", DependsOn=["p"]), see(model=model), function("b", DependsOn=["see"])]
    first = world.run(*steps)
    world.ended(first)
    config = {"SourcePipelineExecutionArn": first, "SelectedSteps": [{"StepName": "see"}]}
    again = world.start(SelectiveExecutionConfig=config)
    assert world.ended(again)["SelectiveExecutionConfig"] == config
    rows = world.steps(again)
    assert list(rows) == ["t", "see"]
    assert rows["t"]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": first}
    assert "SelectiveExecutionResult" not in rows["see"]
    models = [payload["model"] for name, payload in world.functions.payloads if name == "see"]
    assert len(models) == 2 and len(set(models)) == 1


@pytest.mark.parametrize(
    ("steps", "has_source", "message"),
    [
        (["t"], False, "Invalid SourcePipelineExecutionArn: null. The selected steps ['t'] have dependencies on ['p']"),
        (["x"], True, "SelectedSteps names unknown steps: ['x']"),
        (["p", "see"], True, "The selected steps ['p', 'see'] are not connected: select ['t'] too"),
    ],
)
def test_a_selection_that_cannot_run_is_refused(
    open_world: Open, steps: list[str], has_source: bool, message: str
) -> None:
    world = open_world(Training={"succeed": {}}, Processing={"succeed": {}})
    first = world.run(processing("p"), training("t", DependsOn=["p"]), function("see", DependsOn=["t"]))
    world.ended(first)
    source = {"SourcePipelineExecutionArn": first} if has_source else {}
    config = {**source, "SelectedSteps": [{"StepName": name} for name in steps]}
    assert message in refused("ValidationException", lambda: world.start(SelectiveExecutionConfig=config))
