"""Answers the callbacks of the queue `approvals`."""

import json
import os

import boto3

sagemaker = boto3.client("sagemaker")


def lambda_handler(event, context):
    for record in event["Records"]:
        message = json.loads(record["body"])
        token, amount = message["token"], int(message["arguments"]["amount"])
        if message.get("status") == "Stopping" or amount > int(os.environ["LIMIT"]):
            reason = f"an order over {amount} needs a person"
            sagemaker.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason=reason)
        else:
            outputs = [{"Name": "approved_by", "Value": context.function_name}]
            sagemaker.send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=outputs)
