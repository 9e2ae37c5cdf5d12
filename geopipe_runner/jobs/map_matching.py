"""Map matching by a SageMaker geospatial vector enrichment job: positions of vehicles in, the roads they took out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..config.model import JobConfig
from ..deployment import Deployment
from ..inputs.columns import Columns
from ..inputs.prepare import PreparedInput, prepare
from .base import ResultFormat
from .vector_enrichment import VectorEnrichmentJob


class MapMatching(VectorEnrichmentJob):
    """The other job of vector enrichment. Its result is three files; the waypoints are the table and the map."""

    name = "map_matching"
    keys = frozenset({"id_column", "timestamp_column"})
    results = ResultFormat(
        re.compile(r"/(links\.geojson|waypoints\.geojson|mapmatch_output\.json)$"),
        status_column="",
        valid="",
        table="waypoints.geojson",
    )
    welcome = """This workflow will guide you through setting up and executing an Amazon SageMaker
pipeline. The pipeline uses an AWS Lambda function and an Amazon SQS queue, and runs a
vector enrichment map matching job that finds the roads to the positions in an input file."""

    def job_config(self, job: JobConfig) -> Mapping[str, Any]:
        columns = {
            "IdAttributeName": job.id_column,
            "TimestampAttributeName": job.timestamp_column,
            "XAttributeName": job.longitude_column,
            "YAttributeName": job.latitude_column,
        }
        return {"MapMatchingConfig": columns}

    def way_out(self) -> str:
        return "use an account that is enrolled, since nothing else here does map matching"

    def prepare_input(self, deployment: Deployment) -> PreparedInput:
        job = deployment.config.job
        others = {"job.id_column": job.id_column, "job.timestamp_column": job.timestamp_column}
        return prepare(deployment.config, Columns(job.longitude_column, job.latitude_column, others))
