"""`open`: where the resources are in the console."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 18
HELP = "print the addresses of the resources in AWS's console, and open the pipeline's"
DETAILS = """\
It calls nothing, so a resource of the list need not exist yet. Sign in to the right account first. With an endpoint on
this machine, the addresses are those of the emulator's console. On a terminal, the command opens one page in the
browser: the pipeline's, that of `--resource`, or the emulator's overview. `--print` opens nothing, and for several
deployments nothing is opened either."""
EXAMPLES = (
    "open config/us-west-2.yaml",
    "open config/us-west-2.yaml --resource queue --print",
    "open fleet.yaml --resource pipeline",
)
NEEDS = "config"
SEVERAL = "read"
COLUMNS = ()


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--resource", metavar="KEY", help="only the page of this resource: queue, function, bucket, ..."
    )
    parser.add_argument("--print", dest="only_print", action="store_true", help="only print, and open no browser")
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Print the addresses; on a terminal, open one. Raises UsageError, or AwsError if no emulator listens."""
    from ...report.text.style import is_terminal
    from ...stages import console_links

    url = console_links.show(session, arguments.resource)
    is_watched = is_terminal(sys.stdout) and arguments.output == "text" and session.options.interactive
    if is_watched and not arguments.only_print and _has_screen():
        import webbrowser

        webbrowser.open(url)
    return 0


def _has_screen() -> bool:
    """Whether a browser can show a window. A browser for text would take the terminal."""
    names = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform == "darwin" or any(os.environ.get(name) for name in names)
