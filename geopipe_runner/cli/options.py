"""The options that several commands share, and the types of their values."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta
from pathlib import Path
from typing import cast, get_args

from ..config.messages import nearest
from ..config.model import CleanupItem, CleanupPolicy

CHANGES_PENDING = 4

# Deployments at the same time. A deployment makes up to 20 calls at the same time; AWS throttles writes earlier.
JOBS_THAT_READ = 25
JOBS_THAT_WRITE = 10
MOST_JOBS = 100

# In seconds. No execution or log line is older, and a moment this long ago is after 1970, as CloudWatch wants it.
LONGEST_DURATION = 10 * 365 * 24 * 3600

# What the program asks of every command, whether or not it has the option.
DEFAULTS: dict[str, object] = {
    "adopt": [],
    "all": [],
    "configs": [],
    "cleanup": None,
    "confirm": [],
    "detailed_exitcode": False,
    "execution": None,
    "force_unlock": False,
    "jobs": None,
    "new": False,
    "only": [],
    "output": "text",
    "output_dir": None,
    "plan_out": None,
    "prune": False,
    "saved_plan": None,
    "yes_cost": False,
}


def add_general_options(parser: argparse.ArgumentParser, *, with_config: bool, several: bool = False) -> None:
    """Add what every command has, and the configurations that most commands are about.

    The parser of the program sees to it that there is one, or with `several` at least one.
    """
    parser.set_defaults(**DEFAULTS)
    if with_config:
        what = "the YAML file that describes the deployment, such as config/local.yaml"
        if several:
            what += "; also several files, and patterns in quotes"
        parser.add_argument("configs", metavar="CONFIG", nargs="*", help=what)
        if several:
            _add_several(parser)
        parser.add_argument(
            "--only",
            action="extend",
            type=lambda text: text.split(","),
            default=[],
            metavar="NAME",
            help="of the deployments in the configuration, the one with this name"
            + (" (or a pattern in quotes); for several, repeat it or separate them with commas" if several else ""),
        )
        parser.add_argument(
            "--set",
            dest="settings",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="use this value in place of the configuration's, such as job.workers=4; repeat it for several",
        )
    parser.add_argument("--non-interactive", action="store_true", help="ask no questions and never read standard input")
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="show each AWS call on standard error, and each changed file of the code in a plan",
    )


def _add_several(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--all",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="every configuration in this folder and below, except those that others extend",
    )
    parser.add_argument(
        "--jobs",
        type=_jobs,
        metavar="N",
        help=f"how many of several deployments are worked on at the same time (default: {JOBS_THAT_READ} for commands "
        f"that only read, {JOBS_THAT_WRITE} for the others)",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        choices=("text", "json"),
        default="text",
        help="json: print one JSON object per event and ask no questions",
    )


def add_output_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="save the results and a report in this folder")


def add_cleanup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cleanup",
        type=cleanup_policy,
        metavar="POLICY",
        help="what to delete: ask, all, none, or a list such as pipeline,queue; overrides the configuration",
    )


def add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prune", action="store_true", help="delete resources that earlier configurations left behind")


def add_confirm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--confirm",
        action="append",
        type=_deployment_name,
        default=[],
        metavar="NAME",
        help="the name of the deployment, to delete without a question what `protect: true` protects",
    )


def add_force_unlock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--force-unlock",
        action="store_true",
        help="take the lock of the deployment from another command, which must not be running any more; also if "
        "nothing else is to be changed",
    )


def add_execution(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--execution",
        metavar="ID",
        help="the execution: its ARN, the end of its ARN, or its run id (default: the latest)",
    )


def add_detailed_exitcode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help=f"exit with {CHANGES_PENDING} if the plan has changes"
    )


def add_plan_options(parser: argparse.ArgumentParser, *more_names: str) -> None:
    """Add what commands have that make a plan. `more_names` are other spellings of `--plan-out`."""
    parser.add_argument(
        "--adopt",
        action="extend",
        type=lambda text: text.split(","),
        default=[],
        metavar="KEY",
        help="take over an existing resource that does not belong to this deployment (queue, bucket, ...); clean-up "
        "keeps it; for several, repeat the option or separate the keys with commas",
    )
    parser.add_argument(
        "--plan-out",
        *more_names,
        dest="plan_out",
        type=Path,
        metavar="FILE",
        help="save the plan as JSON in this file, for `apply FILE`",
    )


def cleanup_policy(text: str) -> CleanupPolicy:
    """Parse a clean-up policy: ask, all, none, or a list of what to delete."""
    if text in ("ask", "all", "none"):
        return cast("CleanupPolicy", text)
    known = get_args(CleanupItem)
    items = tuple(item.strip() for item in text.split(","))
    unknown = [item for item in items if item not in known]
    if unknown:
        near = nearest(unknown[0], ("ask", "all", "none", *known))
        guess = f"did you mean {near!r}? " if near else ""
        raise argparse.ArgumentTypeError(
            f"unknown {', '.join(map(repr, unknown))}; {guess}valid are ask, all, none, or a list of {', '.join(known)}"
        )
    return cast("tuple[CleanupItem, ...]", items)


def _jobs(text: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_JOBS}")
    return int(text)


def _deployment_name(text: str) -> str:
    """Parse the name of a deployment. It is empty where a script names a variable that is not set."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; give the name of the deployment")
    return text


def duration(text: str) -> timedelta:
    """Parse `90s`, `10m` or `2h`."""
    match = re.fullmatch(r"([0-9]{1,9})([smh])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write it as 90s, 10m or 2h")
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
    if seconds > LONGEST_DURATION:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than ten years, {LONGEST_DURATION // 3600}h")
    return timedelta(seconds=seconds)


def reason(text: str) -> str:
    """Parse the reason of a failure, which must say something."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; give a reason, for people who read the execution later")
    return text
