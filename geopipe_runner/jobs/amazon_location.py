"""Reverse geocoding by Amazon Location Service: street addresses, in every account, one paid request per point."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

from ..config.model import Config, JobConfig
from ..deployment import Grant, JobRights
from ..inputs.amount import SAMPLED_ABOVE, count_requests, measure
from ..inputs.columns import Columns
from .base import Estimate
from .parts import MEGABYTE, PartsJob, describe_amount

# As in lambda/amazon_location.py: how long a worker takes for a part.
_LONGEST_PART_SECONDS = 300
_SHORTEST_PART_SECONDS = 10
_CONFIRM_ABOVE = 100_000


class AmazonLocation(PartsJob):
    """The address that `geo-places:ReverseGeocode` returns."""

    name = "reverse_geocoding"
    provider = "amazon_location"
    keys = PartsJob.keys | {"max_requests_per_second", "price_per_1000", "confirm_above_requests"}
    rights = JobRights(
        in_parts=True,
        grants=(Grant(("geo-places:ReverseGeocode",), "arn:{partition}:geo-places:{region}::provider/default"),),
    )
    welcome = """This workflow will guide you through setting up and executing an Amazon SageMaker
pipeline. The pipeline uses AWS Lambda functions and Amazon SQS queues, and asks Amazon
Location Service for the address of each point of an input file."""

    def estimate(self, config: Config, file: Path | None) -> Estimate:
        """Returns the number of requests, how long they take, and the bill if the configuration has a price."""
        job = config.job
        if file is None:
            what = "The input is in S3, so the number of its paid requests to Amazon Location Service is unknown."
            return Estimate((what,), what)
        amount = measure(file)
        bytes_per_row = max(1.0, amount.bytes / max(1, amount.rows))
        # The function cuts parts by time too.
        seconds = amount.rows / job.max_requests_per_second
        seconds = min(max(seconds, _SHORTEST_PART_SECONDS), _LONGEST_PART_SECONDS)
        by_time = round(seconds * job.max_requests_per_second / job.workers)
        rows_per_part = max(1, min(by_time, int(job.part_size_mb * MEGABYTE / bytes_per_row)))
        columns = Columns(job.longitude_column, job.latitude_column)
        requests = count_requests(file, columns, amount.rows, rows_per_part)
        parts = max(1, ceil(amount.rows / rows_per_part))
        # One worker sends no faster, even if it is the only one.
        rate = job.max_requests_per_second * min(parts, job.workers) / job.workers
        minutes = requests / rate / 60
        about = "about " if amount.rows > SAMPLED_ABOVE else ""
        what = (
            f"It sends {about}{requests:,} requests to Amazon Location Service, with IntendedUse=Storage: equal "
            f"points of a part are asked once. At {rate:g} a second they take "
            f"{f'at least {minutes:,.0f} min' if minutes >= 1 else 'less than a minute'}."
        )
        if job.price_per_1000 is not None:
            what += (
                f" At {job.price_per_1000:g} for 1,000 requests they cost {requests / 1000 * job.price_per_1000:,.2f}."
            )
        limit = _CONFIRM_ABOVE if job.confirm_above_requests is None else job.confirm_above_requests
        return Estimate((describe_amount(amount.rows, parts), what), what if requests > limit else "")

    def settings(self, job: JobConfig) -> Mapping[str, Any]:
        return {"RequestsPerSecond": job.max_requests_per_second, "Workers": job.workers}
