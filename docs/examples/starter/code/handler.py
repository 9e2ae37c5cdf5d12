"""The function of the pipeline. Lambda calls it for the Lambda step, and for messages of the Callback step.

callbacks.py, aws.py and log.py come from geopipe. They answer callbacks and never need a change.
"""

import os

import callbacks
import job
from aws import Clients, FunctionSettings, InvocationContext, own_region

SETTINGS = FunctionSettings.read(os.environ)
CLIENTS = Clients(own_region())
CLIENTS.prepare(["sagemaker", "sqs"])


def lambda_handler(event, context):
    """Returns a step's outputs, and for a batch of messages those that must come again."""
    if "Records" in event:
        return callbacks.answer_batch(event["Records"], job, InvocationContext.begin(context, CLIENTS, SETTINGS))
    return job.start(event)
