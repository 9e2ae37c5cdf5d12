"""geopipe: reconcile, run and clean up SageMaker pipelines from one YAML file.

The Python API: `load`, `reverse_geocode`, and the classes of `geopipe_runner.api` and `geopipe_runner.errors`. They are
imported when they are first used, because every command imports this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .api import FinishedRun as FinishedRun
    from .api import ManagedDeployment as ManagedDeployment
    from .api import RunResults as RunResults
    from .api import load as load
    from .api import reverse_geocode as reverse_geocode

__all__ = ["FinishedRun", "ManagedDeployment", "RunResults", "load", "reverse_geocode"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
