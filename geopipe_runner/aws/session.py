"""Sessions: where credentials come from.

With `target: local` nothing of the user's AWS environment is read: no profile, no credentials, no endpoint variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import botocore.config
import botocore.session
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError

from geopipe_models import model_loader

from ..config.model import Config
from ..errors import RefusedError
from ..path_checks import expand_home
from . import secrets
from .credentials import check_credentials, load_credentials


def make_session(
    config: Config,
    endpoint_url: str | None,
    client_config: botocore.config.Config | None = None,
    *,
    interactive: bool = True,
) -> botocore.session.Session:
    """Returns a session with checked credentials. Raises AwsError without them, RefusedError for a leaked endpoint.

    `interactive`: the user can answer when a profile asks for an MFA code.
    """
    if config.target == "local":
        session = _isolated_session()
        _use_short_models(session)
        return session
    if endpoint_url is None:
        refuse_leaked_endpoints(os.environ)
        session = botocore.session.Session(profile=config.profile)
        _refuse_configured_endpoints(session)
    else:
        session = _PinnedSession(endpoint_url, client_config, profile=config.profile)
    _use_short_models(session)
    source = load_credentials(session, config, interactive=interactive)
    if config.assume_role:
        _assume(session, config, endpoint_url, source)
    return session


class _PinnedSession(botocore.session.Session):  # type: ignore[misc]  # botocore has no types
    """A session whose every client goes to one endpoint, those that botocore makes for a profile's role included.

    Otherwise AssumeRole of a profile would leave for AWS, with credentials that are meant for the endpoint.
    """

    def __init__(self, endpoint_url: str, client_config: botocore.config.Config | None, profile: str | None) -> None:
        super().__init__(profile=profile)
        self._endpoint_url = endpoint_url
        if client_config is not None:
            self.set_default_client_config(client_config)

    def create_client(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a client of the endpoint."""
        if kwargs.get("endpoint_url") is None:
            kwargs["endpoint_url"] = self._endpoint_url
        return super().create_client(*args, **kwargs)


def _use_short_models(session: botocore.session.Session) -> None:
    """Let the session read short models, which makes clients in half the time. The user's own models come first."""

    def loader() -> Any:
        folders = (session.get_config_variable("data_path") or "").split(os.pathsep)
        return model_loader([str(expand_home(os.path.expandvars(folder))) for folder in folders if folder])

    session.lazy_register_component("data_loader", loader)


def _isolated_session() -> botocore.session.Session:
    nothing = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
        "ca_bundle": (None, None, None, None),
    }
    session = botocore.session.Session(session_vars=nothing)
    # Where the system does not distinguish users, the emulator serves only who has this key.
    access_key = os.environ.get("GEOPIPE_EMULATOR_ACCESS_KEY_ID")
    secrets.register(access_key)
    session.set_credentials(access_key or "geopipe", "geopipe")
    return session


def _assume(session: botocore.session.Session, config: Config, endpoint_url: str | None, source: Any) -> None:
    role = config.assume_role
    assert role is not None
    extra = {"RoleSessionName": role.session_name}
    if role.external_id:
        extra["ExternalId"] = role.external_id
    here = partial(session.create_client, region_name=config.region, endpoint_url=endpoint_url)
    fetcher = AssumeRoleCredentialFetcher(here, source, role.role_arn, extra_args=extra)
    refreshing = DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)
    check_credentials(session, config, refreshing)
    session._credentials = refreshing  # botocore's only way to give a session credentials that refresh themselves


def refuse_leaked_endpoints(environ: Mapping[str, str]) -> None:
    """Refuse a variable left over from work with an emulator: calls, and credentials, would go there unseen."""
    leaked = sorted(name for name, value in environ.items() if name.startswith("AWS_ENDPOINT_URL") and value)
    if leaked and not _ignores_endpoints(environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "")):
        raise RefusedError(
            f"{', '.join(leaked)} would redirect calls meant for AWS. Nothing was done.",
            "Unset the variable, or name the address as `endpoint` in the configuration.",
        )


def _refuse_configured_endpoints(session: botocore.session.Session) -> None:
    """Refuse the same in a profile: its own `endpoint_url`, or those of the `services` section that it names."""
    try:
        profile, everything = session.get_scoped_config(), session.full_config
    except BotoCoreError:
        return  # the credentials come from the same files, and say what is wrong with them
    ignores = os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") or profile.get("ignore_configured_endpoint_urls")
    if _ignores_endpoints(ignores):
        return
    name = session.profile or "default"
    leaked = [f"endpoint_url of profile {name!r}"] if profile.get("endpoint_url") else []
    section = profile.get("services")
    services = everything.get("services", {}).get(section, {})
    if isinstance(services, Mapping):
        leaked += [
            f"endpoint_url of {service} in services {section!r} of profile {name!r}"
            for service, settings in services.items()
            if isinstance(settings, Mapping) and settings.get("endpoint_url")
        ]
    if leaked:
        raise RefusedError(
            f"{', '.join(leaked)} would redirect calls meant for AWS. Nothing was done.",
            "Remove it from the AWS config file, use another profile, or name the address as `endpoint` in the "
            "configuration.",
        )


def _ignores_endpoints(setting: object) -> bool:
    return str(setting or "").lower() == "true"
