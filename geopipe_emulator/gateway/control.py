"""What the emulator says about itself, and how a test controls it. These paths are no bucket names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..http.request import Request, Response, json_response
from ..protocol.errors import ServiceError
from ..settings import FAULT_KINDS, Settings
from ..step_answers import parse_step_answers
from .arrivals import Arrivals
from .call_log import CallLog
from .handlers.faults import FaultPlan

_MOTO = "/moto-api"
_MOTO_READS = (f"{_MOTO}/", f"{_MOTO}/data.json", f"{_MOTO}/lib.js")


class Control:
    """Responds to the paths that belong to no AWS service."""

    def __init__(
        self,
        settings: Settings,
        call_log: CallLog,
        arrivals: Arrivals,
        faults: FaultPlan,
        reset: Callable[[], None] | None,
        describe_state: Callable[[], dict[str, Any] | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._call_log = call_log
        self._arrivals = arrivals
        self._faults = faults
        self._reset = reset
        self._describe_state = describe_state

    def respond(self, request: Request, is_signed: bool) -> Response | None:
        """The response, or None when the request is an API call."""
        if request.path.startswith(_MOTO):
            return self._respond_for_moto(request)
        if is_signed:
            return None
        if request.path == "/" and request.method in ("GET", "HEAD") and not request.query:
            state = self._describe_state()
            status = {"status": "ready", "account_id": self._settings.account_id, "region": self._settings.region}
            return json_response(status | ({"state": state} if state else {}))
        if request.path == "/_geopipe/calls":
            if request.method == "DELETE":
                self._call_log.clear()
                self._arrivals.clear()
            return json_response(self._call_log.report())
        if request.path.startswith("/_geopipe/calls/"):
            service, _, operation = request.path.removeprefix("/_geopipe/calls/").partition("/")
            return json_response({"times": self._arrivals.times(service, operation)})
        if request.path == "/_geopipe/steps":
            return self._change_steps(request)
        if request.path == "/_geopipe/faults":
            return self._change_faults(request)
        if request.path == "/_geopipe/reset" and request.method == "POST" and self._reset is not None:
            self._begin_again(self._reset)
            return json_response({"status": "ready"})
        return None

    def _begin_again(self, reset: Callable[[], None]) -> None:
        """Empty the account, and undo what other controls have changed."""
        reset()
        self._call_log.clear()
        self._arrivals.clear()
        self._faults.change(self._settings.faults, self._settings.fault_seed, self._settings.fault_kinds.split(","))
        self._settings.steps.restore()

    def _respond_for_moto(self, request: Request) -> Response | None:
        """Moto's own controls reach only moto's half of the account, so a reset is ours, and the rest is refused."""
        if request.path == f"{_MOTO}/reset" and request.method == "POST" and self._reset is not None:
            self._reset()
            return json_response({"status": "ok"})
        if request.path in _MOTO_READS and request.method == "GET":
            return None
        raise ServiceError("NotImplemented", f"The emulator does not support {request.method} {request.path}.", 501)

    def _change_steps(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                body = json.loads(request.body)
                answers = parse_step_answers(body["steps"], Path(body["folder"]))
            except (ValueError, TypeError, KeyError) as problem:
                return json_response({"message": f"{type(problem).__name__}: {problem}"}, 400)
            self._settings.steps.replace(answers)
        return json_response({"names": self._settings.steps.names})

    def _change_faults(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                plan = json.loads(request.body)
                self._faults.change(plan["rate"], plan.get("seed", 0), plan.get("kinds", FAULT_KINDS))
            except (ValueError, TypeError, KeyError, AttributeError) as problem:
                return json_response({"message": f"{type(problem).__name__}: {problem}"}, 400)
        return json_response(self._faults.describe())
