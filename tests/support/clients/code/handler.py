"""The Python function of the scenario: a step of the pipeline, and the answer to its callback."""

import json

import boto3


def handle(event, context):
    if "Records" in event:
        for record in event["Records"]:
            answer(json.loads(record["body"]))
        return {}
    # Until the object exists, the step fails: a retry of the execution then succeeds.
    if event["needs"] != "nothing":
        boto3.client("s3").head_object(Bucket=event["bucket"], Key=event["needs"])
    return {"length": len(event["greeting"])}


def answer(message):
    sagemaker, token = boto3.client("sagemaker"), message["token"]
    if message["status"] == "Stopping":
        sagemaker.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason="stopped on request")
    elif message["arguments"]["hold"] == "no":
        outputs = [{"Name": "answer", "Value": f"{message['arguments']['length']} letters"}]
        sagemaker.send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=outputs)
