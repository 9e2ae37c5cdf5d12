"""`schema`: the JSON Schema of a configuration."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...events import Report

POSITION = 19
HELP = "print the JSON Schema of a configuration, for editors"
DETAILS = """\
Save it, and name it in the first line of a configuration. Editors with the YAML language server then complete and
check the keys while you type:

```
python run.py schema > geopipe.schema.json
```

```yaml
# yaml-language-server: $schema=geopipe.schema.json
```

The server is part of the YAML extension of Visual Studio Code, and works with many other editors. `validate` checks
more than a schema can say."""
EXAMPLES = ("schema",)
NEEDS = "nothing"


def add_options(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(report: Report, arguments: argparse.Namespace) -> int:
    """Print the schema."""
    import json

    from ...config.schema import editor_schema
    from ...events import TextPrinted

    report.emit(TextPrinted(json.dumps(editor_schema(), indent=2)))
    return 0
