"""Boxes and arrows in graphviz's language."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

_INK, _FAINT = "#1f2937", "#6b7280"
_STYLE = f"""
  graph [bgcolor="#ffffff", fontname="Liberation Sans", fontsize=13, fontcolor="{_INK}", pad=0.25, dpi=120]
  node [shape=plain, fontname="Liberation Sans", fontsize=12, fontcolor="{_INK}"]
  edge [color="{_FAINT}", fontname="Liberation Sans", fontsize=11, fontcolor="{_INK}", arrowsize=0.7, penwidth=1.3]
"""
"""An opaque ground, so that the pictures are as legible on a dark page as on a light one."""


@dataclass(frozen=True)
class Paint:
    """The colors of a box: its head, and what is below."""

    head: str
    body: str


def bold(text: str) -> str:
    """A line of a box, in bold."""
    return f"<b>{escape(text)}</b>"


def box(name: str, head: str, body: list[str], paint: Paint) -> str:
    """A box with a colored head; the lines of its body are graphviz's HTML."""
    rows = "<br/>".join(body)
    return (
        f'"{name}" [label=<<table border="0" cellborder="0" cellspacing="0" cellpadding="6">'
        f'<tr><td bgcolor="{paint.head}"><font color="#ffffff" point-size="11">{escape(head)}</font></td></tr>'
        f'<tr><td bgcolor="{paint.body}">{rows}</td></tr></table>>]'
    )


def edge(tail: str, head: str, label: str = "", attributes: str = "") -> str:
    """An arrow from one box to another; `attributes` are graphviz's."""
    text = f'label=" {label} "' if label else ""
    return f'"{tail}" -> "{head}" [{", ".join(filter(None, (text, attributes)))}]'


def graph(name: str, lines: list[str]) -> str:
    """The whole text of a picture."""
    return f"digraph {name} {{{_STYLE}" + "".join(f"  {line}\n" for line in lines) + "}\n"
