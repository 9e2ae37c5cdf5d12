"""A pipeline definition from a template: Jinja (`*.j2`, sandboxed, nothing undefined allowed) or a plain file.

Values enter a Jinja template through `|tojson` only. In either kind `*FUNCTION_ARN*`, the placeholder of AWS's own
sample definition, stands for the function's ARN.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Any, NoReturn

from ..errors import TemplateError
from ..kinds.base import Deployment

FUNCTION_ARN = "*FUNCTION_ARN*"


def variables(deployment: Deployment) -> dict[str, Any]:
    """What a template may use."""
    config = deployment.config
    return {
        "account_id": config.account_id,
        "deployment": config.deployment,
        "experiments": config.pipeline.experiments,
        "function_arn": deployment.function_arn,
        "job": {"kind": config.job.kind},
        "pipeline_name": config.pipeline.name,
        "queue_url": deployment.queue_url,
        "region": config.region,
        "sagemaker_role_arn": deployment.sagemaker_role_arn,
    }


def render(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """The definition in `path`. Raises TemplateError naming file, line and what is wrong there."""
    try:
        source = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{path}: cannot be read: {error}") from None
    text = _render_jinja(path, source, values) if path.suffix == ".j2" else source
    return _parse(path, text.replace(FUNCTION_ARN, str(values["function_arn"])))


def _render_jinja(path: Path, source: str, values: Mapping[str, Any]) -> str:
    import jinja2  # takes a while to import, and plain files do without
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    to_json = environment.filters["tojson"]

    @jinja2.pass_eval_context
    def strict_to_json(context: Any, value: Any, indent: int | None = None) -> Any:
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises the error that names the variable; the serialiser's own would not
        return to_json(context, value, indent)

    environment.filters["tojson"] = strict_to_json
    try:
        code = environment.compile(source, str(path), str(path))
        template = environment.template_class.from_code(environment, code, environment.make_globals(None))
        return str(template.render(values))
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{path}:{error.lineno}: {error.message}") from None
    except jinja2.UndefinedError as error:
        known = ", ".join(sorted(values))
        raise TemplateError(
            f"{path}:{_line_of(error, path)}: {error.message}", f"A template may use: {known}."
        ) from None
    except RecursionError as error:
        what = "it calls itself, or is nested, too deeply"
        raise TemplateError(f"{path}:{_line_of(error, path)}: {what}") from None
    except Exception as error:  # noqa: BLE001 - a template is someone's program: it may raise anything
        raise TemplateError(f"{path}:{_line_of(error, path)}: {str(error) or type(error).__name__}") from None


def _line_of(error: BaseException, path: Path) -> int:
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
    return lines[-1] or 1 if lines else 1


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise TemplateError(
            f"{path}: rendered, it is not JSON: line {error.lineno}, column {error.colno}: {error.msg}: "
            f"{_excerpt(text, error.lineno)}"
        ) from None
    except RecursionError:
        raise TemplateError(f"{path}: rendered, it is nested too deeply.") from None
    except ValueError as error:
        raise TemplateError(f"{path}: rendered, it is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise TemplateError(f"{path}: a pipeline definition is a JSON object, not {type(parsed).__name__}.")
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


def _excerpt(text: str, line: int) -> str:
    lines = re.split(r"\r?\n", text)
    return lines[line - 1].strip()[:80] if line <= len(lines) else ""
