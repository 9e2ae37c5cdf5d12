"""A message that the function can never handle reaches the dead-letter queue, and its callback is failed from there."""

from __future__ import annotations

from tests.support.e2e import Standing, Workplace
from tests.support.paths import ROOT

CODE = '''
import handler


def lambda_handler(event, context):
    """Steps work; a callback from the queue itself never gets anywhere."""
    records = event.get("Records", [])
    if records and not records[0]["eventSourceARN"].endswith("-dlq"):
        raise RuntimeError("cannot be handled")
    return handler.lambda_handler(event, context)
'''


def test_a_dead_letter_is_answered_with_failure(workplace: Workplace, standing: Standing) -> None:
    """Without it the execution would wait for ever."""
    folder = workplace.folder / "code"
    folder.mkdir()
    for source in (ROOT / "lambda").glob("*.py"):
        (folder / source.name).write_text(source.read_text())
    (folder / "wrapper.py").write_text(CODE)
    config = workplace.config(
        endpoint=standing.url,
        function={"source": str(folder), "handler": "wrapper.lambda_handler"},
        queue={"max_receive_count": 2, "visibility_timeout": 30},
        execution={"timeout": 60},
    )
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 3
    assert "Step vej-callback-step failed" in done.stderr
    assert "dead-letter queue" in done.stderr
    assert standing.inventory() == {}
