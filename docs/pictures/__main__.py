"""`make pictures`: draws the pictures of the README. It needs graphviz.

`pipeline.png` is the graph of the steps in our pipeline template, `workflow.png` the resources of a deployment and what
passes between them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from .graphs import ROOT, SOURCES
from .png import with_source


def main() -> None:
    """Draw all pictures."""
    if not shutil.which("dot"):
        sys.exit("graphviz is not installed. On Debian and Ubuntu: apt install graphviz fonts-liberation")
    for name, source in SOURCES.items():
        drawn = subprocess.run(["dot", "-n2", "-Tpng"], input=source().encode(), stdout=subprocess.PIPE, check=True)
        path = ROOT / "resources" / name
        path.write_bytes(with_source(drawn.stdout, source()))
        print(f"resources/{name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
