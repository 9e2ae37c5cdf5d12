"""Installs AWS clients that others have written, each into an environment of its own below `build/clients`.

    python -m tests.support.clients.install

It needs PyPI and the npm registry. What is there already stays, unless its requirements here have changed. AWS CLI 2 is
missing: AWS publishes it as an installer, and not on PyPI.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "build" / "clients"

# By the name of the environment. Versions are the newest ones of a major version, as users have them.
PYTHON_CLIENTS = {
    "aws-cli-1": ["awscli>=1.46,<2"],
    "sagemaker-sdk-2": ["sagemaker>=2.257,<3"],
    "sagemaker-sdk-3": ["sagemaker>=3.27,<4"],
}
JAVASCRIPT_CLIENT = "javascript-sdk-3"
JAVASCRIPT_PACKAGES = [
    f"@aws-sdk/client-{service}@3" for service in ("cloudwatch-logs", "iam", "lambda", "s3", "sagemaker", "sqs", "sts")
]
# It appears last, so that an installation that was interrupted begins again.
_COMPLETE = "requirements.json"


def environment(name: str) -> Path:
    """Return the folder of a client. Raises FileNotFoundError if it is not installed."""
    folder = FOLDER / name
    if not (folder / _COMPLETE).is_file():
        raise FileNotFoundError(f"{name} is not installed. Run `make client-test`, or python -m {__spec__.name}")
    return folder


def install() -> None:
    for name, requirements in PYTHON_CLIENTS.items():
        if _is_wanted(name, requirements):
            folder = FOLDER / name
            _run(sys.executable, "-m", "venv", "--clear", str(folder))
            _run(str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *requirements)
            _complete(name, requirements)
    if shutil.which("npm") is None:
        print(f"{JAVASCRIPT_CLIENT}: not installed, because npm is not on the PATH", file=sys.stderr)
    elif _is_wanted(JAVASCRIPT_CLIENT, JAVASCRIPT_PACKAGES):
        folder = FOLDER / JAVASCRIPT_CLIENT
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        _run("npm", "install", "--prefix", str(folder), *options, *JAVASCRIPT_PACKAGES)
        _complete(JAVASCRIPT_CLIENT, JAVASCRIPT_PACKAGES)


def _is_wanted(name: str, requirements: list[str]) -> bool:
    try:
        installed = json.loads((FOLDER / name / _COMPLETE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        installed = None
    if installed == requirements:
        return False
    print(f"{name}: installing {' '.join(requirements)} into {FOLDER / name} ...", flush=True)
    return True


def _complete(name: str, requirements: list[str]) -> None:
    (FOLDER / name / _COMPLETE).write_text(json.dumps(requirements), encoding="utf-8")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed with exit code {done.returncode}. The clients need PyPI and npm.")


if __name__ == "__main__":
    install()
