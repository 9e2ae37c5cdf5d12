"""A pipeline definition from a template: Jinja (`*.j2`, sandboxed, nothing undefined allowed) or a plain file.

Values enter a Jinja template through `|tojson` only. In either kind `*FUNCTION_ARN*`, the placeholder of AWS's own
sample definition, stands for the function's ARN.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from traceback import extract_tb
from types import CodeType
from typing import TYPE_CHECKING, Any, NoReturn

from ..config.document import Position
from ..deployment import Deployment
from ..errors import TemplateError
from .json_text import JsonLayout, JsonPath, dotted, find_constant, find_repeated_key, lay_out
from .template_positions import TemplatePositions

if TYPE_CHECKING:
    from .bounded_jinja import BoundedEnvironment

FUNCTION_ARN = "*FUNCTION_ARN*"
# Room for a template with many comments: SageMaker takes definitions of 1 MB.
MAX_SOURCE_BYTES = 4 * 1024 * 1024


def variables(deployment: Deployment) -> dict[str, Any]:
    """Returns the values that a template may use."""
    config = deployment.config
    functions = {
        key: {"arn": deployment.function_arn_of(function), "name": function.name}
        for key, function in deployment.step_functions.items()
    }
    queues = {
        key: {"arn": deployment.queue_arn_of(queue), "url": deployment.queue_url_of(queue)}
        for key, queue in deployment.callback_queues.items()
    }
    # With several, nothing says which one is meant.
    only_ones = {"function_arn": deployment.function_arn, "queue_url": deployment.queue_url}
    return {
        "account_id": config.account_id,
        **({"bucket": config.bucket.name} if config.bucket.name else {}),
        "deployment": config.deployment,
        "experiments": config.pipeline.experiments,
        "functions": functions,
        "job": {"kind": config.job.kind},
        "pipeline_name": config.pipeline.name,
        "queues": queues,
        **{name: value for name, value in only_ones.items() if value},
        "region": config.region,
        "sagemaker_role_arn": deployment.sagemaker_role_arn,
    }


def render(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the definition in `path`. Raises TemplateError with file, line and what is wrong there."""
    return render_with_positions(path, values)[0]


def render_with_positions(path: Path, values: Mapping[str, Any]) -> tuple[dict[str, Any], DefinitionPositions]:
    """Returns the definition in `path`, and where its values stand in that file. Raises TemplateError as `render`."""
    try:
        if path.stat().st_size > MAX_SOURCE_BYTES:
            raise TemplateError(
                f"{path}: it is larger than {MAX_SOURCE_BYTES:,} bytes. A pipeline definition has at most 1 MB."
            )
        source = path.read_text("utf-8-sig")
    except OSError as error:
        raise TemplateError(f"{path}: cannot be read: {error}") from None
    except UnicodeDecodeError as error:
        raise TemplateError(f"{path}: cannot be read: {error}", "Save it as UTF-8.") from None
    text = _render_jinja(path, source, values) if path.suffix == ".j2" else source
    if FUNCTION_ARN in text and "function_arn" not in values:
        raise TemplateError(
            f"{path}: {FUNCTION_ARN} stands for the only function, but the configuration has "
            f"{len(values['functions']) or 'none'}.",
            "Name one of them: in a Jinja template, functions.<key>.arn.",
        )
    # Positions are those before the placeholder is replaced: its line gets longer.
    positions = DefinitionPositions(source, text)
    _parse(path, text, positions)
    return json.loads(text.replace(FUNCTION_ARN, str(values.get("function_arn")))), positions


class DefinitionPositions:
    """Where the values of a definition stand in the file that it was rendered from."""

    def __init__(self, source: str, text: str) -> None:
        """`text` is what `source` renders to, or the same."""
        self._text = text
        self._source = source

    def of_text(self, position: Position) -> Position | None:
        """Returns the place in the file of a place in the rendered text, if it is known."""
        return position if self._source == self._text else self._template.find(position)

    def of_value(self, path: JsonPath) -> Position | None:
        """Returns the place of the value at `path`, or of the innermost one around it, if it is known."""
        return self.of_text(self._layout.nearest(path))

    @cached_property
    def _template(self) -> TemplatePositions:
        return TemplatePositions(self._source, self._text)

    @cached_property
    def _layout(self) -> JsonLayout:
        return lay_out(self._text)


@cache
def _environment() -> BoundedEnvironment:
    """Returns the environment of all templates. Nothing in a template can change it."""
    import jinja2  # takes a while to import, and plain files do without

    from .bounded_jinja import BoundedEnvironment

    environment = BoundedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    to_json = environment.filters["tojson"]

    @jinja2.pass_eval_context
    def strict_to_json(context: Any, value: Any, indent: int | None = None) -> Any:
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises the error that names the variable; the serializer's own would not
        return to_json(context, value, indent)

    environment.filters["tojson"] = strict_to_json
    return environment


@lru_cache(maxsize=16)
def _compile(source: str, name: str) -> CodeType:
    """Returns the code of a template, which all deployments of a command share."""
    code: CodeType = _environment().compile(source, name, name)
    return code


def _render_jinja(path: Path, source: str, values: Mapping[str, Any]) -> str:
    environment = _environment()
    import jinja2

    from .bounded_jinja import limited

    try:
        code = _compile(source, str(path))
        template = environment.template_class.from_code(environment, code, environment.make_globals(None))
        with limited(str(path)):
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


def _parse(path: Path, text: str, positions: DefinitionPositions) -> None:
    """Raises TemplateError if `text` is not JSON, or has what JSON readers disagree about."""
    try:
        repeated: list[str] = []
        parse_object = partial(find_repeated_key, found=repeated)
        parsed = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=parse_object)
    except json.JSONDecodeError as error:
        where = _not_json(path, Position(error.lineno, error.colno), positions)
        raise TemplateError(f"{where}: {error.msg}: {_excerpt(text, error.lineno)}") from None
    except RecursionError:
        raise TemplateError(f"{path}: rendered, it is nested too deeply.") from None
    except ValueError as error:
        raise TemplateError(f"{_not_json(path, find_constant(text), positions)}: {error}") from None
    if repeated:
        raise TemplateError("\n".join(_describe_repeated(path, text, positions)))
    if not isinstance(parsed, dict):
        raise TemplateError(f"{path}: a pipeline definition is a JSON object, not {type(parsed).__name__}.")


def _not_json(path: Path, place: Position | None, positions: DefinitionPositions) -> str:
    """Returns the start of a message. Some of what a template renders to stands in no file."""
    rendered = "rendered, " if path.suffix == ".j2" else ""
    if place is None:
        return f"{path}: {rendered}it is not JSON"
    if known := positions.of_text(place):
        return f"{path}:{known.line}:{known.column}: {rendered}it is not JSON"
    return f"{path}: rendered, it is not JSON: line {place.line}, column {place.column}"


def _describe_repeated(path: Path, text: str, positions: DefinitionPositions) -> Iterator[str]:
    for place, position in lay_out(text).repeated_keys:
        known = positions.of_text(position)
        where = f"{path}: rendered, line {position.line}, column {position.column}"
        if known:
            where = f"{path}:{known.line}:{known.column}"
        yield f"{where}: the key {dotted(place)} is used twice, and SageMaker reads only one of them; remove the other"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _excerpt(text: str, line: int) -> str:
    lines = re.split(r"\r?\n", text)
    return lines[line - 1].strip()[:80] if line <= len(lines) else ""
