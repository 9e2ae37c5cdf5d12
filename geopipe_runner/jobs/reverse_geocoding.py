"""Reverse geocoding by a SageMaker geospatial vector enrichment job: coordinates in, addresses out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from ..config.model import JobConfig, Provider
from ..deployment import Deployment
from ..inputs.columns import Columns
from ..inputs.prepare import PreparedInput, prepare
from .base import ResultFormat
from .vector_enrichment import VectorEnrichmentJob


class ReverseGeocoding(VectorEnrichmentJob):
    """The job of AWS's sample."""

    name = "reverse_geocoding"
    provider = "sagemaker_geospatial"
    results = ResultFormat(
        re.compile(r"/results_\d+\.csv$"),
        "reverse_geo.status",
        "Valid Data",
        text_columns=frozenset({"reverse_geo.postal_code"}),
    )
    welcome = """This example workflow will guide you through setting up and executing a
Amazon SageMaker pipeline. The pipeline uses an AWS Lambda function and an
Amazon SQS queue, and runs a vector enrichment reverse geocode job to
reverse geocode addresses in an input file and store the results in an export file."""

    def job_config(self, job: JobConfig) -> Mapping[str, Any]:
        columns = {"XAttributeName": job.longitude_column, "YAttributeName": job.latitude_column}
        return {"ReverseGeocodingConfig": columns}

    def way_out(self) -> str:
        others = " or ".join(f"`{name}`" for name in get_args(Provider) if name != self.provider)
        return f"set job.provider to {others}"

    def prepare_input(self, deployment: Deployment) -> PreparedInput:
        job = deployment.config.job
        return prepare(deployment.config, Columns(job.longitude_column, job.latitude_column))
