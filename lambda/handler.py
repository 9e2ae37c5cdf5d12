"""The function's entry: tells which of three things an event asks for, and has it done.

    Records                  callbacks from the pipeline's queue: see whether their jobs are over
    vej_export_config        a pipeline step: export the results of the job in vej_arn
    vej_name                 a pipeline step: start a job

The names are those of one job family, of which jobs.py may have several. No work is done here.
"""

import os
from typing import Any

import callbacks
import payloads
import steps
from clients import Clients, own_region
from invocation import Invocation, LambdaContext
from jobs import FAMILIES, family_with
from logs import redact
from settings import Settings

SETTINGS = Settings.read(os.environ)
CLIENTS = Clients(own_region())
CLIENTS.prepare(["sagemaker", "sqs", *(family.service for family in FAMILIES)])


# snippet-start:[python.example_code.sagemaker.LambdaHandler]
def lambda_handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """What Lambda calls."""
    return handle(event, Invocation.begin(context, CLIENTS, SETTINGS))


def handle(event: Any, invocation: Invocation) -> dict[str, Any]:
    """Do what the event asks for; when it asks for nothing, ValueError, whose text the failed step shows."""
    invocation.log.info("input", event=redact(event, invocation.log.hide))
    fields = payloads.fold(payloads.as_mapping(event, "the event"))
    if isinstance(fields.get("records"), list):
        return callbacks.answer_batch(fields["records"], invocation)
    if family := family_with(fields, "export_config"):
        return dict(steps.export_job(family, fields, invocation))
    if family := family_with(fields, "name"):
        return dict(steps.start_job(family, fields, invocation))
    raise ValueError(f"the event has none of the keys that say what to do: {', '.join(_known_keys())}")


# snippet-end:[python.example_code.sagemaker.LambdaHandler]


def _known_keys() -> list[str]:
    return ["Records", *(family.key(name) for family in FAMILIES for name in ("export_config", "name"))]
