"""What doctor finds out without the account: packages, programs, variables, proxy and endpoint of this machine."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import urllib.request
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from urllib.parse import urlsplit

from ..aws.account import Account
from ..aws.endpoint import is_emulator, on_loopback, silent
from ..config.model import Config
from ..errors import GeopipeError
from ..events import CheckDone

# The extras of the package, what each brings, and what it is for. awslambdaric exists for Linux only.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "emulator": ("flask", "flask_cors", "moto", "py_partiql_parser"),
    "parquet": ("pyarrow",),
    "report": ("bokeh",),
}
LINUX_ONLY = {"emulator": ("awslambdaric",)}
_USES = {"parquet": "GeoParquet files", "report": "the report as a page"}
_CONNECT_SECONDS = 5.0


def check_packages(config: Config) -> Iterator[CheckDone]:
    """Look for the packages of the extras, and for Node.js if a function needs it here."""
    missing = {extra: [name for name in _packages_of(extra) if find_spec(name) is None] for extra in EXTRAS}
    if config.embedded and missing["emulator"]:
        finding = f"The emulator of this command lacks {', '.join(missing['emulator'])}."
        yield CheckDone("packages", "problem", finding, "pip install 'geopipe-runner[emulator]'")
    else:
        optional = [extra for extra in _USES if missing[extra]]
        unused = "".join(f"; without {_USES[extra]}" for extra in optional)
        advice = f"If you want them: pip install 'geopipe-runner[{','.join(optional)}]'" if optional else ""
        finding = f"Python {platform.python_version()}, boto3 {metadata.version('boto3')}{unused}."
        yield CheckDone("packages", "ok", finding, advice)
    names = [key for key, function in config.every_function.items() if (function.runtime or "").startswith("nodejs")]
    if config.target == "local" and names and shutil.which("node") is None:
        finding = f"No program `node` on the PATH, which runs the code of {', '.join(names)} offline."
        yield CheckDone("packages", "problem", finding, "Install Node.js 18 or later.")


def check_environment(config: Config) -> Iterator[CheckDone]:
    """Look at the variables that change where calls go: endpoints, proxies and certificates."""
    from ..aws.session import refuse_leaked_endpoints

    is_ignored = config.target == "local" or config.endpoint is not None
    try:
        refuse_leaked_endpoints({} if is_ignored else os.environ)
    except GeopipeError as error:
        yield CheckDone("environment", "problem", error.message, error.hint)
        return
    set_here = sorted(name for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT_URL") and value)
    notes = [f"{', '.join(set_here)} is set and has no effect here"] if set_here and is_ignored else []
    bundle = os.environ.get("AWS_CA_BUNDLE", "")
    if bundle and config.target == "aws" and not os.path.exists(bundle):  # noqa: PTH110 - as botocore looks for it
        finding = f"AWS_CA_BUNDLE names {bundle}, which does not exist."
        yield CheckDone("environment", "problem", finding, "Unset the variable, or correct the path.")
    problem, proxy = _proxy_problem(config)
    if problem:
        yield problem
    elif proxy:
        notes.append(f"calls go through the proxy {proxy}")
    elif urllib.request.getproxies() and config.target == "local":
        notes.append("the proxy variables have no effect on loopback")
    yield CheckDone("environment", "ok", f"{'; '.join(notes) or 'no variable redirects calls'}.".capitalize())


def check_endpoint(config: Config) -> CheckDone | None:
    """Find out whether the configured endpoint is there. None for AWS, which the first call reaches."""
    url = config.endpoint
    if config.embedded:
        return CheckDone("endpoint", "ok", "An emulator starts with each command.")
    if url is None:
        return None
    parts = urlsplit(url)
    place = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    refused = _connection_error(place)
    if refused and on_loopback(url):
        error = silent(url, accepts=False)
        advice = f"{error.hint}, or set `endpoint: null` for an emulator of each command's own"
        return CheckDone("endpoint", "problem", error.message, f"{advice}.")
    if refused:
        finding = f"{url} cannot be reached: {refused}."
        return CheckDone("endpoint", "problem", finding, "Correct `endpoint`, or check the network.")
    if on_loopback(url) and not is_emulator(url):
        finding = f"{url} takes connections, and is no geopipe emulator that is ready."
        return CheckDone("endpoint", "warning", finding, "Check which program listens there.")
    return CheckDone("endpoint", "ok", f"{url} responds.")


def _packages_of(extra: str) -> tuple[str, ...]:
    return (*EXTRAS[extra], *(LINUX_ONLY.get(extra, ()) if platform.system() == "Linux" else ()))


def _proxy_problem(config: Config) -> tuple[CheckDone | None, str]:
    """Return what is wrong with the proxy, and its host and port; "" where calls need none."""
    account = Account(config.account_id, config.region)
    target = urlsplit(config.endpoint or f"https://sts.{config.region}.{account.dns_suffix}")
    proxy = urllib.request.getproxies().get(target.scheme, "")
    if config.target == "local" or not proxy or urllib.request.proxy_bypass(target.hostname or ""):
        return None, ""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        place = (parts.hostname or "", parts.port or 80)
    except ValueError as error:
        advice = "Write it as http://HOST:PORT."
        return CheckDone("environment", "problem", f"{target.scheme}_proxy is no address: {error}.", advice), ""
    shown = f"{place[0]}:{place[1]}"  # the rest may be a password
    refused = _connection_error(place)
    if refused is None:
        return None, shown
    finding = f"The proxy {shown} of {target.scheme}_proxy cannot be reached: {refused}."
    return CheckDone("environment", "problem", finding, "Unset the variable, or start the proxy."), shown


def _connection_error(place: tuple[str, int]) -> str | None:
    """Return why no connection to a host and port is possible; None where it is."""
    try:
        with socket.create_connection(place, _CONNECT_SECONDS):
            return None
    except OSError as error:
        return error.strerror or str(error)
