"""An address that names no page: what to do instead."""

from typing import Any

from dash import dcc, register_page

from app.language import tr
from app.ui.elements import page_head

register_page(__name__, title=lambda: tr("No such page · PEFT Atlas"))


def layout(**_query: str) -> Any:
    """Nothing is lost: the ways on."""
    ways = ((tr("Overview"), "/"), (tr("Studies"), "/studies"), (tr("Queue"), "/runs"))
    return page_head(
        tr("There is no page at this address"),
        tr("The link may be old, or mistyped. What was measured is where it was."),
        [dcc.Link(words, href=address, className="button button-plain") for words, address in ways],
    )
