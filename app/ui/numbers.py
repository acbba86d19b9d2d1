"""A number on a page carries its source: `data-source` and what it takes to compute it again."""

from dash import html

from app.formats import MINUS, THIN, format_number, format_value
from app.schemas import Number

__all__ = ["MINUS", "THIN", "attributes", "by_formula", "format_number", "format_value", "show"]


def attributes(number: Number) -> dict[str, str]:
    """The data-* attributes that say where a number comes from."""
    found = {
        "data-source": _source(number),
        "data-statistic": number.statistic,
        "data-metric": number.metric or "",
        "data-value": repr(number.value),
        "data-quantity": number.quantity,
    }
    if number.reference_run_ids:
        found["data-reference"] = _runs(number.reference_run_ids)
    if number.steps:
        found["data-step"] = ",".join(str(step) for step in number.steps)
    return found


def show(number: Number, className: str | None = None) -> html.Span:  # noqa: N803 (Dash's own name)
    """A number on a page, with its source."""
    extra = {"className": className} if className else {}
    return html.Span(format_number(number), **extra, **attributes(number))


def by_formula(value: float, quantity: str, formula: str, *, exact: bool = False) -> Number:
    """A number that a named formula gives. `exact`: a count that is so, not an estimate of a measurement."""
    return Number(
        value=value,
        quantity=quantity,
        statistic="formula",
        source="measured" if exact else "estimated",
        formula=formula,
    )


def _source(number: Number) -> str:
    if number.formula is not None:
        return f"formula:{number.formula}"
    return ("import:" if number.source == "imported" else "") + _runs(number.run_ids)


def _runs(run_ids: list[int]) -> str:
    return "runs:" + ",".join(str(run_id) for run_id in run_ids)
