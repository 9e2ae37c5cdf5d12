"""One module per job kind: what it needs from the configuration, and how its results are read.

A new job kind is a module here, a template, and a row in the function's `jobs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from .base import JobKind
from .reverse_geocoding import ReverseGeocoding

JOBS: Mapping[str, JobKind] = {job.name: job for job in (ReverseGeocoding(),)}
