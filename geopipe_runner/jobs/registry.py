"""All job kinds, and all providers of kinds that have several. `jobs.base` can be imported without them."""

from __future__ import annotations

from ..config.model import JobConfig
from .amazon_location import AmazonLocation
from .base import JobKind
from .custom import Custom
from .gazetteer import GazetteerInParts
from .map_matching import MapMatching
from .map_rows import MapRows
from .reverse_geocoding import ReverseGeocoding

JOBS: tuple[JobKind, ...] = (
    ReverseGeocoding(),
    GazetteerInParts(),
    AmazonLocation(),
    MapRows(),
    MapMatching(),
    Custom(),
)


def job_of(config: JobConfig) -> JobKind:
    """Returns the job kind that the configuration chooses; where a kind has providers, that of the provider."""
    return next(job for job in JOBS if job.name == config.kind and job.provider in ("", config.provider))
