"""The command line's words: commands, options, and what is wrong with them. Nothing is done here."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import cast, get_args

from . import __version__
from .config.model import CleanupItem, CleanupPolicy
from .config.wording import nearest

EXECUTION_COMMANDS = ("status", "resume", "stop", "retry", "rescue", "logs", "results")
COMMANDS = ("run", "plan", "validate", "cleanup", "hello", *EXECUTION_COMMANDS)
CHANGES_PENDING = 4

_TAKE_A_VALUE = (
    "--adopt",
    "--cleanup",
    "--execution",
    "--fail",
    "--older-than",
    "--output",
    "--output-dir",
    "--plan-out",
    "--run",
)

_EPILOG = """\
exit codes:
  0    done
  1    AWS, the emulator or this machine failed
  2    usage, configuration or template
  3    the pipeline execution failed, stopped or timed out
  4    changes are pending (--dry-run --detailed-exitcode)
  5    refused: not ours, the wrong account, or an execution that is not in the state for it
  130  interrupted: Ctrl-C, SIGTERM, or the input or the output ended
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was asked for. Raises SystemExit after printing help, version or what is wrong."""
    parser = _parser()
    if not arguments:
        parser.error("name a configuration, such as config/local.yaml; --help shows the commands")
    parsed, left = parser.parse_known_args(_with_command(list(arguments)))
    if left:
        parser.error(_too_much(arguments, left))
    if parsed.command == "run" and parsed.detailed_exitcode and not parsed.dry_run:
        parser.error("--detailed-exitcode is about a plan: use it with --dry-run, or with the command plan")
    return parsed


def _too_much(arguments: Sequence[str], left: Sequence[str]) -> str:
    """What is wrong where more was said than a command takes. A wrong command is taken for a configuration at first."""
    at = _first_word(arguments)
    word = "" if at is None else arguments[at]
    if word.isalpha() and word not in COMMANDS and not any(more.startswith("-") for more in left):
        near = nearest(word, COMMANDS)
        return f'there is no command "{word}"; ' + (
            f'did you mean "{near}"?' if near else f"use one of {', '.join(COMMANDS)}"
        )
    return f"unrecognized arguments: {' '.join(left)}"


def _with_command(arguments: list[str]) -> list[str]:
    """The command first, wherever it stands; `run.py CONFIG` means `run.py run CONFIG`."""
    if not arguments or arguments[0] in ("-h", "--help", "--version"):
        return arguments
    at = _first_word(arguments)
    if at is None or arguments[at] not in COMMANDS:
        return ["run", *arguments]
    return [arguments[at], *arguments[:at], *arguments[at + 1 :]]


def _first_word(arguments: Sequence[str]) -> int | None:
    """Where the first argument is that is neither an option nor an option's value."""
    for at, argument in enumerate(arguments):
        if argument == "--":
            return None
        if not argument.startswith("-") and (at == 0 or arguments[at - 1] not in _TAKE_A_VALUE):
            return at
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="geopipe",
        description="Reconcile, run and clean up a SageMaker pipeline with Lambda and Callback steps,\n"
        "on AWS or offline. `run.py CONFIG` is short for `run.py run CONFIG`.\n"
        "Options may stand before the command.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"geopipe {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = _command(commands, "run", "plan, set up, execute, show the results, clean up (the default command)")
    run.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    run.add_argument("--output-dir", type=Path, metavar="DIR", help="save the results there")
    run.add_argument("--new", action="store_true", help="start another execution beside an unfinished one")
    plan = _command(commands, "plan", "show the plan and change nothing (like run --dry-run)")
    for command in (run, plan):
        command.add_argument(
            "--detailed-exitcode", action="store_true", help=f"with a plan: exit {CHANGES_PENDING} when it has changes"
        )
        command.add_argument(
            "--adopt",
            action="extend",
            type=lambda text: text.split(","),
            default=[],
            metavar="KEY",
            help="take over a resource of that name which is not ours (queue, bucket, ...); clean-up leaves it",
        )
        command.add_argument("--plan-out", type=Path, metavar="FILE", help="save the plan there as JSON")
    validate = _command(commands, "validate", "check the configuration and the template; no calls at all")
    cleanup = _command(commands, "cleanup", "delete what is this deployment's")
    cleanup.add_argument("--dry-run", action="store_true", help="show what would be deleted")
    executions = _execution_commands(commands)
    resume, retry = executions["resume"], executions["retry"]
    for command in (resume, retry, executions["results"]):
        command.add_argument("--output-dir", type=Path, metavar="DIR", help="save the results there")
    for command in (run, plan, cleanup):
        command.add_argument("--prune", action="store_true", help="delete what earlier configurations left behind")
    for command in (run, cleanup, resume, retry):
        command.add_argument(
            "--cleanup",
            type=_policy,
            metavar="POLICY",
            help="ask, all, none, or a list such as pipeline,queue; overrides the configuration",
        )
    for command in (run, plan, validate, cleanup, *executions.values()):
        command.add_argument(
            "--output", choices=("text", "json"), default="text", help="json: one object per event, no questions"
        )
    _command(commands, "hello", "Hello SageMaker: list up to five notebook instances")
    return parser


def _execution_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> dict[str, argparse.ArgumentParser]:
    made = {
        "status": _command(commands, "status", "show the latest execution, or another one: its steps, why it failed"),
        "resume": _command(commands, "resume", "go on with an execution: follow it, show its results, clean up"),
        "stop": _command(commands, "stop", "stop an execution and see its callbacks answered"),
        "retry": _command(commands, "retry", "run the steps again that did not succeed, and go on as resume does"),
        "logs": _command(commands, "logs", "show what the function logged while an execution ran"),
    }
    for command in made.values():
        command.add_argument(
            "--execution", metavar="ID", help="its ARN, the end of its ARN, or its run id (default: the latest)"
        )
    results = _command(commands, "results", "show the results of the latest run that succeeded, or of another one")
    results.add_argument(
        "--run", dest="execution", metavar="ID", help="its run id, or its execution's ARN (default: the latest)"
    )
    rescue = _command(commands, "rescue", "show callbacks that wait too long, with the state of their job; end them")
    rescue.add_argument(
        "--older-than",
        type=_duration,
        default=timedelta(minutes=10),
        metavar="TIME",
        help="how long is too long: 90s, 10m (the default), 2h",
    )
    answer = rescue.add_mutually_exclusive_group()
    answer.add_argument("--fail", type=_reason, metavar="REASON", help="answer them with a failure")
    answer.add_argument("--succeed", action="store_true", help="answer them with a success, without outputs")
    return made | {"rescue": rescue, "results": results}


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; say why, for whoever looks at the execution later")
    return text


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+)([smh])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write it as 90s, 10m or 2h")
    return timedelta(seconds=int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]])


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # what a script abbreviates means something else once there are more options
    )
    command.add_argument("config", metavar="CONFIG", help="the YAML file that says everything, e.g. config/local.yaml")
    command.add_argument("--non-interactive", action="store_true", help="never ask, never read standard input")
    command.add_argument("--verbose", action="store_true", help="show each AWS call on standard error")
    return command


def _policy(text: str) -> CleanupPolicy:
    if text in ("ask", "all", "none"):
        return cast("CleanupPolicy", text)
    known = get_args(CleanupItem)
    items = tuple(item.strip() for item in text.split(","))
    unknown = [item for item in items if item not in known]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown {', '.join(map(repr, unknown))}; valid are ask, all, none, or a list of {', '.join(known)}"
        )
    return cast("tuple[CleanupItem, ...]", items)
