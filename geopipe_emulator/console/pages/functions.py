"""Functions: their settings, what invokes them, and their invocations with the lines of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..api import AccountApi
from ..logs import InvocationLines, function_log
from ..masking import MASK, is_secret, mask_text
from ..page import ConsolePage


def functions(api: AccountApi, names: tuple[str, ...], query: Mapping[str, str]) -> ConsolePage:
    listed = list(api.read_all("lambda", "ListFunctions", "Functions"))
    sources = _sources(api)
    values = {"functions": [(function, sources.get(function["FunctionName"], [])) for function in listed]}
    return ConsolePage("functions.html.j2", "functions", "Functions", values, interval=1.0)


def function(api: AccountApi, names: tuple[str, ...], query: Mapping[str, str]) -> ConsolePage:
    described = api.read("lambda", "GetFunctionConfiguration", FunctionName=names[0])
    name = described["FunctionName"]
    versions = [
        version["Version"]
        for version in api.read_all("lambda", "ListVersionsByFunction", "Versions", FunctionName=name)
        if version["Version"] != "$LATEST"
    ]
    aliases = [
        (alias["Name"], alias["FunctionVersion"])
        for alias in api.read_all("lambda", "ListAliases", "Aliases", FunctionName=name)
    ]
    variables: dict[str, str] = described.get("Environment", {}).get("Variables", {})
    values = {
        "function": described,
        "variables": [
            (key, MASK if value and is_secret(key) else mask_text(value)) for key, value in sorted(variables.items())
        ],
        "sources": _sources(api).get(name, []),
        "versions": versions,
        "aliases": aliases,
        "invocations": [_fields(invocation) for invocation in function_log(api, name)],
    }
    return ConsolePage("function.html.j2", "functions", name, values, interval=1.0)


def _sources(api: AccountApi) -> dict[str, list[dict[str, str]]]:
    """Return the queues that invoke each function, by the function's name."""
    sources: dict[str, list[dict[str, str]]] = {}
    for mapping in api.read_all("lambda", "ListEventSourceMappings", "EventSourceMappings"):
        name = mapping["FunctionArn"].split(":function:", 1)[1].split(":")[0]
        entry = {"queue": mapping["EventSourceArn"].rpartition(":")[2], "state": mapping["State"]}
        sources.setdefault(name, []).append(entry)
    return sources


def _fields(invocation: InvocationLines) -> dict[str, Any]:
    return {
        "id": invocation.request_id,
        "started": invocation.started,
        "status": invocation.status,
        "duration": invocation.duration,
        "memory": invocation.memory,
        "error": invocation.error,
        "lines": invocation.lines,
    }
