"""One module per job kind: what it needs from the configuration, and how its results are read.

A new job kind is a module here and a template; where it is a geospatial job, also a row in the function's `jobs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from .base import JobKind
from .custom import Custom
from .reverse_geocoding import ReverseGeocoding

JOBS: Mapping[str, JobKind] = {job.name: job for job in (ReverseGeocoding(), Custom())}
