"""Work of the user's own: their function does it, their template says in which order.

Only two things are known, and both are optional: where it reads, and where it leaves CSV files. It is not one job with
a state, so a failure shows in the pipeline's steps alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..deployment import Deployment
from ..errors import ConfigError
from ..inputs.prepare import PreparedInput
from .base import JobKind, ResultFormat, input_location, policy_problems


class Custom(JobKind):
    """Any pipeline of Lambda and Callback steps."""

    name = "custom"
    results = ResultFormat(re.compile(r"\.csv$"), status_column="", valid="", needed=False)
    welcome = """This workflow will guide you through setting up and executing an Amazon SageMaker
pipeline with steps of your own. The pipeline uses AWS Lambda functions and
Amazon SQS queues."""

    def parameters(self, deployment: Deployment, run_id: str) -> Mapping[str, str]:
        config = deployment.config
        values = {
            "parameter_execution_role": deployment.sagemaker_role_arn,
            "parameter_region": config.region,
            "parameter_queue_url": deployment.queue_url,
            "parameter_input_uri": input_location(deployment).uri if config.input.source else "",
            "parameter_output_uri": f"s3://{config.bucket.name}/{self.output_prefix(deployment, run_id)}",
            "parameter_run_id": run_id,
        }
        if not config.bucket.name:
            del values["parameter_output_uri"]
        return {name: value for name, value in values.items() if value}

    def prepare_input(self, deployment: Deployment) -> PreparedInput:
        problems = [*policy_problems(deployment)]
        if problems:
            raise ConfigError(problems)
        return super().prepare_input(deployment)

    def missing_value(self, name: str) -> str:
        return _SET_BY.get(name, super().missing_value(name))


# The keys without which a parameter has no value.
_SET_BY = {
    "parameter_queue_url": "set queue or queues to exactly one queue, or give it a value in pipeline.parameters",
    "parameter_input_uri": "set input.source, or give it a value in pipeline.parameters",
    "parameter_output_uri": "set bucket.name, or give it a value in pipeline.parameters",
}
