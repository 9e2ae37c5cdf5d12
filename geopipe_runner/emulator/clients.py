"""boto3 clients of our own endpoint, cut off from whatever AWS set-up the user's machine has.

No environment variable, no file, no proxy and no profile reaches them: an emulator that followed AWS_ENDPOINT_URL
or a company proxy would talk to somebody else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.session import Session

from .models import shared_loader
from .service import Credentials

ClientFactory = Callable[..., Any]

INTERNAL_MARK = "geopipe-emulator"
"""In the user agent of our own services' calls, so that the gateway can count them apart."""

ACCESS_KEY_ID = "AKIAGEOPIPEEMULATOR"
SECRET_ACCESS_KEY = "loopback-only"
_OWN = Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY, "")

_FILES = {"config_file", "credentials_file"}
_LONGEST_ANSWER = 920
"""Seconds: a synchronous Invoke answers when its function does, up to 900 s later."""


def client_factory(endpoint_url: str) -> ClientFactory:
    """Clients of `endpoint_url` from one shared session; the caller keeps them and makes them one at a time."""
    session = boto3.session.Session(botocore_session=_isolated_session())

    def make_client(service_name: str, region: str, credentials: Credentials = _OWN) -> Any:
        return session.client(
            service_name,
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token or None,
            config=_CONFIG,
        )

    return make_client


_CONFIG = Config(
    user_agent_extra=INTERNAL_MARK,
    proxies={},
    connect_timeout=5,
    read_timeout=_LONGEST_ANSWER,
    # A call is repeated only when the connection failed: what an emulated service answers is final.
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=64,
    inject_host_prefix=False,
    s3={"addressing_style": "path"},
)


def _isolated_session() -> Session:
    """botocore's own variables with their defaults, but without the names of variables and files to read."""
    variables = {
        name: (None, None, os.devnull if name in _FILES else default, conversion)
        for name, (_, _, default, conversion) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }
    session = Session(session_vars=variables)
    session.register_component("data_loader", shared_loader())
    return session
