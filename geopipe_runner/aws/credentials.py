"""Credentials before the first call: fetched, checked and registered as secrets; every failure is one line.

botocore's chain of credential providers raises its own errors, those of the file system, of JSON and of the programs
it starts. All of them end here.
"""

from __future__ import annotations

import getpass
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import botocore.session
from botocore.credentials import AssumeRoleProvider, RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    CredentialRetrievalError,
    LoginError,
    MissingDependencyException,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from ..config.model import Config
from ..errors import AwsError, GeopipeError, InterruptedByUser, RefusedError
from . import secrets
from .errors import as_aws_error, as_exhaustion

_VARIABLES = {
    "access_key": ("AWS_ACCESS_KEY_ID",),
    "secret_key": ("AWS_SECRET_ACCESS_KEY",),
    "token": ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
}
_FILE_KEYS = {
    "access_key": "aws_access_key_id",
    "secret_key": "aws_secret_access_key",
    "token": "aws_session_token",
}
_PROCESS_KEYS = {"access_key": "AccessKeyId", "secret_key": "SecretAccessKey", "token": "SessionToken"}
_FILE_METHODS = {"shared-credentials-file": "~/.aws/credentials", "config-file": "~/.aws/config"}
_CHARACTERS = {
    "\r": "a carriage return (a line ending from Windows)",
    "\n": "a line feed",
    "\t": "a tab",
    " ": "a space",
    "\ufeff": "a byte order mark",
    "\xa0": "a no-break space",
}


def load_credentials(session: botocore.session.Session, config: Config, *, interactive: bool) -> Any:
    """Returns the session's credentials, fetched and checked. Raises one of our errors when there are none."""
    with _chain_errors(session, config):
        _register_configured(session, config)
        if session.get_config_variable("region") is None:
            session.set_config_variable("region", config.region)  # for the calls of a profile's own role
        if config.profile is None:
            _check_environment()
        _set_prompter(session, interactive)
        credentials = session.get_credentials()
        if credentials is None:
            raise no_credentials(config)
        check_credentials(session, config, credentials)
        return credentials


def check_credentials(session: botocore.session.Session, config: Config, credentials: Any) -> None:
    """Fetch `credentials` now, register them as secrets and check their characters."""
    with _chain_errors(session, config):
        frozen = credentials.get_frozen_credentials()
        values = {"access_key": frozen.access_key, "secret_key": frozen.secret_key, "token": frozen.token}
        secrets.register(*values.values())
        for part, value in values.items():
            if value is not None:
                _check_value(_origin(session, credentials.method, part), str(value))
    if isinstance(credentials, RefreshableCredentials):
        _guard_refresh(session, config, credentials)


def no_credentials(config: Config) -> AwsError:
    """Returns the error for a chain that ends without credentials."""
    where = f"profile {config.profile!r}" if config.profile else "the environment, ~/.aws or the instance"
    return AwsError(
        f"No AWS credentials found in {where} for account {config.account_id}.",
        "Run `aws configure` or `aws sso login`, set `profile` in the configuration, or try config/local.yaml, "
        "which needs none.",
    )


# The characters of a credential


def _register_configured(session: botocore.session.Session, config: Config) -> None:
    """Register what the environment and the files hold: botocore may quote it before it becomes a credential."""
    secrets.register(*(os.environ.get(name) for names in _VARIABLES.values() for name in names))
    for profile in session.full_config.get("profiles", {}).values():
        if isinstance(profile, Mapping):
            secrets.register(*(str(profile[key]) for key in _FILE_KEYS.values() if profile.get(key)))
    if config.assume_role and config.assume_role.external_id:
        secrets.register(config.assume_role.external_id)


def _check_environment() -> None:
    for names in _VARIABLES.values():
        for name in names:
            if os.environ.get(name):
                _check_value(name, os.environ[name])


def _check_value(where: str, value: str) -> None:
    """Raises AwsError for a character that no credential has; the value itself is not shown."""
    wrong = next((character for character in reversed(value) if not "!" <= character <= "~"), None)
    if wrong is None:
        return
    what = _CHARACTERS.get(wrong, f"the character U+{ord(wrong):04X}")
    position = "ends with" if value.rstrip() != value else "begins with" if value.lstrip() != value else "contains"
    if position == "contains" and value[:1] == wrong:
        position = "begins with"
    raise AwsError(
        f"{where} {position} {what}. No credential has one, so AWS would refuse it. Nothing was done.",
        "Set it again without that character (a copied line ending is the usual cause).",
    )


def _origin(session: botocore.session.Session, method: str, part: str) -> str:
    """Returns the name under which the user set this part of the credentials."""
    if method == "env":
        names = _VARIABLES[part]
        return next((name for name in names if os.environ.get(name)), names[0])
    if method in _FILE_METHODS:
        return f"{_FILE_KEYS[part]} of profile {_profile_name(session)!r} in {_FILE_METHODS[method]}"
    if method == "custom-process":
        return f"{_PROCESS_KEYS[part]} from the credential_process of profile {_profile_name(session)!r}"
    return f"{_PROCESS_KEYS[part]} from {method}"


# Multi-factor authentication


def _set_prompter(session: botocore.session.Session, interactive: bool) -> None:
    """Decide who answers when a profile's `mfa_serial` asks for a code; botocore asks the terminal otherwise."""
    resolver = session.get_component("credential_provider")
    for provider in resolver.providers:
        if isinstance(provider, AssumeRoleProvider):
            provider._prompter = _ask_for_code if interactive else _refuse_to_ask


def _ask_for_code(prompt: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", getpass.GetPassWarning)
            return getpass.getpass(prompt)
    except EOFError:
        raise InterruptedByUser("The input ended at the question for an MFA code. Nothing was done.") from None


def _refuse_to_ask(prompt: str) -> str:
    raise RefusedError(
        f"The profile asks for an MFA code ({prompt.strip().rstrip(':')}), and a non-interactive "
        "run cannot ask for it. Nothing was done.",
        "Get session credentials first (`aws sts get-session-token --serial-number ... --token-code ...`, or "
        "`aws configure export-credentials --profile ... --format env`) and set AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or run without --non-interactive.",
    )


# Errors of the chain


@contextmanager
def _chain_errors(session: botocore.session.Session, config: Config) -> Iterator[None]:
    try:
        yield
    except GeopipeError:
        raise
    except Exception as error:  # noqa: BLE001 - credential processes and files can fail in any way
        raise _as_credential_error(error, session, config) from None


def _as_credential_error(error: Exception, session: botocore.session.Session, config: Config) -> AwsError:
    """Returns one line that says which source of credentials failed and why, and how to repair it."""
    exhausted = as_exhaustion(error)
    if exhausted:
        return exhausted
    text = secrets.redact(" ".join(str(error).split()))
    if isinstance(error, ProfileNotFound):
        return AwsError(text + ".", "Set `profile` to one that `aws configure list-profiles` shows.")
    if isinstance(error, NoCredentialsError):
        return no_credentials(config)
    return AwsError(
        f"The AWS credentials cannot be loaded: {_what_failed(error, text, session)}", _hint(error, session)
    )


def _what_failed(error: Exception, text: str, session: botocore.session.Session) -> str:
    profile = _settings(session)
    if isinstance(error, ClientError):
        return as_aws_error(error).message
    if isinstance(error, BotoCoreError):
        return text
    if isinstance(error, OSError) and _token_file(profile) in (error.filename, os.fspath(error.filename or "")):
        return f"the web identity token file {error.filename} cannot be read: {error.strerror}."
    if "credential_process" in profile:
        name = _profile_name(session)
        if isinstance(error, OSError):
            return f"the credential_process of profile {name!r} cannot be started: {error.strerror}: {error.filename}"
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            return f"the credential_process of profile {name!r} printed no JSON."
        if isinstance(error, AttributeError | TypeError | KeyError):
            return f"the credential_process of profile {name!r} printed no JSON object with AccessKeyId and the rest."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {text}"


def _hint(error: Exception, session: botocore.session.Session) -> str:
    profile = _settings(session)
    if isinstance(error, SSOError | TokenRetrievalError):
        return f"Sign in again: {_command(session, 'aws sso login')}"
    if isinstance(error, LoginError):
        return f"Sign in again: {_command(session, 'aws login')}"
    if isinstance(error, MissingDependencyException):
        return "Install it: pip install 'botocore[crt]'"
    if isinstance(error, PartialCredentialsError):
        return "Set all parts of the credentials, or none of them."
    if isinstance(error, ConfigParseError | UnicodeDecodeError) and "credential_process" not in profile:
        return "Check ~/.aws/config and ~/.aws/credentials (or AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE)."
    if isinstance(error, OSError) and _token_file(profile):
        return "Check AWS_WEB_IDENTITY_TOKEN_FILE (or web_identity_token_file in the profile)."
    if "credential_process" in profile and not isinstance(error, ClientError):
        return "Run the command of credential_process by hand; it must print JSON and end with exit code 0."
    return f"`{_command(session, 'aws sts get-caller-identity')}` shows the same."


def _command(session: botocore.session.Session, command: str) -> str:
    name = _profile_name(session)
    return command if name == "default" else f"{command} --profile {name}"


def _profile_name(session: botocore.session.Session) -> str:
    return session.profile or "default"


def _settings(session: botocore.session.Session) -> Mapping[str, Any]:
    """Returns the profile's settings; none where the files cannot be read, which is then the error to report."""
    try:
        settings: Mapping[str, Any] = session.get_scoped_config()
        return settings
    except Exception:  # noqa: BLE001 - see _chain_errors
        return {}


def _token_file(profile: Mapping[str, Any]) -> str:
    return str(os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") or profile.get("web_identity_token_file") or "")


def _guard_refresh(session: botocore.session.Session, config: Config, credentials: RefreshableCredentials) -> None:
    """Make later refreshes register what they bring, and fail with an error that botocore's callers know."""
    refresh: Callable[[], Any] = credentials._refresh_using

    def guarded() -> Any:
        try:
            metadata = refresh()
        except GeopipeError as error:
            raise CredentialRetrievalError(provider=credentials.method, error_msg=error.message) from None
        except Exception as error:  # noqa: BLE001 - see _chain_errors
            known = _as_credential_error(error, session, config)
            text = f"{known.message} {known.hint}"
            raise CredentialRetrievalError(provider=credentials.method, error_msg=text) from None
        if isinstance(metadata, Mapping):
            secrets.register(*(str(metadata[key]) for key in _FILE_KEYS if metadata.get(key)))
        return metadata

    credentials._refresh_using = guarded
