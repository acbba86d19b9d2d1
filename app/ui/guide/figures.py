"""Small pieces for what a formula gives: a list of figures, each with its formula in words, and tables of methods."""

from collections.abc import Sequence
from typing import Any

from dash import html

from app.language import tr
from app.schemas import CostsView, MethodCosts, Number
from app.ui.numbers import by_formula, show
from app.ui.study.parts import named

SECONDS_AN_HOUR = 3_600


def maths(formula: str) -> html.Span:
    """A formula: its digits are no numbers of anything."""
    return html.Span(formula, className="chapter-maths", **{"data-label": formula})


def formula_list(entries: Sequence[tuple[str, str, Number]]) -> html.Dl:
    """Name, formula and number of each figure."""
    return html.Dl(
        [html.Div([html.Dt([name, maths(formula)]), html.Dd(show(number))]) for name, formula, number in entries],
        className="chapter-figures",
    )


def scrolled(table: html.Table, title: str) -> html.Div:
    """A table that scrolls within its box where it is too wide, by keyboard too."""
    return html.Div(table, className="table-scroll", tabIndex="0", role="region", **{"aria-label": title})


def method_name(row: MethodCosts) -> html.Span:
    return named(row.label, row.family)


def figure(row: MethodCosts, name: str) -> Any:
    """A figure of a method, or a dash where there is none; why stands below the table."""
    return show(row.numbers[name]) if name in row.numbers else "–"


def not_offered(costs: CostsView) -> list[Any]:
    """Which of the methods the base cannot have, with the reason."""
    return [
        html.P([method_name(row), " ", html.Span(row.not_offered, **{"data-id": ""})], className="quiet")
        for row in costs.methods
        if row.not_offered
    ]


def with_price(seconds: Number, price: float | None) -> list[Any]:
    """A time, and what it costs where a price of a device-hour is given."""
    if not price:
        return [show(seconds)]
    cost = by_formula(
        seconds.value / SECONDS_AN_HOUR * price, "series", f"price_of(seconds {seconds.value!r}, price {price!r})"
    )
    return [show(seconds), html.Span([" · ", tr("costs"), " ", show(cost)], className="chapter-price")]
