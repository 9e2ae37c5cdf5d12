"""Processing and Training steps that run a local process: the contract of their containers, and how they end."""

from __future__ import annotations

import io
import json
import os
import tarfile
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from geopipe_emulator.services.sagemaker import PipelinesService
from geopipe_emulator.services.sagemaker.containers import folder
from geopipe_emulator.settings import Settings
from geopipe_emulator.step_answers import parse_step_answers
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.pipelines import TRUST
from tests.support.wait import eventually

pytestmark = [pytest.mark.process, pytest.mark.slow]

ACCOUNT = "222233334444"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Jobs"
BUCKET = "team-data"


class Workshop:
    """An emulator of its own with a role and a bucket, a folder for scripts, and short methods."""

    def __init__(self, start: StartEmulator, scripts: Path) -> None:
        self._start = start
        self.scripts = scripts
        self.emulator: Emulator | None = None

    def open(self, **answers: Any) -> None:
        steps = parse_step_answers(answers, self.scripts)
        self.emulator = self._start(Settings(account_id=ACCOUNT, steps=steps), services=[PipelinesService])
        iam, s3 = self.client("iam"), self.client("s3")
        iam.create_role(RoleName="Jobs", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", **TRUST}))
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    def client(self, service: str) -> Any:
        assert self.emulator is not None
        return self.emulator.client(service)

    def script(self, text: str, name: str = "work.py") -> None:
        (self.scripts / name).write_text(textwrap.dedent(text))

    def put(self, key: str, content: bytes) -> None:
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)

    def get(self, key: str) -> bytes:
        content: bytes = self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def listed(self) -> list[str]:
        listed = self.client("s3").list_objects_v2(Bucket=BUCKET)
        return [entry["Key"] for entry in listed.get("Contents", [])]

    def start(self, *steps: dict[str, Any]) -> str:
        sagemaker = self.client("sagemaker")
        definition = json.dumps({"Version": "2020-12-01", "Steps": steps})
        sagemaker.create_pipeline(PipelineName="jobs", RoleArn=ROLE, PipelineDefinition=definition)
        arn: str = sagemaker.start_pipeline_execution(PipelineName="jobs")["PipelineExecutionArn"]
        return arn

    def status(self, arn: str) -> str:
        described = self.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=arn)
        status: str = described["PipelineExecutionStatus"]
        return status

    def ended(self, arn: str) -> dict[str, dict[str, Any]]:
        eventually(lambda: self.status(arn) not in ("Executing", "Stopping"), 60)
        return self.steps(arn)

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        listed = self.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=arn)
        return {step["StepName"]: step for step in listed["PipelineExecutionSteps"]}

    def log(self, group: str) -> tuple[list[str], list[str]]:
        """Returns the streams and the messages of a log group."""
        logs = self.client("logs")
        streams = [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]]
        events = logs.filter_log_events(logGroupName=group)["events"]
        return streams, [event["message"] for event in events]


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    from geopipe_emulator.emulator import EmulatorServer

    servers: list[EmulatorServer] = []

    def start(settings: Settings, **options: Any) -> Emulator:
        servers.append(EmulatorServer(settings, **options))
        return Emulator(servers[-1], servers[-1].start())

    yield Workshop(start, tmp_path)
    for server in servers:
        server.stop()


def processing(
    inputs: Mapping[str, str], outputs: Mapping[str, str], arguments: list[str] | None = None, **more: Any
) -> dict[str, Any]:
    """A step "Prepare"; inputs and outputs are S3 URIs by name, below /opt/ml/processing/<name>."""
    return {
        "Name": "Prepare",
        "Type": "Processing",
        "Arguments": {
            "RoleArn": ROLE,
            "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large"}},
            "AppSpecification": {"ImageUri": "image", "ContainerArguments": arguments or []},
            "ProcessingInputs": [
                {"InputName": name, "S3Input": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{name}"}}
                for name, uri in inputs.items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{name}"}}
                    for name, uri in outputs.items()
                ]
            },
            **more,
        },
    }


def training(**arguments: Any) -> dict[str, Any]:
    return {
        "Name": "Train",
        "Type": "Training",
        "Arguments": {
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models"},
            **arguments,
        },
    }


@pytest.fixture(params=["mounted", "not mounted"])
def base(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Whether the process sees its files at their absolute paths; the second way works on every system."""
    folder.can_mount.cache_clear()
    if request.param == "not mounted":
        monkeypatch.setattr(folder, "LAUNCHER", Path("/nowhere/launcher.py"))
    works = folder.can_mount()
    monkeypatch.undo()
    if works != (request.param == "mounted"):
        pytest.skip("this system allows no user and mount namespaces")
    yield request.param
    folder.can_mount.cache_clear()


def test_a_processing_step_runs_its_script(workshop: Workshop, base: str) -> None:
    workshop.script(
        """
        import argparse, json, os, pathlib
        parser = argparse.ArgumentParser()
        parser.add_argument("--factor", type=int)
        factor = parser.parse_args().factor
        base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
        rows = [int(line) for file in sorted((base / "processing/data").rglob("*.csv")) for line in file.open()]
        (base / "processing/train/deep").mkdir()
        (base / "processing/train/deep/rows.json").write_text(json.dumps([row * factor for row in rows]))
        (base / "processing/report/evaluation.json").write_text(json.dumps({"rows": len(rows)}))
        config = json.loads((base / "config/processingjobconfig.json").read_text())
        (base / "output/message").write_text(config["ProcessingJobName"] + " " + os.environ["WHO"])
        print("base", base, os.getcwd() == os.environ["EXPECTED"])
        """
    )
    source = str(workshop.scripts)
    workshop.open(Prepare={"run": ["python", "work.py"], "environment": {"EXPECTED": source}})
    workshop.put("raw/a.csv", b"1\n2\n")
    workshop.put("raw/more/b.csv", b"3\n")
    workshop.put("raw-not/c.csv", b"9\n")
    prepare = processing(
        {"data": f"s3://{BUCKET}/raw"},
        {"train": f"s3://{BUCKET}/out/train", "report": "s3://a-new-bucket/report/"},
        ["--factor", "10"],
        Environment={"WHO": "us"},
    )
    prepare["PropertyFiles"] = [{"PropertyFileName": "Report", "OutputName": "report", "FilePath": "evaluation.json"}]
    rows = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Prepare.PropertyFiles.Report"}, "Path": "rows"}}
    conditions = [
        {"Type": "Equals", "LeftValue": rows, "RightValue": 3},
        {"Type": "GreaterThan", "LeftValue": {"Get": "Steps.Prepare.ExitMessage"}, "RightValue": "pipelines-"},
    ]
    decide = {
        "Name": "Decide",
        "Type": "Condition",
        "Arguments": {"Conditions": conditions, "IfSteps": [], "ElseSteps": []},
    }
    arn = workshop.start(prepare, decide)
    steps = workshop.ended(arn)
    assert steps["Prepare"]["StepStatus"] == "Succeeded", steps
    assert steps["Decide"]["Metadata"]["Condition"]["Outcome"] == "True"
    assert json.loads(workshop.get("out/train/deep/rows.json")) == [10, 20, 30]
    job = steps["Prepare"]["Metadata"]["ProcessingJob"]["Arn"].rsplit("/", 1)[1]
    streams, messages = workshop.log("/aws/sagemaker/ProcessingJobs")
    assert [stream.rsplit("-", 1)[0] for stream in streams] == [f"{job}/algo-1"]
    assert len(messages) == 1 and messages[0].endswith(" True")
    if base == "mounted":
        assert messages == ["base /opt/ml True"]


def test_a_training_step_runs_its_script(workshop: Workshop, base: str) -> None:
    workshop.script(
        """
        import argparse, json, os, pathlib
        parser = argparse.ArgumentParser()
        parser.add_argument("--depth", type=int)
        parser.add_argument("-k", type=float)
        parser.add_argument("--fast", type=lambda text: text == "True")
        options = vars(parser.parse_args())
        variables = {name: value for name, value in os.environ.items() if name.startswith("SM_")}
        train = sorted(path.name for path in pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]).iterdir())
        config = pathlib.Path(os.environ["SM_INPUT_CONFIG_DIR"])
        model = {"options": options, "train": train, "variables": variables}
        model["files"] = {file.stem: json.loads(file.read_text()) for file in config.iterdir()}
        model["job"] = os.environ["TRAINING_JOB_NAME"]
        (pathlib.Path(os.environ["SM_MODEL_DIR"]) / "model.json").write_text(json.dumps(model))
        (pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"]) / "notes.txt").write_text("notes")
        """
    )
    (workshop.scripts / "test.csv").write_text("5\n")
    workshop.open(Training={"run": ["python", "work.py"], "inputs": {"test": "test.csv"}})
    workshop.put("raw/train.csv", b"1\n")
    source = {"S3DataSource": {"S3Uri": f"s3://{BUCKET}/raw/train.csv", "S3DataType": "S3Prefix"}}
    channels = [
        {"ChannelName": "train", "ContentType": "text/csv", "DataSource": source},
        {"ChannelName": "test", "DataSource": {"FileSystemDataSource": {}}},
    ]
    parameters = {
        "sagemaker_program": '"work.py"',
        "sagemaker_region": '"us-west-2"',
        "depth": "5",
        "k": "0.5",
        "fast": "true",
    }
    arn = workshop.start(training(InputDataConfig=channels, HyperParameters=parameters))
    steps = workshop.ended(arn)
    assert steps["Train"]["StepStatus"] == "Succeeded", steps
    job = steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[1]
    assert [key for key in workshop.listed() if key.startswith("models")] == [
        f"models/{job}/output/model.tar.gz",
        f"models/{job}/output/output.tar.gz",
    ]
    with tarfile.open(fileobj=io.BytesIO(workshop.get(f"models/{job}/output/model.tar.gz"))) as archive:
        member = archive.extractfile("model.json")
        assert member is not None
        model = json.load(member)
    assert model["options"] == {"depth": 5, "k": 0.5, "fast": True}
    assert (model["train"], model["job"]) == (["train.csv"], job)
    assert model["files"]["hyperparameters"] == parameters
    assert model["files"]["inputdataconfig"]["train"] == {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
        "ContentType": "text/csv",
    }
    assert model["files"]["resourceconfig"]["hosts"] == ["algo-1"]
    variables = model["variables"]
    assert variables["SM_CHANNELS"] == '["test","train"]'
    assert variables["SM_HPS"] == '{"depth":5,"fast":true,"k":0.5}'
    assert (variables["SM_HP_DEPTH"], variables["SM_HP_FAST"]) == ("5", "true")
    assert variables["SM_USER_ARGS"] == '["--depth","5","--fast","True","-k","0.5"]'
    if base == "mounted":
        assert variables["SM_MODEL_DIR"] == "/opt/ml/model"
        assert variables["SM_CHANNEL_TEST"] == "/opt/ml/input/data/test"


FAILING = """
import os, pathlib, signal, sys
print("first")
print("the cause", file=sys.stderr)
{}
"""


# By the name of the step: the step, how its script ends, and the reason that the step shows.
FAILURES: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "Exit": (processing({}, {}), "sys.exit(3)", "ClientError: AlgorithmError: , exit code: 3\nfirst\nthe cause"),
    "FailureFile": (
        training(),
        "pathlib.Path(os.environ['SM_OUTPUT_DIR'], 'failure').write_text('RuntimeError: x'); sys.exit(1)",
        "ClientError: AlgorithmError: RuntimeError: x, exit code: 1",
    ),
    "Signal": (
        training(),
        "os.kill(os.getpid(), signal.SIGKILL)",
        "ClientError: AlgorithmError: , signal: 9\nfirst\nthe cause",
    ),
    "Late": (
        training(StoppingCondition={"MaxRuntimeInSeconds": 1}),
        "signal.pause()",
        "ClientError: the job exceeded MaxRuntimeInSeconds (1 s)",
    ),
    "NoInput": (
        processing({"data": f"s3://{BUCKET}/none"}, {}),
        "",
        f"ClientError: input 'data': S3 has no object at or below s3://{BUCKET}/none. Put one there, or name a "
        "file or folder of this machine in emulator.steps.NoInput.inputs.data",
    ),
    "Outside": (
        processing({}, {"out": f"s3://{BUCKET}/out"}),
        "",
        "ClientError: /opt/ml/processing/../../../etc is not below /opt/ml",
    ),
}


def test_a_job_that_fails_says_why(workshop: Workshop) -> None:
    answers: dict[str, Any] = {"Missing": {"run": ["no-such-program"]}}
    steps = [{**training(), "Name": "Missing"}]
    # No policy repeats the failure of a script.
    policy = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"], "IntervalSeconds": 0, "MaxAttempts": 3}
    for name, (step, ending, _) in FAILURES.items():
        workshop.script(FAILING.format(ending), f"{name}.py")
        answers[name] = {"run": ["python3", f"{name}.py"]}
        steps.append({**step, "Name": name, "RetryPolicies": [policy]})
    outside = steps[-1]["Arguments"]["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]
    outside["LocalPath"] = "/opt/ml/processing/../../../etc"
    workshop.open(**answers)
    rows = workshop.ended(workshop.start(*steps))
    missing = rows.pop("Missing")["FailureReason"]
    assert missing.startswith("ClientError: AlgorithmError: , exit code: 127\nno-such-program cannot be started: ")
    assert {name: row["FailureReason"] for name, row in rows.items()} == {n: f[2] for n, f in FAILURES.items()}
    assert {(row["StepStatus"], row["AttemptCount"]) for row in rows.values()} == {("Failed", 1)}
    job = rows["Exit"]["Metadata"]["ProcessingJob"]["Arn"].rsplit("/", 1)[1]
    streams, messages = workshop.log("/aws/sagemaker/ProcessingJobs")
    assert [stream.split("/")[0] for stream in streams] == [job]
    assert messages == ["first", "the cause"]


LONG = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""


def is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="detached processes are found on Linux only")
@pytest.mark.parametrize("way", ["stop", "end"])
def test_a_job_ends_with_its_execution_and_with_the_emulator(workshop: Workshop, way: str) -> None:
    workshop.script(LONG)
    processes = workshop.scripts / "processes"
    workshop.open(Prepare={"run": ["python", "work.py"]})
    arn = workshop.start(processing({}, {}, [str(processes)]))
    eventually(lambda: processes.is_file() and len(processes.read_text().split()) == 2, 60)
    ids = processes.read_text().split()
    assert all(map(is_alive, ids))
    if way == "stop":
        workshop.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=arn)
        assert workshop.ended(arn)["Prepare"]["StepStatus"] == "Stopped"
        assert workshop.status(arn) == "Stopped"
    else:
        assert workshop.emulator is not None
        workshop.emulator.server.stop()
    eventually(lambda: not any(map(is_alive, ids)), 60)
