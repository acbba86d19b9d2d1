"""Each method's figures in a looked-up case: what it would be here, and the ratio that this comes from."""

from collections.abc import Mapping
from typing import Any

from dash import html

from app.language import filled, mark, tr
from app.schemas import Lookup, LookupRow, MetricCard, Number
from app.ui.cells import SHORT_TITLES
from app.ui.numbers import attributes, format_number, show
from app.ui.study.parts import named
from app.ui.study.tabs import table

COLUMNS = (
    *("task_performance", "peak_memory", "train_seconds", "training_speed"),
    *("storage_bytes", "trainable_parameters", "inference_latency", "switch_time"),
)
"""The figures that are shown, where any method has them."""
OWN_TITLES = {"task_performance": mark("Share of full's gain"), "train_seconds": mark("Training time")}
MEASURED_TITLES = {"task_performance": mark("Quality"), "training_speed": mark("Speed, tokens/s")}
MEANINGS = {
    "task_performance": mark("Share of full fine-tuning's gain over untuned that a method keeps."),
    "train_seconds": mark("From the training speed and the time that full fine-tuning would take."),
}


def lookup_figures(found: Lookup, rows: list[LookupRow], cards: Mapping[str, MetricCard]) -> html.Section:
    """Each method's figures: what it would be here, and the ratio that this comes from."""
    columns = [key for key in COLUMNS if any(key in row.figures for row in rows)]
    heads = [html.Th(tr("Method")), *([html.Th(tr("P(best)"))] if found.weights else [])]
    estimated = found.basis == "estimated"
    heads += [
        html.Th(_head(key, cards, estimated), title=tr(MEANINGS[key]) if key in MEANINGS else None) for key in columns
    ]
    level = show(Number(value=0.95, quantity="probability", statistic="level", formula="confidence_level"))
    told = (
        [html.Span("≈", className="box box-estimated"), *filled("estimated, with its {level} interval", level=level)]
        if estimated
        else filled("measured, with its {level} interval", level=level)
    )
    legend = [html.Span(told), html.Span(tr("×: times full fine-tuning"))]
    body = [_row(found, row, columns, cards) for row in rows]
    return html.Section(
        [
            html.Div(
                [
                    html.H3(tr("What each method would give") if estimated else tr("What each method gave")),
                    html.Div(legend, className="legend"),
                ],
                className="panel-head",
            ),
            table(html.Tr(heads), body, className="recommend-stacks lookup-rows"),
        ],
        className="panel",
        **{"data-region": "evidence"},
    )


def column_title(key: str, cards: Mapping[str, MetricCard]) -> str:
    """What heads a figure's column."""
    if key in OWN_TITLES:
        return tr(OWN_TITLES[key])
    return tr(SHORT_TITLES[key]) if key in SHORT_TITLES else cards[key].title


def _head(key: str, cards: Mapping[str, MetricCard], estimated: bool) -> str:
    """A column's title; a measured speed has no unit of its own beside its value."""
    if estimated or key not in MEASURED_TITLES:
        return column_title(key, cards)
    return tr(MEASURED_TITLES[key])


def _row(found: Lookup, row: LookupRow, columns: list[str], cards: Mapping[str, MetricCard]) -> html.Tr:
    estimated = found.basis == "estimated"
    cells = [_cell(row, key, _head(key, cards, estimated), estimated) for key in columns]
    best = "–" if row.p_best is None else html.Div(show(row.p_best), className=_look(estimated))
    sure = [html.Td(best, **{"data-column": tr("P(best)")})] if found.weights else []
    picked = "recommend-pick" if row.label in found.picks else ""
    return html.Tr([html.Th(named(row.label, row.family), scope="row"), *sure, *cells], className=picked)


def _cell(row: LookupRow, key: str, title: str, estimated: bool) -> html.Td:
    """The figure in its own unit with its interval, below it the ratio; hatched where it is an estimate."""
    figure = row.figures.get(key)
    told = {"data-column": title}
    if figure is None:
        return html.Td("–", className="quiet", **told)
    lines: list[Any] = []
    if figure.absolute is not None:
        lines.append(_with_interval(figure.absolute, figure.absolute_interval, "lookup-figure"))
    if not lines or figure.value != figure.absolute:
        of_gain = figure.scale == "share of gain" and bool(lines)
        lines.append(
            _with_interval(figure.value, figure.interval, "quiet" if lines else "lookup-figure", of_gain=of_gain)
        )
    return html.Td(html.Div(lines, className=_look(estimated)), **told)


def _look(estimated: bool) -> str:
    return "box-estimated lookup-cell" if estimated else "lookup-cell"


def _with_interval(
    value: Number,
    interval: tuple[Number, Number] | None,
    look: str,
    *,
    of_gain: bool = False,
) -> html.Div:
    told = filled("{share} of full's gain", share=show(value)) if of_gain else [show(value)]
    if interval is None or _bare(interval[0]) == _bare(interval[1]):
        return html.Div(told, className=look)
    lo, hi = (html.Span(_bare(end), **attributes(end)) for end in interval)
    return html.Div([*told, html.Span([lo, " – ", hi], className="lookup-interval")], className=look)


def _bare(end: Number) -> str:
    """An end of an interval, whose middle says already that it is an estimate."""
    return format_number(end.model_copy(update={"source": "measured"}))
