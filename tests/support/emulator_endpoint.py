"""A running emulator as a test sees it, and boto3 clients that reach it as any program would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.session import Session as BotocoreSession

from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.protocol.models import shared_loader


def boto3_session() -> boto3.Session:
    session = BotocoreSession(session_vars={"profile": (None, None, None, None)})
    session.register_component("data_loader", shared_loader())
    return boto3.Session(botocore_session=session)


@dataclass
class Emulator:
    """What a test needs of a running emulator. `client` makes each client once."""

    server: EmulatorServer
    url: str
    session: boto3.Session = field(default_factory=boto3_session)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, region: str = "") -> Any:
        key = (service, region or self.server.settings.region)
        if key not in self._clients:
            self._clients[key] = self.session.client(
                service,
                region_name=key[1],
                endpoint_url=self.url,
                aws_access_key_id="AKIATEST",
                aws_secret_access_key="secret",
                config=Config(proxies={}, retries={"total_max_attempts": 1}, inject_host_prefix=False),
            )
        return self._clients[key]

    @property
    def calls(self) -> dict[str, list[dict[str, Any]]]:
        return self.server.gateway.call_log.report()


StartEmulator = Callable[..., Emulator]
