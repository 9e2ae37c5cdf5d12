"""The corrections of moto, where it is laxer than AWS or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..authorization.roles import KnownRoles
from ..events.agenda import Agenda
from ..events.delivery import Dispatcher
from ..events.timetable import Timetable
from ..service import Environment
from .events.bus import EventBus
from .events.moto_patch import EventsPatch
from .iam.moto_patch import IamPatch, StsPatch
from .logs.moto_patch import LogsPatch
from .s3.moto_patch import S3Patch
from .s3.notifier import S3Notifier
from .scheduler.moto_patch import SchedulerPatch
from .sns.moto_patch import SnsPatch
from .sqs.moto_patch import SqsPatch

if TYPE_CHECKING:
    from ..gateway.call import MotoPatch


def default_patches(environment: Environment, known: KnownRoles) -> list[MotoPatch]:
    """Returns new corrections, which hold no state yet."""
    settings = environment.settings
    agenda = Agenda()
    dispatcher = Dispatcher(environment, agenda)
    bus = EventBus(settings.account_id, dispatcher)
    environment.emit = bus.emit
    timetable = Timetable(agenda, settings.time_scale)
    return [
        S3Patch(settings, S3Notifier(environment, dispatcher)),
        SqsPatch(settings),
        IamPatch(known),
        StsPatch(known),
        LogsPatch(),
        SnsPatch(dispatcher),
        EventsPatch(bus, timetable, agenda),
        SchedulerPatch(environment, dispatcher, timetable),
    ]
