"""Sentences of the API as text whose numbers carry their sources."""

from typing import Any

from dash import html

from app.formats import sentence_text as plain
from app.schemas import Part, Sentence
from app.ui.numbers import show

__all__ = ["plain", "sentence"]


def sentence(parts: Sentence) -> list[Any]:
    """The pieces of a sentence: words, bold names, sourced numbers."""
    return [_piece(part) for part in parts]


def _piece(part: Part) -> Any:
    if part.number is not None:
        return show(part.number, className="sentence-number")
    if part.label is not None:
        return html.B(part.label, **{"data-label": part.label})
    return part.text or ""
