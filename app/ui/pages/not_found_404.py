"""An address that names no page: what to do instead."""

from typing import Any

from dash import register_page

from app.language import tr
from app.ui.states import empty

register_page(__name__, title=lambda: tr("No such page · PEFT Atlas"))


def layout(**_query: str) -> Any:
    """Nothing is lost: the ways on."""
    return empty(
        tr("There is no page at this address"),
        tr("The link may be old, or mistyped. What was measured is where it was."),
        [(tr("Overview"), "/"), (tr("Studies"), "/studies"), (tr("Queue"), "/runs")],
    )
