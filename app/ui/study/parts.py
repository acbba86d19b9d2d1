"""Small pieces that the study's views share."""

from collections.abc import Sequence
from typing import Any

from dash import html

from app.language import mark, tr
from app.schemas import ConfigurationView, RunStatus

STATUS_WORDS = {
    "queued": mark("queued"),
    "running": mark("running"),
    "succeeded": mark("finished"),
    "failed": mark("failed"),
    "cancelled": mark("cancelled"),
}
"""A status as a word, to be said with `tr`."""


def method_name(row: ConfigurationView) -> html.Span:
    """A configuration's name with the marker of its family."""
    return named(row.label, row.family)


def named(label: str, family: str) -> html.Span:
    """A name with the marker of its family: colour and shape, never colour alone."""
    marker = html.Span(className=f"family family-{family}", **{"aria-hidden": "true"})
    return html.Span([marker, label], className="method-name", **{"data-label": label})


def name(label: str) -> html.Span:
    """A name in a sentence, whose digits are no measurement."""
    return html.Span(label, **{"data-label": label})


def names(labels: Sequence[str]) -> list[Any]:
    """Several names, with commas between them."""
    return [piece for label in labels for piece in (", ", name(label))][1:]


def run_link(run: int, text: RunStatus) -> html.A:
    return html.A(tr(STATUS_WORDS[text]), href=f"/runs/{run}", className=f"status-word status-{text}")


def tag(text: str, tone: str, title: str | None = None) -> html.Span:
    """tone: warn, bad or plain."""
    return html.Span(text, className=f"tag tag-{tone}", title=title)


def quiet(text: str) -> html.Div:
    """A view that has nothing to show, and why."""
    return html.Div(html.P(text, **{"data-label": "reason"}), className="study-quiet")
