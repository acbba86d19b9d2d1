"""The guide's sections: their order, their links, and the box that each stands in."""

from typing import Any

from dash import html

from app.language import mark, tr

SECTIONS = {
    "why": mark("Why PEFT"),
    "how": mark("How the methods work"),
    "rank": mark("LoRA: rank and decomposition"),
    "sizes": mark("Bottleneck and prefix length"),
    "claims": mark("The chapter's claims"),
    "hyperparameters": mark("Hyper-parameter guide"),
    "troubleshooting": mark("Troubleshooting"),
    "workflow": mark("Workflow and best practice"),
    "reading": mark("Further reading"),
}
"""Anchor -> title, in the chapter's order."""


def contents() -> html.Nav:
    """The sections as links within the page."""
    links = [html.Li(html.A(tr(title), href=f"#{key}")) for key, title in SECTIONS.items()]
    return html.Nav(html.Ol(links), className="chapter-contents", **{"aria-label": tr("Sections of the guide")})


def section(key: str, *children: Any) -> html.Section:
    """One section under its anchor."""
    title = html.H2(
        [
            tr(SECTIONS[key]),
            html.A("#", href=f"#{key}", className="chapter-anchor", **{"aria-label": tr("Link to here")}),
        ],
        id=f"chapter-title-{key}",
    )
    return html.Section([title, *children], id=key, className="chapter-section", **{"aria-labelledby": title.id})


def words(text: Any) -> html.P:
    return html.P(text, className="chapter-words")


def evidence(*children: Any, name: str | None = None, className: str = "") -> html.Div:  # noqa: N803 (Dash's own name)
    """A box whose every number says its source."""
    given = {"id": name} if name else {}
    return html.Div(
        list(children), className=f"chapter-box {className}".strip(), **given, **{"data-region": "evidence"}
    )
