"""The function's entry point: the keys of an event say what to do.

Records                  callbacks from the pipeline's queue: answer those whose jobs are final
vej_export_config        a Lambda step: export the results of the job in vej_arn
vej_name                 a Lambda step: start a job
eoj_export_config        a Lambda step: export the results of the earth observation job in eoj_arn
eoj_name                 a Lambda step: start an earth observation job
parts_config             a Lambda step: start a job in parts
parts_export             a Lambda step: join the results of a job in parts

Records from the dead-letter queue of a job in parts are parts that no worker could finish.
"""

import os
from types import ModuleType
from typing import Any

import callbacks
import vector_enrichment
from aws import Clients, FunctionSettings, InvocationContext, LambdaContext, own_region
from geospatial_jobs import SERVICE as GEOSPATIAL
from log import redact

SETTINGS = FunctionSettings.read(os.environ)
CLIENTS = Clients(own_region())
CLIENTS.prepare(["sagemaker", "sqs", GEOSPATIAL])


# snippet-start:[python.example_code.sagemaker.LambdaHandler]
def lambda_handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Lambda calls this function."""
    return handle(event, InvocationContext.begin(context, CLIENTS, SETTINGS))


def handle(event: Any, invocation: InvocationContext) -> dict[str, Any]:
    """Do what the event asks for.

    Raises:
        ValueError: the event asks for nothing, or lacks something. The failed step shows the text.
    """
    invocation.log.info("input", event=redact(event, invocation.log.hide))
    fields = callbacks.lowercase_keys(callbacks.as_mapping(event, "the event"))
    if isinstance(fields.get("records"), list):
        records = [callbacks.read_record(record) for record in fields["records"]]
        if any(invocation.settings.is_work_dead_letter_queue(record.queue_arn) for record in records):
            return dict(_parts().mark_dead_letters(records, invocation))
        return callbacks.answer_batch(fields["records"], _Jobs(), invocation)
    if "parts_config" in fields:
        return dict(_parts().start(fields, invocation))
    if "parts_export" in fields:
        return dict(_parts().export(fields, invocation))
    if "vej_export_config" in fields:
        return dict(vector_enrichment.export_job(fields, invocation))
    if "vej_name" in fields:
        return dict(vector_enrichment.start_job(fields, invocation))
    if "eoj_export_config" in fields:
        return dict(_earth_observation().export_job(fields, invocation))
    if "eoj_name" in fields:
        return dict(_earth_observation().start_job(fields, invocation))
    raise ValueError(
        "the event has none of the keys that say what to do: Records, vej_export_config, vej_name, eoj_export_config, "
        "eoj_name, parts_config, parts_export"
    )


# snippet-end:[python.example_code.sagemaker.LambdaHandler]


class _Jobs:
    """The job of a callback, by the keys of its arguments."""

    def check(self, callback: callbacks.Callback, invocation: InvocationContext) -> callbacks.Verdict:
        verdict: callbacks.Verdict = _job_of(callback).check(callback, invocation)
        return verdict

    def stop(self, callback: callbacks.Callback, invocation: InvocationContext) -> None:
        _job_of(callback).stop(callback, invocation)


def _job_of(callback: callbacks.Callback) -> ModuleType:
    if "parts_manifest" in callback.arguments:
        return _parts()
    return _earth_observation() if "eoj_arn" in callback.arguments else vector_enrichment


def _parts() -> ModuleType:
    """Returns the module of jobs in parts. Most functions never need it, so they do not spend time on it."""
    import parts

    return parts


def _earth_observation() -> ModuleType:
    """Returns the module of earth observation jobs, which most functions never need."""
    import earth_observation

    return earth_observation
