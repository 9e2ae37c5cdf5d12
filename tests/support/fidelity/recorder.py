"""Writes down every AWS call of a botocore session, as a line of JSON each."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.support.fidelity.call_shapes import describe, template
from tests.support.fidelity.recording import RecordedCall

_STARTED = "recorded_call_started"
_PARAMETERS = "recorded_call_parameters"


class CallRecorder:
    """Appends the calls of one scenario to a file, from any thread. `began` is a time of the clock `time.time`."""

    def __init__(self, path: Path, scenario: str, began: float) -> None:
        self._path = path
        self._scenario = scenario
        self._began = began
        self._lock = threading.Lock()

    def register(self, session: Any) -> None:
        """Record the calls of all clients that the botocore session will create."""
        session.register("before-parameter-build", self._asked)
        session.register("after-call", self._answered)

    def _asked(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[_STARTED] = time.time()
        context[_PARAMETERS] = params

    def _answered(self, http_response: Any, parsed: dict[str, Any], model: Any, context: Any, **_: Any) -> None:
        now = time.time()
        started, parameters = context.get(_STARTED, now), context.get(_PARAMETERS, {})
        error = parsed.get("Error", {}) if http_response.status_code >= 300 else {}
        response = {name: value for name, value in parsed.items() if name not in ("ResponseMetadata", "Error")}
        call = RecordedCall(
            scenario=self._scenario,
            service=model.service_model.service_name,
            operation=model.name,
            request=describe(parameters, model.input_shape) if model.input_shape else {},
            status=http_response.status_code,
            code=str(error.get("Code", "")),
            message=template(str(error.get("Message", "")), parameters),
            response=describe(response, model.output_shape) if model.output_shape and not error else {},
            at=round(started - self._began, 3),
            until=round(started - self._began, 3),
            seconds=round(now - started, 3),
        )
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(call)) + "\n")
