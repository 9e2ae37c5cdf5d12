"""boto3 clients of our own endpoint, cut off from any AWS set-up of the user's machine.

No environment variable, file, proxy or profile reaches them: an emulator that followed AWS_ENDPOINT_URL or a company's
proxy would send its calls somewhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.session import Session

from .protocol.models import shared_loader
from .service import Credentials

ClientFactory = Callable[..., Any]

# In the user agent of our own services' calls, so that the gateway can count them apart.
INTERNAL_MARK = "geopipe-emulator"

ACCESS_KEY_ID = "AKIAGEOPIPEEMULATOR"
SECRET_ACCESS_KEY = "loopback-only"
_FILES = {"config_file", "credentials_file"}
# Seconds: a synchronous Invoke returns when its function does, up to 900 s later.
_LONGEST_RESPONSE = 920


def client_factory(endpoint_url: str, access_key_id: str = "", mark: str = INTERNAL_MARK) -> ClientFactory:
    """Returns a function that makes clients of `endpoint_url`; the caller keeps them and makes them one at a time.

    `mark` is part of their user agent.
    """
    session = boto3.session.Session(botocore_session=isolated_session())
    own = Credentials(access_key_id or ACCESS_KEY_ID, SECRET_ACCESS_KEY, "")
    config = _CONFIG.merge(Config(user_agent_extra=mark))

    def make_client(service_name: str, region: str, credentials: Credentials = own) -> Any:
        return session.client(
            service_name,
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token or None,
            config=config,
        )

    return make_client


_CONFIG = Config(
    proxies={},
    connect_timeout=5,
    read_timeout=_LONGEST_RESPONSE,
    # A call is repeated only when the connection failed: the response of an emulated service is final.
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=64,
    inject_host_prefix=False,
    s3={"addressing_style": "path"},
)


def isolated_session() -> Session:
    """A session with botocore's defaults that reads no environment variable and no file."""
    variables = {
        name: (None, None, os.devnull if name in _FILES else default, conversion)
        for name, (_, _, default, conversion) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }
    session = Session(session_vars=variables)
    session.register_component("data_loader", shared_loader())
    return session
