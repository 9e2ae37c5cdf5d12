"""Why a set-up or an execution failed, by names that stay: programs match on them, people get the advice.

A code is never given another meaning; `docs/failures.md` lists them, and a test compares that page with this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ADVICE: Mapping[str, str] = {
    "access-denied": "Allow the role what the message names, and look for a permissions boundary that takes it away.",
    "bucket-denied": "Allow the SageMaker role s3:GetObject on the input and s3:PutObject below the output prefix; a "
    "Deny in the bucket's policy, a permissions boundary or a KMS key can take it away.",
    "callback-deadline": "Raise execution.callback_deadline (at most 57600 s) if such a job may take that long; "
    "otherwise see what holds it up.",
    "callback-failed": "Whoever answered the callback gave the reason above. When that is mended: `retry`.",
    "callback-undeliverable": "The message was taken up more often than queue.max_receive_count allows. The log says "
    "why it could not be answered.",
    "execution-failed": "Mend what the reason names and run the same command again.",
    "execution-stopped": "Somebody stopped it; AWS CloudTrail tells who (StopPipelineExecution). `run` begins anew; "
    "`retry` goes on with it, unless its job was stopped too.",
    "execution-timeout": "It goes on: `resume` waits on, `stop` ends it. Raise execution.timeout if need be.",
    "export-failed": "The job is done, its export is not. Mend what the export's error names, then `run`.",
    "fail-step": "The pipeline ended itself by one of its Fail steps: its message is the reason.",
    "handler-error": "The log lines say where the function raised it. Mend the function, then `retry`, or `run`.",
    "handler-import-error": "The function sees only function.source, Python's own library and boto3: put the missing "
    "module there, and check function.handler.",
    "handler-timeout": "Raise function.timeout, or let the step do less: what takes long belongs behind a callback.",
    "input-column-missing": "Name the columns as the input's first line does, capitals and spaces included: "
    "job.longitude_column and job.latitude_column.",
    "input-missing": "Nothing is there to read. Check input.source; the object must stay until the job has ended.",
    "job-failed": "Mend what the job's error names, then `run`. A fault of the service itself passes: run again.",
    "job-stopped": "Somebody stopped or deleted the job; AWS CloudTrail tells who. `run` starts another one.",
    "pass-role-denied": "Whoever passes the role needs iam:PassRole on it, for the service named; a permissions "
    "boundary can take it away.",
    "role-not-assumable": "The role's trust policy must name the service that takes it. A new role can take minutes "
    "to be known: raise iam.propagation_timeout.",
    "setup-failed": "Running the same command again goes on from there.",
    "step-failed": "Mend what the reason names, then `retry`, or `run`.",
}
"""By code, what to do."""


@dataclass(frozen=True)
class Failure:
    """Why something failed. `step` is the pipeline's step, or during set-up the resource's key.

    `job_error` is what the job behind the pipeline says of itself, `log_lines` the function's last ones.
    """

    code: str
    reason: str
    step: str | None = None
    job_error: str | None = None
    log_lines: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.code]
