"""A method over one hyper-parameter: quality with the line it should reach, the composite, parameters and speed."""

import math

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.language import filled, tr
from app.schemas import MetricCard, Number, SweepPoint, Sweeps, SweepView
from app.ui.charts.parts import Trace
from app.ui.charts.points import Point, Words, halo, text_trace
from app.ui.theme import Palette

PANELS = ("quality", "composite", "parameters", "speed")
PANEL_PX = 176
LEAST_TICK_ROOM = 0.06
"""Between two ticks, as a share of the axis."""
LEAST_LOG_RATIO = 8.0
"""From this ratio of the largest value to the smallest, equal ratios take equal room."""


def sweep(found: Sweeps, chosen: SweepView, palette: Palette, *, headline: str, narrow: bool = False) -> go.Figure:
    """Four panels over the same values: whiskers are 95 % intervals over seeds, hollow marks single runs, a ring is the
    best composite, the dashed line what keeps 95 % of full fine-tuning's gain. headline: the task's own name of its
    score."""
    rows, columns = (4, 1) if narrow else (2, 2)
    titles = [_title(found, panel, headline) for panel in PANELS]
    figure = make_subplots(
        rows, columns, shared_xaxes=True, subplot_titles=titles, vertical_spacing=0.26 / rows, horizontal_spacing=0.11
    )
    for place, panel in enumerate(PANELS):
        row, column = place // columns + 1, place % columns + 1
        for trace in _panel(chosen, panel, palette):
            figure.add_trace(trace, row, column)
        if panel == "quality":
            _line(figure, chosen, palette, row, column)
    _layout(figure, found, chosen, palette, rows)
    return figure


def _title(found: Sweeps, panel: str, headline: str) -> str:
    if panel == "composite":
        return tr("Composite of quality and size") + " ↑"
    cards: dict[str, MetricCard] = {str(name): card for name, card in found.metrics.items()}
    card = cards[panel]
    name = headline[:1].upper() + headline[1:] if panel == "quality" else card.title
    unit = f", {card.unit}" if card.quantity == "per_second" else ""
    return f"{name}{unit} {'↑' if card.better == 'higher' else '↓'}"


def _panel(chosen: SweepView, panel: str, palette: Palette) -> list[go.Scatter | Trace]:
    points = [point for point in chosen.points if panel in point.numbers]
    if not points:
        nothing = Point(tr("no data"))
        middle = sorted(point.value for point in chosen.points)[len(chosen.points) // 2]
        return [text_trace([middle], [0.0], [nothing], palette.ink_2)]
    colour = palette.family(chosen.family).colour
    line = go.Scatter(
        x=[point.value for point in points],
        y=[point.numbers[panel].value for point in points],
        mode="lines",
        line={"color": colour, "width": 1.4},
        hoverinfo="skip",
    )
    return [
        line,
        _whiskers(points, panel, colour),
        *_ring(chosen, points, panel, palette),
        _marks(chosen, points, panel, palette),
    ]


def _whiskers(points: list[SweepPoint], panel: str, colour: str) -> go.Scatter:
    xs: list[float | None] = []
    ys: list[float | None] = []
    for point in points:
        ends = [point.numbers.get(f"{panel}_{end}") for end in ("lo", "hi")]
        if ends[0] is not None and ends[1] is not None:
            xs += [point.value, point.value, None]
            ys += [ends[0].value, ends[1].value, None]
    return go.Scatter(x=xs, y=ys, mode="lines", line={"color": colour, "width": 1.6}, hoverinfo="skip")


def _ring(chosen: SweepView, points: list[SweepPoint], panel: str, palette: Palette) -> list[go.Scatter]:
    """Round the best composite."""
    best = [point for point in points if point.configuration == chosen.best]
    marker = {"symbol": "circle-open", "size": 18, "color": palette.accent, "line": {"width": 1.8}}
    return [
        go.Scatter(
            x=[point.value],
            y=[point.numbers[panel].value],
            mode="markers",
            marker=marker,
            hoverinfo="skip",
            cliponaxis=False,
        )
        for point in best
    ]


def _marks(chosen: SweepView, points: list[SweepPoint], panel: str, palette: Palette) -> go.Scatter:
    family = palette.family(chosen.family)
    said = [_describe(chosen, point, panel) for point in points]
    single = [panel in ("quality", "speed") and len(point.numbers[panel].run_ids) == 1 for point in points]
    return go.Scatter(
        x=[point.value for point in points],
        y=[point.numbers[panel].value for point in points],
        mode="markers",
        marker={
            "symbol": [family.marker + ("-open" if one else "") for one in single],
            "size": 8,
            "color": family.colour,
            "line": {"width": 1.6, "color": family.colour},
        },
        hovertext=[point.text for point in said],
        hoverinfo="text",
        customdata=[point.numbers for point in said],
        cliponaxis=False,
    )


def _describe(chosen: SweepView, point: SweepPoint, panel: str) -> Point:
    """A mark's hover: the figure with its interval, what the composite is made of, and the runs."""
    words = Words().name(point.label).say("<br><b>").number(point.numbers[panel]).say("</b>")
    if f"{panel}_lo" in point.numbers:
        words.say(" [").number(point.numbers[f"{panel}_lo"]).say(", ").number(point.numbers[f"{panel}_hi"]).say("]")
    if panel == "composite":
        parts = {"quality": point.numbers["quality_score"], "size": point.numbers["parameter_score"]}
        words.say("<br>").all(filled("quality {quality}, size {size}", **parts))
    if point.configuration == chosen.best:
        words.say("<br>" + tr("the largest composite"))
    return words.source(point.numbers[panel].source, point.numbers[panel].run_ids).point()


def _line(figure: go.Figure, chosen: SweepView, palette: Palette, row: int, column: int) -> None:
    """What keeps enough of full fine-tuning's gain."""
    if chosen.line is None:
        return
    line = {"color": palette.ink_2, "width": 1.2, "dash": "dash"}
    figure.add_hline(y=chosen.line.value, line=line, layer="below", row=row, col=column)
    said = Words().all(filled("enough: {value}", value=chosen.line)).point()
    first = min(point.value for point in chosen.points)
    style = {"textposition": "top right", "size": 11, "shadow": halo(palette)}
    trace = text_trace([first], [chosen.line.value], [said], palette.ink_2, **style)
    figure.add_trace(trace, row, column)


def _layout(figure: go.Figure, found: Sweeps, chosen: SweepView, palette: Palette, rows: int) -> None:
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        height=PANEL_PX * rows + 60,
        margin={"l": 62, "r": 18, "t": 28, "b": 44},
        font={"family": palette.font, "size": 12, "color": palette.ink},
        hoverlabel={"bgcolor": palette.surface, "font": {"color": palette.ink, "size": 12}, "align": "left"},
    )
    figure.update_annotations(font={"size": 12, "color": palette.ink}, xanchor="center")
    values = sorted({point.value for point in chosen.points})
    log = values[0] > 0 and values[-1] / values[0] >= LEAST_LOG_RATIO
    ticks = _apart(values, log=log)
    figure.update_xaxes(
        type="log" if log else "linear",
        tickvals=ticks,
        ticktext=[f"{value:g}" for value in ticks],
        tickfont={"size": 11, "color": palette.ink_2},
        showgrid=False,
        zeroline=False,
        linecolor=palette.strong,
        fixedrange=True,
    )
    below = {"text": chosen.parameter_title, "standoff": 8, "font": {"size": 11, "color": palette.ink_2}}
    figure.update_xaxes(title=below, row=rows)
    figure.update_yaxes(
        gridcolor=palette.line, zeroline=False, tickfont={"size": 11, "color": palette.ink_2}, nticks=5, fixedrange=True
    )
    _value_axes(figure, found, chosen, rows)


def _apart(values: list[float], *, log: bool) -> list[float]:
    """The values whose ticks have room beside each other, the first and the last among them."""
    places = [math.log(value) if log else value for value in values]
    room = LEAST_TICK_ROOM * (places[-1] - places[0])
    kept = [0]
    for place in range(1, len(values) - 1):
        if places[place] - places[kept[-1]] >= room and places[-1] - places[place] >= room:
            kept.append(place)
    return [values[place] for place in dict.fromkeys([*kept, len(values) - 1])]


def _value_axes(figure: go.Figure, found: Sweeps, chosen: SweepView, rows: int) -> None:
    """Shares print as percent; parameters, which grow by factors, take a logarithmic axis."""
    columns = len(PANELS) // rows
    for place, panel in enumerate(PANELS):
        where = {"row": place // columns + 1, "col": place % columns + 1}
        numbers: list[Number] = [point.numbers[panel] for point in chosen.points if panel in point.numbers]
        if panel == "quality" and found.metrics["quality"].quantity == "fraction":
            figure.update_yaxes(tickformat=".0%", **where)
        if panel == "parameters" and numbers and min(number.value for number in numbers) > 0:
            figure.update_yaxes(type="log", dtick=1, tickformat="~s", **where)
