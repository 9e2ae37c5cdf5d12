"""Work of the user's own: their function does it, their template says in which order.

Nothing is known of it but where it reads and where it leaves CSV files. It is no single job with a state, so what
failed is told by the steps alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..config.model import JobConfig
from ..kinds.base import Deployment
from .base import JobFailure, PointColumns, ResultFormat, input_location

if TYPE_CHECKING:
    from ..aws.clients import Aws


class Custom:
    """Any pipeline of Lambda and Callback steps."""

    name = "custom"
    results = ResultFormat(re.compile(r"\.csv$"), status_column="", valid="", needed=False)

    def parameters(self, deployment: Deployment, run_id: str) -> Mapping[str, str]:
        config = deployment.config
        return {
            "parameter_execution_role": deployment.sagemaker_role_arn,
            "parameter_region": config.region,
            "parameter_queue_url": deployment.queue_url,
            "parameter_input_uri": input_location(deployment).uri,
            "parameter_output_uri": f"s3://{config.bucket.name}/{self.output_prefix(deployment, run_id)}",
            "parameter_run_id": run_id,
        }

    def output_prefix(self, deployment: Deployment, run_id: str) -> str:
        return f"{deployment.config.output.prefix}{run_id}/"

    def points(self, job: JobConfig) -> PointColumns:
        """The user says which columns of the results; there need be none of that name."""
        return PointColumns(job.longitude_column, job.latitude_column)

    def warning(self, aws: Aws) -> str | None:
        return None

    def input_warning(self, deployment: Deployment) -> str | None:
        return None

    def state(self, aws: Aws, outputs: Mapping[str, str]) -> str:
        return "no job of its own"

    def running(self, aws: Aws) -> frozenset[str]:
        return frozenset()

    def stop(self, aws: Aws, arn: str) -> None:
        return None

    def failure(self, aws: Aws, outputs: Mapping[str, str]) -> JobFailure | None:
        return None
