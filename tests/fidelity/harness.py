"""Records how AWS answers, on an account that you name.

    python -m tests.fidelity.harness CONFIG [--account ID] [--only SCENARIO ...] [--folder DIR]

CONFIG describes a deployment that does not exist yet. The scenarios set it up, change it by hand, let it fail, stop it
and delete it, and the shapes of all requests and answers are saved in tests/emulator/recorded/ (or in DIR). Names,
account ids, tokens and contents are not recorded. `--account` replaces the question for the account id.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
from pathlib import Path

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from geopipe_runner.config import Config, load
from geopipe_runner.errors import GeopipeError
from tests.support.fidelity.recording import FOLDER, Recording, read_calls, save
from tests.support.fidelity.scenarios import SCENARIOS, ScenarioError, play, prepared, resources_that_exist

_REFUSED, _FAILED = 5, 1


def main() -> int:
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="geopipe-aws-test-") as name:
        folder = Path(name)
        try:
            path = prepared(options.config, folder)
            config = load(path, {})
            account = account_of(config)
            print(announcement(config, account))
            if not _is_agreed(account, options.account):
                print("Nothing was created: the account id differs.", file=sys.stderr)
                return _REFUSED
            if existing := resources_that_exist(path):
                print(f"The deployment exists already ({existing}). Take one that does not.", file=sys.stderr)
                return _REFUSED
            calls = folder / "calls"
            for scenario in play(path, calls, tuple(options.only or SCENARIOS)):
                print(f"{scenario} ...", flush=True)
        except GeopipeError as problem:
            print(problem, file=sys.stderr)
            return problem.exit_code
        except (BotoCoreError, ClientError, ScenarioError) as problem:
            print(problem, file=sys.stderr)
            return _FAILED
        recording = Recording(datetime.date.today().isoformat(), config.region, read_calls(calls))
        options.folder.mkdir(parents=True, exist_ok=True)
        print(f"Saved {len(recording.calls)} different calls in {save(recording, options.folder)}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--account", help="the account id, in place of the question")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, help="play only these scenarios")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to save the recording")
    return parser


def account_of(config: Config) -> str:
    """Returns the id of the account that the credentials belong to. Raises botocore's errors."""
    session = botocore.session.Session(profile=config.profile)
    if config.target == "local":
        session.set_credentials("test", "test")
    sts = session.create_client("sts", region_name=config.region, endpoint_url=config.endpoint)
    return str(sts.get_caller_identity()["Account"])


def announcement(config: Config, account: str) -> str:
    """Returns what will happen and what it costs, as far as it is known."""
    return (
        f"In account {account}, region {config.region}, this creates the resources of deployment "
        f"{config.deployment!r}, runs its pipeline about six times, and deletes everything.\n"
        f"You pay for three jobs of kind {config.job.kind!r} on the whole input, for some minutes of Lambda, and for "
        f"some thousand requests. Take a small input. It takes about half an hour."
    )


def _is_agreed(account: str, given: str | None) -> bool:
    if given is None:
        given = input("Type the account id to continue: ")
    return given.strip() == account


if __name__ == "__main__":
    sys.exit(main())
