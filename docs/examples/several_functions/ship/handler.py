"""Ships an order: a Lambda step starts it, and the callbacks of the queue `deliveries` say where it has arrived."""

import json

import boto3

sagemaker = boto3.client("sagemaker")


def lambda_handler(event, context):
    if "Records" not in event:
        print(f"{event['order']} was approved by {event['approved_by']}")
        return {"parcel": f"parcel with the {event['order']}"}
    for record in event["Records"]:
        message = json.loads(record["body"])
        token, parcel = message["token"], message["arguments"]["parcel"]
        if message.get("status") == "Stopping":
            sagemaker.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason="stopped")
        else:
            outputs = [{"Name": "place", "Value": f"{parcel} is at the door"}]
            sagemaker.send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=outputs)
    return None
