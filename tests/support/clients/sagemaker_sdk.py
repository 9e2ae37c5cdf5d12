"""The scenario with the SageMaker SDK for Python, version 2 or 3: `sagemaker_sdk.py FOLDER`."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import scenario

if version("sagemaker").startswith("2."):
    from sagemaker import Session
    from sagemaker.lambda_helper import Lambda
    from sagemaker.workflow.callback_step import CallbackOutput, CallbackOutputTypeEnum, CallbackStep
    from sagemaker.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
    from sagemaker.workflow.parameters import ParameterString
    from sagemaker.workflow.pipeline import Pipeline
else:
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.lambda_helper import Lambda
    from sagemaker.core.workflow.parameters import ParameterString
    from sagemaker.mlops.workflow.callback_step import CallbackOutput, CallbackOutputTypeEnum, CallbackStep
    from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
    from sagemaker.mlops.workflow.pipeline import Pipeline

FOLDER = Path(sys.argv[1])
_WAIT_SECONDS = 1


def create_surroundings() -> tuple[str, str]:
    """Create what the SDK has no calls for, with boto3. Returns the URL of the queue and the ARN of the role."""
    iam = boto3.client("iam")
    role = iam.create_role(RoleName=scenario.ROLE, AssumeRolePolicyDocument=json.dumps(scenario.TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName=scenario.ROLE, PolicyName="all", PolicyDocument=json.dumps(scenario.POLICY))
    location = {"LocationConstraint": scenario.REGION}
    boto3.client("s3").create_bucket(Bucket=scenario.BUCKET, CreateBucketConfiguration=location)
    attributes = {"VisibilityTimeout": str(scenario.VISIBILITY_SECONDS)}
    queue = boto3.client("sqs").create_queue(QueueName=scenario.QUEUE, Attributes=attributes)["QueueUrl"]
    return queue, role


def pipeline_of(queue_url: str, role: str, session: Any) -> Pipeline:
    """The pipeline in the SDK's own words. The SDK creates both functions: one from a script, one from a zip."""
    needs = ParameterString(name="Needs", default_value=scenario.NOTHING)
    hold = ParameterString(name="Hold", default_value="no")
    common = {"execution_role_arn": role, "session": session, "timeout": scenario.FUNCTION_SECONDS}
    node = Lambda(
        function_name=scenario.NODE,
        zipped_code_dir=str(FOLDER / "node.zip"),
        s3_bucket=scenario.BUCKET,
        handler=scenario.NODE_HANDLER,
        runtime=scenario.NODE_RUNTIME,
        **common,
    )
    python = Lambda(
        function_name=scenario.PYTHON,
        script=str(scenario.CODE / "handler.py"),
        handler=scenario.PYTHON_HANDLER,
        runtime=scenario.PYTHON_RUNTIME,
        **common,
    )
    greet = LambdaStep(
        name="Greet",
        lambda_func=node,
        inputs={"name": "client"},
        outputs=[LambdaOutput(output_name="greeting", output_type=LambdaOutputTypeEnum.String)],
    )
    count = LambdaStep(
        name="Count",
        lambda_func=python,
        inputs={
            "greeting": greet.properties.Outputs["greeting"],
            "needs": needs,
            "bucket": scenario.BUCKET,
        },
        outputs=[LambdaOutput(output_name="length", output_type=LambdaOutputTypeEnum.Integer)],
    )
    wait = CallbackStep(
        name="Wait",
        sqs_queue_url=queue_url,
        inputs={"length": count.properties.Outputs["length"], "hold": hold},
        outputs=[CallbackOutput(output_name="answer", output_type=CallbackOutputTypeEnum.String)],
    )
    return Pipeline(
        name=scenario.PIPELINE,
        parameters=[needs, hold],
        pipeline_experiment_config=None,
        steps=[greet, count, wait],
        sagemaker_session=session,
    )


def run(pipeline: Pipeline) -> None:
    sagemaker = boto3.client("sagemaker")
    succeeding = pipeline.start(parameters=scenario.SUCCESS)
    succeeding.wait(delay=_WAIT_SECONDS, max_attempts=int(scenario.PATIENCE_SECONDS / _WAIT_SECONDS))
    scenario.check_outputs(succeeding.list_steps())

    failing = pipeline.start(parameters=scenario.RETRY)
    scenario.wait_for(lambda: status(failing), "Failed")
    assert {step["StepName"]: step["StepStatus"] for step in failing.list_steps()}["Count"] == "Failed"
    boto3.client("s3").upload_file(str(FOLDER / scenario.MARKER), scenario.BUCKET, scenario.MARKER)
    sagemaker.retry_pipeline_execution(PipelineExecutionArn=failing.arn)
    scenario.wait_for(lambda: status(failing), "Succeeded")
    scenario.check_outputs(failing.list_steps())

    waiting = pipeline.start(parameters=scenario.STOP)
    scenario.wait_for(
        lambda: {s["StepName"]: s["StepStatus"] for s in waiting.list_steps()}.get("Wait", ""), "Executing"
    )
    waiting.stop()
    scenario.wait_for(lambda: status(waiting), "Stopped")
    assert len(pipeline.list_executions()["PipelineExecutionSummaries"]) == 3


def status(execution: Any) -> str:
    return execution.describe()["PipelineExecutionStatus"]


def delete(mapping: str) -> None:
    lambda_, iam = boto3.client("lambda"), boto3.client("iam")
    lambda_.delete_event_source_mapping(UUID=mapping)
    for name in (scenario.PYTHON, scenario.NODE):
        lambda_.delete_function(FunctionName=name)
        boto3.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")
    sqs = boto3.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=scenario.QUEUE)["QueueUrl"])
    bucket = boto3.resource("s3").Bucket(scenario.BUCKET)
    bucket.objects.delete()
    bucket.delete()
    iam.delete_role_policy(RoleName=scenario.ROLE, PolicyName="all")
    iam.delete_role(RoleName=scenario.ROLE)


def main() -> None:
    queue_url, role = create_surroundings()
    session = Session(boto_session=boto3.Session(region_name=scenario.REGION), default_bucket=scenario.BUCKET)
    pipeline = pipeline_of(queue_url, role, session)
    pipeline.upsert(role_arn=role)
    lambda_ = boto3.client("lambda")
    for name in (scenario.PYTHON, scenario.NODE):
        lambda_.get_waiter("function_active_v2").wait(FunctionName=name)
    mapping = lambda_.create_event_source_mapping(
        FunctionName=scenario.PYTHON, EventSourceArn=scenario.QUEUE_ARN, BatchSize=1
    )
    assert pipeline.upsert(role_arn=role)["PipelineArn"].endswith(f"pipeline/{scenario.PIPELINE}")
    run(pipeline)
    pipeline.delete()
    delete(mapping["UUID"])


if __name__ == "__main__":
    print(f"sagemaker {version('sagemaker')}, boto3 {boto3.__version__}, {os.environ['AWS_ENDPOINT_URL']}")
    main()
