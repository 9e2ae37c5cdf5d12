"""`doctor`: what around a deployment keeps a run from working."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 17
HELP = "check this machine and the account, and say what to do about each problem"
DETAILS = """\
It checks packages, variables and proxies, the endpoint, credentials, the clock, permissions, whether the account may
use the job's service, and quotas. It reads everything that a plan reads, asks IAM's simulator about changes, and
changes nothing. Each line begins with `ok`,
`warning`, `problem` or `skipped`; only a problem keeps a run from working, and then the exit code is 1.
[Troubleshoot](../how-to/troubleshoot.md) shows an example."""
EXAMPLES = ("doctor config/us-west-2.yaml", "doctor config/local.yaml --output json", "doctor --all team")
NEEDS = "files"
SEVERAL = "read"
COLUMNS = ()


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Report each check. Raises TemplateError or ConfigError for what `validate` refuses."""
    from ...stages import doctor

    return 0 if doctor.examine(session) else 1
