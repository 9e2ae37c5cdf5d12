"""Sessions: where credentials come from.

With `target: local` nothing of the user's AWS environment is read: no profile, no credentials, no endpoint variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial

import botocore.session
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import ProfileNotFound

from ..config.model import Config
from ..errors import AwsError, RefusedError


def make_session(config: Config, endpoint_url: str | None) -> botocore.session.Session:
    """A session with the credentials `config` asks for. Raises AwsError without them, RefusedError for a leak."""
    if config.target == "local":
        return _isolated_session()
    if endpoint_url is None:
        _refuse_leaked_endpoints(os.environ)
    session = botocore.session.Session(profile=config.profile)
    try:
        session.get_scoped_config()
    except ProfileNotFound as error:
        raise AwsError(str(error) + ".", "Set `profile` to one that `aws configure list-profiles` shows.") from None
    if config.assume_role:
        _assume(session, config, endpoint_url)
    return session


def _isolated_session() -> botocore.session.Session:
    nothing = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
        "ca_bundle": (None, None, None, None),
    }
    session = botocore.session.Session(session_vars=nothing)
    session.set_credentials("geopipe", "geopipe")
    return session


def _assume(session: botocore.session.Session, config: Config, endpoint_url: str | None) -> None:
    role = config.assume_role
    assert role is not None
    source = session.get_credentials()
    if source is None:
        raise no_credentials(config)
    extra = {"RoleSessionName": role.session_name}
    if role.external_id:
        extra["ExternalId"] = role.external_id
    here = partial(session.create_client, region_name=config.region, endpoint_url=endpoint_url)
    fetcher = AssumeRoleCredentialFetcher(here, source, role.role_arn, extra_args=extra)
    refreshing = DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)
    session._credentials = refreshing  # botocore's only way to give a session credentials that refresh themselves


def _refuse_leaked_endpoints(environ: Mapping[str, str]) -> None:
    """A variable left over from work with an emulator would send calls, and credentials, somewhere else unseen."""
    leaked = sorted(name for name, value in environ.items() if name.startswith("AWS_ENDPOINT_URL") and value)
    ignored = environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    if leaked and not ignored:
        raise RefusedError(
            f"{', '.join(leaked)} would redirect calls meant for AWS. Nothing was done.",
            "Unset the variable, or name the address as `endpoint` in the configuration.",
        )


def no_credentials(config: Config) -> AwsError:
    """What to say when there are none."""
    where = f"profile {config.profile!r}" if config.profile else "the environment, ~/.aws or the instance"
    return AwsError(
        f"No AWS credentials found in {where} for account {config.account_id}.",
        "Run `aws configure` or `aws sso login`, set `profile` in the configuration, or try config/local.yaml, "
        "which needs none.",
    )
