"""The corrections of moto, where it is laxer than AWS or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..authorization.roles import KnownRoles
from ..service import Environment
from .event_patches import EventPatches
from .iam.moto_patch import IamPatch, StsPatch
from .logs.moto_patch import LogsPatch
from .s3.moto_patch import S3Patch
from .sqs.moto_patch import SqsPatch

if TYPE_CHECKING:
    from ..gateway.call import MotoPatch


def default_patches(environment: Environment, known: KnownRoles) -> list[MotoPatch]:
    """Returns new corrections. What they hold is in the environment's tables."""
    settings = environment.settings
    events = EventPatches(environment)
    return [
        S3Patch(settings, events, environment.tables),
        SqsPatch(settings),
        IamPatch(known),
        StsPatch(known),
        LogsPatch(),
        *events.lazy(),
    ]
