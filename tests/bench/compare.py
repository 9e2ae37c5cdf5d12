"""Compares how long two checkouts take for the same commands, as a user waits for them.

    python -m tests.bench.compare OLD NEW [--runs 5] [--milliseconds 50]

OLD and NEW are folders of checkouts. Each command is a fresh process with the Python that runs this program. The
checkouts take turns, so that a slow phase of the machine hits both. `no-op at 50 ms` plans and applies against the
checkout's own standing emulator, which delays each API call; everything exists already. Prints the medians and how
much slower NEW is. The exit code is 1 if a command is more than 5 % slower. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

LOCAL = "config/local.yaml"
COMMANDS = {
    "run": ("run.py", LOCAL, "--non-interactive", "--cleanup=all"),
    "--dry-run": ("run.py", LOCAL, "--dry-run"),
    "validate": ("run.py", "validate", LOCAL),
}
MOST_SLOWER = 0.05


def main(arguments: Sequence[str] | None = None) -> int:
    """Time both checkouts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW")
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each command (default: 5)")
    parser.add_argument("--milliseconds", type=float, default=50, help="delay of each call for no-op (default: 50)")
    options = parser.parse_args(arguments)
    old, new = options.old.resolve(), options.new.resolve()
    with ExitStack() as stack:
        commands = {}
        for checkout in (old, new):
            config = stack.enter_context(deployed(checkout, options.milliseconds))
            no_op = ("-m", "tests.bench.reconcile", "--set-up", str(config))
            commands[checkout] = {**COMMANDS, f"no-op at {options.milliseconds:g} ms": no_op}
        seconds = measure(commands, options.runs)
    return print_table(seconds, old, new)


def measure(commands: Mapping[Path, Mapping[str, Sequence[str]]], runs: int) -> dict[tuple[Path, str], list[float]]:
    """Returns the seconds of each run by checkout and command. The first round only warms up."""
    seconds: dict[tuple[Path, str], list[float]] = {}
    for round_number in range(runs + 1):
        for name in next(iter(commands.values())):
            # The order changes from round to round, so that neither checkout always comes after the other.
            checkouts = list(commands) if round_number % 2 else list(commands)[::-1]
            for checkout in checkouts:
                start = time.perf_counter()
                run_in(checkout, commands[checkout][name])
                if round_number:
                    seconds.setdefault((checkout, name), []).append(time.perf_counter() - start)
    return seconds


def print_table(seconds: Mapping[tuple[Path, str], Sequence[float]], old: Path, new: Path) -> int:
    """Print the medians; returns 1 if a command of the new checkout is too slow."""
    print(f"{'median, seconds':20}{'old':>8}{'new':>8}{'change':>9}    old, new: each run")
    too_slow = False
    for name in dict.fromkeys(name for _, name in seconds):
        before, after = (statistics.median(seconds[checkout, name]) for checkout in (old, new))
        change = after / before - 1
        too_slow |= change > MOST_SLOWER
        each = "   ".join(" ".join(f"{value:.2f}" for value in seconds[checkout, name]) for checkout in (old, new))
        print(f"{name:20}{before:8.2f}{after:8.2f}{change:+9.1%}    {each}")
    return 1 if too_slow else 0


@contextmanager
def deployed(checkout: Path, milliseconds: float) -> Iterator[Path]:
    """Start the checkout's emulator with a delay, deploy to it, and give the configuration."""
    with tempfile.TemporaryDirectory() as folder:
        emulator = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.latency", "--milliseconds", str(milliseconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=checkout,
            env=environment(checkout),
        )
        assert emulator.stdin is not None
        assert emulator.stdout is not None
        try:
            config = write_config(checkout, Path(folder), emulator.stdout.readline().strip())
            run_in(checkout, ("-m", "tests.bench.reconcile", "--set-up", str(config)))
            yield config
        finally:
            emulator.stdin.close()
            emulator.wait(30)


def write_config(checkout: Path, folder: Path, url: str) -> Path:
    """Write the checkout's config/local.yaml for the emulator at `url`."""
    settings = yaml.safe_load((checkout / LOCAL).read_text(encoding="utf-8"))
    settings["endpoint"] = url
    settings["function"]["source"] = str(checkout / "lambda")
    settings["pipeline"]["template"] = str(checkout / "pipeline_templates/reverse_geocoding.json.j2")
    settings["input"]["source"] = str(checkout / "resources/latlongtest.csv")
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def run_in(checkout: Path, command: Sequence[str]) -> None:
    """Run a command of the checkout to its end. Raises SystemExit with its output if it fails."""
    done = subprocess.run(
        [sys.executable, *command], cwd=checkout, env=environment(checkout), capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{checkout}: {' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")


def environment(checkout: Path) -> dict[str, str]:
    """Returns the environment without the user's AWS settings, with the checkout's modules first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": str(checkout)}


if __name__ == "__main__":
    sys.exit(main())
