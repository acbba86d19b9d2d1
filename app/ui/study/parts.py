"""Small pieces that the study's views share."""

from dash import html

from app.schemas import ConfigurationView, RunStatus


def method_name(row: ConfigurationView) -> html.Span:
    """A configuration's name with the marker of its family."""
    return named(row.label, row.family)


def named(label: str, family: str) -> html.Span:
    """A name with the marker of its family: colour and shape, never colour alone."""
    marker = html.Span(className=f"family family-{family}", **{"aria-hidden": "true"})
    return html.Span([marker, label], className="method-name", **{"data-label": label})


def run_link(run: int, text: RunStatus) -> html.A:
    return html.A(text, href=f"/runs/{run}", className=f"status-word status-{text}")


def tag(text: str, tone: str, title: str | None = None) -> html.Span:
    """tone: warn, bad or plain."""
    return html.Span(text, className=f"tag tag-{tone}", title=title)


def quiet(text: str) -> html.Div:
    """A view that has nothing to show, and why."""
    return html.Div(html.P(text), className="study-quiet")
