"""A run's series as line charts; the training loss beside that of full fine-tuning."""

from collections.abc import Mapping, Sequence
from typing import Literal

import plotly.graph_objects as go

from app.language import mark, tr
from app.schemas import Curves, FullCurve, Number, NumberQuantity, RunDetail, Series, SeriesPoint, SourceKind
from app.ui.charts.names import CHARACTER_PX
from app.ui.charts.points import Point, entry, label, text_trace
from app.ui.numbers import format_number
from app.ui.theme import FamilyMark, Palette

TRAIN_LOSS = "train_loss"
TITLES = {
    TRAIN_LOSS: mark("Training loss"),
    "validation_score": mark("Validation score"),
    "gradient_norm": mark("Gradient norm, before clipping"),
    "learning_rate": mark("Learning rate"),
    "tokens_per_second": mark("Real tokens a second"),
    "peak_memory_bytes": mark("Peak memory so far"),
    "train_seconds": mark("Seconds trained at each validation"),
}
"""What the series are called, in the order in which they are drawn; one that has no title is headed by its key."""

QUANTITIES: dict[str, NumberQuantity] = {
    "learning_rate": "learning_rate",
    "tokens_per_second": "per_second",
    "peak_memory_bytes": "bytes",
    "train_seconds": "seconds",
}
"""How values print; those of other series as bare numbers, their unit being in the title."""

LARGE_PX, SMALL_PX = 260, 170
FLAT = 0.005
"""Of its largest value: a series that changes by less is drawn as one that does not."""
MOST_ROOM_PX = 130
"""Right of the curves, for their names."""


def title_of(key: str) -> str:
    """What heads a series."""
    return tr(TITLES[key]) if key in TITLES else key


def in_order(series: Sequence[Series]) -> list[Series]:
    """Those that can be drawn: known ones first, in the page's order, then the others by name."""
    known = list(TITLES)
    drawn = [found for found in series if found.points]
    return sorted(drawn, key=lambda found: (known.index(found.key) if found.key in known else len(known), found.key))


def point_number(key: str, point: SeriesPoint, run: RunDetail) -> Number | None:
    """A point with its source: the run, the series and the step; None where it was no number."""
    quantity = run.score_quantity if key == "validation_score" else QUANTITIES.get(key, "series")
    return _number(key, point, run.id, run.source, quantity)


def loss_figure(loss: Series, found: Curves, run: RunDetail, palette: Palette, *, narrow: bool = False) -> go.Figure:
    """The training loss in the family's colour, full fine-tuning's dotted behind it, each named where it ends."""
    figure = go.Figure()
    if found.full is not None:
        _draw_full(figure, found.full, palette)
    mark_of_run = palette.family(run.family)
    points = [_hover(point, point_number(TRAIN_LOSS, point, run)) for point in loss.points]
    _draw(figure, loss.points, points, mark_of_run)
    _lay_out(figure, palette, LARGE_PX, TRAIN_LOSS, "series")
    if found.full is not None:
        ends = {run.label: (loss, mark_of_run.colour), tr("full fine-tuning"): (found.full.series, palette.ink_2)}
        _name_ends(figure, ends, "left" if narrow else "right")
    return figure


def small_figure(series: Series, run: RunDetail, palette: Palette) -> go.Figure:
    """One series against the optimizer's steps, its last point marked."""
    figure = go.Figure()
    numbers = [point_number(series.key, point, run) for point in series.points]
    points = [_hover(point, number) for point, number in zip(series.points, numbers, strict=True)]
    _draw(figure, series.points, points, palette.family(run.family))
    quantity: NumberQuantity = next((number.quantity for number in numbers if number is not None), "series")
    _lay_out(figure, palette, SMALL_PX, series.key, quantity)
    _give_room(figure, [point.value for point in series.points if point.value is not None])
    return figure


def _give_room(figure: go.Figure, values: Sequence[float]) -> None:
    """A series that does not change lies in the middle of an axis that says so, and not on one of rounding errors."""
    if values and max(values) - min(values) <= FLAT * abs(max(values)):
        reach = 0.1 * abs(max(values)) or 1.0
        figure.update_yaxes(range=[min(values) - reach, max(values) + reach], nticks=3)


def _number(key: str, point: SeriesPoint, run: int, source: SourceKind, quantity: NumberQuantity) -> Number | None:
    if point.value is None:
        return None
    return Number(
        value=point.value,
        quantity=quantity,
        statistic="at_step",
        metric=key,
        source=source,
        run_ids=[run],
        steps=[point.step],
    )


def _hover(point: SeriesPoint, number: Number | None) -> Point:
    step = [{"id": str(point.step)}]
    if number is None:
        return Point(tr("step {step}: no number", step=point.step), step)
    words = tr("step {step}<br><b>{value}</b>", step=point.step, value=format_number(number))
    return Point(words, [*step, entry(number)])


def _draw(figure: go.Figure, points: Sequence[SeriesPoint], said: Sequence[Point], how: FamilyMark) -> None:
    """The line, and a marker on its last point."""
    few = len(points) <= 24
    figure.add_scatter(
        x=[point.step for point in points],
        y=[point.value for point in points],
        mode="lines+markers" if few else "lines",
        line={"color": how.colour, "width": 1.8},
        marker={"size": 4, "color": how.colour},
        hovertext=[point.text for point in said],
        customdata=[point.numbers for point in said],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    figure.add_scatter(
        x=[points[-1].step],
        y=[points[-1].value],
        mode="markers",
        marker={"color": how.colour, "size": 9, "symbol": how.marker},
        hoverinfo="skip",
    )


def _draw_full(figure: go.Figure, full: FullCurve, palette: Palette) -> None:
    numbers = [_number(TRAIN_LOSS, point, full.run_id, full.source, "series") for point in full.series.points]
    said = [_hover(point, number) for point, number in zip(full.series.points, numbers, strict=True)]
    how = palette.family("reference")
    figure.add_scatter(
        x=[point.step for point in full.series.points],
        y=[point.value for point in full.series.points],
        mode="lines",
        line={"color": palette.ink_2, "width": 1.5, "dash": "dot"},
        hovertext=[tr("full fine-tuning, {point}", point=point.text) for point in said],
        customdata=[point.numbers for point in said],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    last = full.series.points[-1]
    marker = {"color": palette.ink_2, "size": 7, "symbol": how.marker}
    figure.add_scatter(x=[last.step], y=[last.value], mode="markers", marker=marker, hoverinfo="skip")


def _name_ends(figure: go.Figure, ends: Mapping[str, tuple[Series, str]], side: Literal["left", "right"]) -> None:
    """The name of each curve at its end, the higher one's above the other's: beside it, or over it where room is
    scarce."""
    lasts = {name: series.points[-1] for name, (series, _) in ends.items()}
    higher = max(lasts, key=lambda name: lasts[name].value or 0.0)
    figure.add_trace(
        text_trace(
            [point.step for point in lasts.values()],
            [point.value or 0.0 for point in lasts.values()],
            [Point(f"\u2002{name}", [label(name)]) for name in lasts],
            [colour for _, colour in ends.values()],
            textposition=[f"{'top' if name == higher else 'bottom'} {side}" for name in lasts],
        )
    )
    longest = max(map(len, lasts)) if side == "right" else 0
    figure.update_layout(margin_r=min(MOST_ROOM_PX, 12 + CHARACTER_PX * longest))


def _lay_out(figure: go.Figure, palette: Palette, height: int, key: str, quantity: NumberQuantity) -> None:
    figure.update_layout(
        height=height,
        margin={"l": 52, "r": 16, "t": 10, "b": 26},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        font={"family": palette.font, "size": 11, "color": palette.ink_2},
        uirevision=key,
    )
    figure.update_xaxes(showgrid=False, zeroline=False, linecolor=palette.strong, rangemode="tozero", fixedrange=True)
    figure.update_yaxes(gridcolor=palette.line, zeroline=False, nticks=5, fixedrange=True, **_ticks(quantity))


def _ticks(quantity: NumberQuantity) -> dict[str, str]:
    """How the axis writes its values: a share as percent, memory in decimal units, small rates with an exponent."""
    if quantity == "fraction":
        return {"tickformat": ".0%"}
    if quantity == "learning_rate":
        return {"tickformat": ".1e"}
    return {"tickformat": "~s"} if quantity in ("bytes", "per_second") else {}
