"""Lambda's entry point: a pipeline step calls with a task, the queue with a batch of callback messages.

callbacks.py, aws.py and log.py come from geopipe's own function: see function.source in config.yaml.
"""

import os

import assignment
import callbacks
import steps
from aws import Clients, FunctionSettings, InvocationContext, own_region

SETTINGS = FunctionSettings.read(os.environ)
CLIENTS = Clients(own_region())
CLIENTS.prepare(["sagemaker", "sqs"])
TASKS = {"inspect": steps.inspect, "summarize": steps.summarize}


def lambda_handler(event, context):
    """Returns a step's outputs as a flat object, and for a batch the messages that must come again."""
    if "Records" in event:
        invocation = InvocationContext.begin(context, CLIENTS, SETTINGS)
        return callbacks.answer_batch(event["Records"], assignment, invocation)
    task = event.get("task")
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; known are {', '.join(TASKS)}")
    return TASKS[task](event)
