"""Answers the callbacks of the queue `reviews`: approves a model whose data promise a small error."""

import json

import boto3

sagemaker = boto3.client("sagemaker")


def lambda_handler(event, context):
    for record in event["Records"]:
        message = json.loads(record["body"])
        token, arguments = message["token"], message["arguments"]
        if message.get("status") == "Stopping":
            sagemaker.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason="stopped")
            continue
        is_good = float(arguments["error"]) <= float(arguments["maximum_error"])
        decision = "Approved" if is_good else "Rejected"
        outputs = [{"Name": "decision", "Value": decision}]
        sagemaker.send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=outputs)
