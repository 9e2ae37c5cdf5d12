"""Credentials that cannot work end in one line before the first call, for every fault."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from geopipe_runner.aws import secrets
from geopipe_runner.aws.clients import connect
from geopipe_runner.aws.session import make_session
from geopipe_runner.config import Config
from geopipe_runner.errors import AwsError, GeopipeError, InterruptedByUser, RefusedError
from tests.support.kinds import ACCOUNT, Hurried, write_config

pytestmark = pytest.mark.slow

ACCESS_KEY, SECRET_KEY, TOKEN = (
    "AKIAEXAMPLE",
    "an/example+of=a/secret",
    "IQoJb3JpZ2luX2VjEXAMPLE",
)
UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    import os

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield
    secrets.forget_all()


class FakeSts(BaseHTTPRequestHandler):
    """Answers GetCallerIdentity and AssumeRole, and keeps what was called."""

    calls: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        action = parse_qs(body)["Action"][0]
        self.calls.append(action)
        identity = f"<Arn>arn:aws:iam::{ACCOUNT}:user/u</Arn><UserId>u</UserId><Account>{ACCOUNT}</Account>"
        role = (
            f"<Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>{SECRET_KEY}2"
            f"</SecretAccessKey><SessionToken>{TOKEN}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
            f"</Credentials>"
        )
        result = role if action == "AssumeRole" else identity
        page = (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>{result}'
            f"</{action}Result></{action}Response>"
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def sts() -> Iterator[tuple[str, list[str]]]:
    calls: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Sts", (FakeSts,), {"calls": calls}))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", calls
    server.shutdown()
    server.server_close()


def aws_config(folder: Path, endpoint: str | None = UNREACHABLE, **changes: object) -> Config:
    return write_config(folder, "aws", endpoint, target="aws", **changes)


def write_profile(folder: Path, text: str, name: str = "config") -> None:
    (folder / ".aws").mkdir(exist_ok=True)
    (folder / ".aws" / name).write_text(text, encoding="utf-8")


def failure(config: Config, *, interactive: bool = True) -> GeopipeError:
    with pytest.raises(GeopipeError) as caught:
        make_session(config, config.endpoint, interactive=interactive)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY + "\r", "ends with a carriage return"),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY + "\n", "ends with a line feed"),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY + "\r\n", "ends with a line feed"),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY + "\r", "ends with a carriage return"),
        ("AWS_ACCESS_KEY_ID", "\ufeff" + ACCESS_KEY, "begins with a byte order mark"),
        ("AWS_SESSION_TOKEN", TOKEN + " ", "ends with a space"),
        ("AWS_SESSION_TOKEN", TOKEN[:9] + "\n" + TOKEN[9:], "contains a line feed"),
        ("AWS_SESSION_TOKEN", TOKEN + "\u2026", "the character U+2026"),
    ],
)
def test_a_variable_with_a_stray_character_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, fault: str
) -> None:
    for variable, good in (("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)):
        monkeypatch.setenv(variable, good)
    monkeypatch.setenv(name, value)
    error = failure(aws_config(tmp_path))
    assert error.exit_code == 1
    assert error.message.startswith(f"{name} ") and fault in error.message
    assert not any(secret in str(error) for secret in (SECRET_KEY, TOKEN, ACCESS_KEY))


@pytest.mark.parametrize("key", ["aws_secret_access_key", "aws_access_key_id", "aws_session_token"])
@pytest.mark.parametrize("file", ["credentials", "config"])
def test_a_file_with_a_stray_character_is_named(tmp_path: Path, key: str, file: str) -> None:
    values = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "aws_session_token": TOKEN}
    values[key] = "\u200b" + values[key]
    write_profile(tmp_path, "[default]\n" + "".join(f"{name} = {text}\n" for name, text in values.items()), file)
    error = failure(aws_config(tmp_path))
    assert f"{key} of profile 'default' in ~/.aws/{file} begins with the character U+200B" in error.message
    assert values[key] not in str(error)


MISSING_TOOL = "[default]\ncredential_process = /no/such/tool --flag\n"


@pytest.mark.parametrize(
    ("profile", "message", "hint"),
    [
        (MISSING_TOOL, "credential_process of profile 'default' cannot be started", "by hand"),
        ("[default]\ncredential_process = sh -c 'echo wrong >&2; exit 3'\n", "wrong", "by hand"),
        ("[default]\ncredential_process = echo hello\n", "printed no JSON", "by hand"),
        ("[default]\ncredential_process = echo []\n", "printed no JSON object", "by hand"),
        ("[default]\ncredential_process = echo '{\"Version\": 1}'\n", "AccessKeyId", "by hand"),
        ("[default]\ncredential_process = echo '{\"Version\": 7}'\n", "Unsupported version", "by hand"),
        ("[default]\ncredential_process = sh -c 'printf \"\\377\"'\n", "printed no JSON", "by hand"),
        (
            "[default]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = /no/such/token\n",
            "the web identity token file /no/such/token cannot be read",
            "web_identity_token_file",
        ),
        ("[default]\nweb_identity_token_file = /no/such/token\n", "no role ARN", ""),
        ("[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = missing\n", "missing", ""),
        ("[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = default\n", "", ""),
        ("[default]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Nowhere\n", "Nowhere", ""),
        ("[default]\naws_access_key_id = AKIAEXAMPLE\n", "Partial credentials", "Set all parts"),
        ("[default\nx\n", "Unable to parse config file", "~/.aws/config"),
        (
            "[default]\nsso_start_url = https://x\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n",
            "",
            "aws sso login",
        ),
        (
            "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
            "[sso-session s]\nsso_start_url = https://x\nsso_region = us-east-1\n",
            "",
            "Sign in again: aws sso login",
        ),
    ],
)
def test_every_failure_of_the_chain_is_one_line(tmp_path: Path, profile: str, message: str, hint: str) -> None:
    write_profile(tmp_path, profile)
    error = failure(aws_config(tmp_path))
    assert isinstance(error, AwsError) and error.exit_code == 1
    assert error.message.startswith("The AWS credentials cannot be loaded: ") and message in error.message
    assert hint in error.hint


def test_the_sign_in_command_names_the_profile(tmp_path: Path) -> None:
    write_profile(
        tmp_path,
        "[profile dev]\nsso_start_url = https://x\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n",
    )
    assert "aws sso login --profile dev" in failure(aws_config(tmp_path, profile="dev")).hint


def test_a_login_profile_names_what_to_do(tmp_path: Path) -> None:
    """Without botocore[crt] the library is missing; with it the session is."""
    write_profile(tmp_path, "[profile dev]\nlogin_session = arn:aws:iam::1:user/u\nregion = us-west-2\n")
    hint = failure(aws_config(tmp_path, profile="dev")).hint
    assert hint in ("Install it: pip install 'botocore[crt]'", "Sign in again: aws login --profile dev")


def test_a_file_that_is_not_text_is_one_line(tmp_path: Path) -> None:
    write_profile(tmp_path, "")
    (tmp_path / ".aws" / "credentials").write_bytes(b"[default]\naws_access_key_id = \xff\xfe\n")
    assert "cannot be loaded" in failure(aws_config(tmp_path)).message


MFA = (
    f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    "[profile admin]\nrole_arn = arn:aws:iam::1:role/admin\nsource_profile = default\n"
    "mfa_serial = arn:aws:iam::1:mfa/me\n"
)


def test_an_mfa_code_is_not_asked_for_when_no_one_can_answer(tmp_path: Path) -> None:
    write_profile(tmp_path, MFA)
    error = failure(aws_config(tmp_path, profile="admin"), interactive=False)
    assert isinstance(error, RefusedError)
    assert "arn:aws:iam::1:mfa/me" in error.message and "AWS_SESSION_TOKEN" in error.hint


def test_an_input_that_ends_at_the_mfa_question_is_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_of_input(_prompt: str) -> str:
        raise EOFError

    write_profile(tmp_path, MFA)
    monkeypatch.setattr("getpass.getpass", end_of_input)
    with pytest.raises(InterruptedByUser, match="MFA"):
        make_session(aws_config(tmp_path, profile="admin"), UNREACHABLE)


def test_a_profiles_role_is_assumed_at_the_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sts: tuple[str, list[str]]
) -> None:
    """Nothing but the configuration names the endpoint, and AWS itself cannot be reached from here."""
    url, calls = sts
    write_profile(tmp_path, MFA)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "123456")
    aws = connect(aws_config(tmp_path, url, profile="admin"), url, lambda _text: None, Hurried())
    assert calls == ["AssumeRole", "GetCallerIdentity"]
    assert aws.account.account_id == ACCOUNT
    assert secrets.redact(f"{SECRET_KEY}2 {TOKEN} ASIAEXAMPLE") == "(hidden) (hidden) (hidden)"


PROFILES_WITH_ENDPOINTS = [
    ("[default]\nendpoint_url = http://127.0.0.1:9\n", "endpoint_url of profile 'default'"),
    (
        "[default]\nservices = local\n[services local]\ns3 =\n  endpoint_url = http://127.0.0.1:9\n",
        "endpoint_url of s3 in services 'local' of profile 'default'",
    ),
]
KEYS = f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"


@pytest.mark.parametrize(("profile", "name"), PROFILES_WITH_ENDPOINTS)
def test_an_endpoint_in_a_profile_is_refused(tmp_path: Path, profile: str, name: str) -> None:
    write_profile(tmp_path, profile.replace("[default]\n", f"[default]\n{KEYS}"))
    error = failure(aws_config(tmp_path, None))
    assert isinstance(error, RefusedError)
    assert error.message == f"{name} would redirect calls meant for AWS. Nothing was done."


@pytest.mark.parametrize(("profile", "name"), PROFILES_WITH_ENDPOINTS)
def test_an_endpoint_in_a_profile_that_ignores_it_is_fine(tmp_path: Path, profile: str, name: str) -> None:
    ignoring = f"[default]\n{KEYS}ignore_configured_endpoint_urls = true\n"
    write_profile(tmp_path, profile.replace("[default]\n", ignoring))
    config = aws_config(tmp_path, None)
    assert make_session(config, None).get_credentials().access_key == ACCESS_KEY


def test_the_endpoint_of_another_profile_does_not_matter(tmp_path: Path) -> None:
    write_profile(tmp_path, f"[default]\n{KEYS}[profile other]\nendpoint_url = http://127.0.0.1:9\n")
    assert make_session(aws_config(tmp_path, None), None).get_credentials().access_key == ACCESS_KEY
