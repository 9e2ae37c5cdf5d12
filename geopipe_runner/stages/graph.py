"""The graph of the pipeline's steps, from its template. Local only."""

from __future__ import annotations

from ..events import GraphShown
from ..pipeline.execution_input import load_definition
from ..pipeline.step_graph import step_graph
from .session import Session


def show(session: Session, form: str) -> None:
    """Show the steps of the definition, as `text` or in the language of `mermaid`. Raises TemplateError."""
    deployment = session.deployment()
    graph = step_graph(load_definition(deployment))
    session.report.emit(GraphShown(deployment.config.pipeline.name, graph, form))
