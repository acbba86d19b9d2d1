"""Methods x metrics with the forest of differences on the same rows: one figure, so a row is a row.

Colour of a cell is the fixed-anchor score; the mark in it stands where the raw value stands on the column's own axis.
Pure: documents in, figure out. Every number in text or hover has its source in the customdata of its point.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.language import tr
from app.schemas import Cell, ConfigurationView, MetricCard
from app.ui.cells import Matrix
from app.ui.charts.column_axis import ColumnAxis, column_axis
from app.ui.charts.forest import forest
from app.ui.charts.parts import Annotation, Axis, Figure, Parts, Shape, Trace, column_head
from app.ui.charts.points import Point, Words, cell_text, describe_cell, text_trace
from app.ui.charts.text_width import text_width_px
from app.ui.theme import Palette

ROW_PX = 29
HEAD_PX = 42
FOOT_PX = 26
NAME_PX = 12
NAMES_PADDING_PX = 14
FIGURE_SHARE = 0.665
"""The heatmap's share of the width; the forest has the rest."""
GAP = 0.012
"""Between the two, as a share of the width."""
INSET = 0.09
NAME_GAP = 0.3
"""Room left of the first column for the family's marker, in columns."""
MARK_DROP = 0.29
"""How far below the middle of its row a mark lies, in rows."""


@dataclass(frozen=True)
class Grid:
    """What the drawing functions share: the rows from top to bottom, the columns, and where each column lies."""

    matrix: Matrix
    palette: Palette
    rows: list[ConfigurationView]
    seeds: int

    @cached_property
    def columns(self) -> list[MetricCard]:
        return self.matrix.columns

    @cached_property
    def edges(self) -> list[float]:
        """x of every column's left edge, and of the last one's right edge."""
        edges = [0.0]
        for card in self.columns:
            edges.append(edges[-1] + self._width(card))
        return edges

    def _width(self, card: MetricCard) -> float:
        """Room for a value with its interval, for a bare value, or for the dash of a metric without data."""
        if self.axes[card.key] is None:
            return 0.7
        spread = any(cell.interval is not None for cell in self.matrix.measured(card.key))
        return 1.8 if spread else 1.0

    @cached_property
    def axes(self) -> dict[str, ColumnAxis | None]:
        """Counts, sizes and times on a log axis, shares on a linear one; None where nothing is measured."""
        return {
            card.key: column_axis(_ends(self.matrix.measured(card.key)), log=card.quantity != "fraction")
            for card in self.columns
        }

    def cell(self, row: int, column: int) -> Cell | None:
        return self.matrix.cell(self.rows[row].id, self.columns[column].key)

    def middle(self, column: int) -> float:
        return (self.edges[column] + self.edges[column + 1]) / 2

    def share(self, column: int, value: float) -> float:
        """Where a raw value stands on its column's scale, 0..1; outside of that where it is off the scale."""
        axis = self.axes[self.columns[column].key]
        return axis.place(value) if axis else -1.0

    def x(self, column: int, value: float) -> float:
        """x of a raw value inside its column, stopped at the column's ends."""
        left, right = self.edges[column] + INSET, self.edges[column + 1] - INSET
        return left + (right - left) * min(1.0, max(0.0, self.share(column, value)))

    def each(self) -> list[tuple[int, int, Cell | None]]:
        return [(i, j, self.cell(i, j)) for i in range(len(self.rows)) for j in range(len(self.columns))]


def heatmap(
    matrix: Matrix,
    palette: Palette,
    *,
    seeds: int,
    sort: str = "task_performance",
    rows: list[ConfigurationView] | None = None,
) -> Figure:
    """The study at a glance. seeds: how many reporting runs each row was asked for. rows: those that are drawn, from
    top to bottom; None: all, in the order of `sort`. A column's axis is the same whatever rows are drawn."""
    grid = Grid(matrix=matrix, palette=palette, rows=matrix.ordered(sort) if rows is None else rows, seeds=seeds)
    parts = Parts(
        traces=[_fill(grid), *_hatched_estimates(grid), *_marks(grid), _flags(grid), _texts(grid), _row_markers(grid)],
        shapes=[*_outlines(grid), *_lines_between_kinds(grid)],
        annotations=_heads(grid),
    )
    axes: dict[str, Any] = {"xaxis": _columns(grid), "yaxis": _names(grid)}
    if any(row.id in matrix.differences for row in grid.rows):
        width = 1 - GAP
        axes["xaxis"]["domain"] = [0, width * FIGURE_SHARE]
        beside, axes["xaxis2"] = forest(matrix, palette, grid.rows)
        axes["xaxis2"]["domain"] = [width * FIGURE_SHARE + GAP, 1]
        parts = parts + beside
    return parts.figure(_layout(grid) | axes)


def _ends(cells: list[Cell]) -> list[float]:
    means = [cell.mean for cell in cells if cell.mean is not None]
    return means + [end for cell in cells if cell.interval and cell.n > 1 for end in cell.interval]


def _fill(grid: Grid) -> Trace:
    """One colour per cell, and the cell's whole story on hover."""
    scores: list[list[float | None]] = [[None] * len(grid.columns) for _ in grid.rows]
    points = [[Point() for _ in grid.columns] for _ in grid.rows]
    for i, j, cell in grid.each():
        scores[i][j] = cell.normalised if cell is not None and cell.mean is not None else None
        points[i][j] = describe_cell(grid.matrix, grid.rows[i], grid.columns[j], cell)
    return {
        "type": "heatmap",
        "z": scores,
        "x": grid.edges,
        "y": [row - 0.5 for row in range(len(grid.rows) + 1)],
        "zmin": 0,
        "zmax": 1,
        "colorscale": [[k / 8, colour] for k, colour in enumerate(grid.palette.heat)],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "hovertext": [[point.text for point in row] for row in points],
        "hoverinfo": "text",
        "hoverongaps": True,
        "customdata": [[point.numbers for point in row] for row in points],
    }


def _texts(grid: Grid) -> Trace:
    """The value of every cell, in its upper half where a mark lies below it."""
    xs, ys, points, colours = [], [], [], []
    for i, j, cell in grid.each():
        xs.append(grid.middle(j))
        has_mark = cell is not None and cell.mean is not None
        ys.append(i - 0.13 if has_mark else i)
        points.append(cell_text(grid.matrix, cell, grid.palette, asked=grid.seeds))
        failed = cell is not None and cell.mean is None and cell.failures > 0
        colours.append(grid.palette.bad if failed else grid.palette.ink if has_mark else grid.palette.ink_2)
    return text_trace(xs, ys, points, colours, size=12)


def _marks(grid: Grid) -> list[Trace]:
    """Whiskers, filled dots (several seeds), hollow dots (one run), ticks (exact) and triangles (off the scale)."""
    ink = grid.palette.ink
    whiskers: tuple[list[float | None], list[float | None]] = ([], [])
    marks: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in MARKS}
    off_scale: list[tuple[float, float, bool]] = []
    for i, j, cell in grid.each():
        if cell is None or cell.mean is None:
            continue
        y = i + MARK_DROP
        if not 0 <= grid.share(j, cell.mean) <= 1:
            off_scale.append((grid.x(j, cell.mean), y, grid.share(j, cell.mean) > 1))
            continue
        kind = "tick" if grid.columns[j].exact else "hollow" if cell.n == 1 else "filled"
        marks[kind][0].append(grid.x(j, cell.mean))
        marks[kind][1].append(y)
        if kind == "filled" and cell.interval is not None:
            whiskers[0].extend((grid.x(j, cell.interval[0]), grid.x(j, cell.interval[1]), None))
            whiskers[1].extend((y, y, None))
    words = tr("off scale")
    named: Trace = {
        "x": [x for x, _, _ in off_scale],
        "y": [y for _, y, _ in off_scale],
        "mode": "text",
        "text": [f"{words} ▸" if above else f"◂ {words}" for _, _, above in off_scale],
        "textposition": ["middle left" if above else "middle right" for _, _, above in off_scale],
        "textfont": {"size": 9.5, "color": ink},
    }
    lines: Trace = {"x": whiskers[0], "y": whiskers[1], "mode": "lines", "line": {"width": 1.6, "color": ink}}
    dots: list[Trace] = [
        {"x": xs, "y": ys, "mode": "markers", "marker": MARKS[kind](ink)} for kind, (xs, ys) in marks.items()
    ]
    return [{"type": "scatter", "hoverinfo": "skip", **drawn} for drawn in (lines, *dots, named)]


def _flags(grid: Grid) -> Trace:
    """A corner on every cell that a comparability note speaks of; its hover says which."""
    flagged = [(i, j) for i, j, cell in grid.each() if cell is not None and cell.flags]
    return {
        "type": "scatter",
        "x": [grid.edges[j + 1] - 0.02 for _, j in flagged],
        "y": [i - 0.44 for i, _ in flagged],
        "mode": "markers",
        "marker": {"symbol": "triangle-sw", "size": 9, "color": grid.palette.warn},
        "hoverinfo": "skip",
        "cliponaxis": False,
        "name": "flags",
    }


MARKS: dict[str, Callable[[str], dict[str, Any]]] = {
    "filled": lambda ink: {"symbol": "circle", "size": 6, "color": ink},
    "hollow": lambda ink: {"symbol": "circle-open", "size": 6, "color": ink, "line": {"width": 1.5}},
    "tick": lambda ink: {"symbol": "line-ns", "size": 8, "line": {"width": 1.5, "color": ink}},
}
"""How a value marks its place, by what is known of it."""


def _hatched_estimates(grid: Grid) -> list[Trace]:
    """Diagonal lines over estimated cells: heatmap cells take no pattern, transparent bars do."""
    estimated = [(i, j) for i, j, cell in grid.each() if cell is not None and cell.source == "estimated"]
    if not estimated:
        return []
    pattern = {
        "shape": "/",
        "fillmode": "overlay",
        "fgcolor": grid.palette.ink,
        "fgopacity": 0.32,
        "size": 7,
        "solidity": 0.12,
    }
    bars = {
        "type": "bar",
        "x": [grid.edges[j + 1] - grid.edges[j] for _, j in estimated],
        "base": [grid.edges[j] for _, j in estimated],
        "y": [i for i, _ in estimated],
        "orientation": "h",
        "width": 0.94,
        "hoverinfo": "skip",
        "marker": {"color": "rgba(0,0,0,0)", "pattern": pattern},
    }
    return [bars]


def _outlines(grid: Grid) -> list[Shape]:
    """Dotted around what is missing, red around what failed, a plain line around a value that has no score."""
    outlines = []
    for i, j, cell in grid.each():
        if cell is not None and cell.failures and not (grid.columns[j].exact and cell.mean is not None):
            line = {"color": grid.palette.bad, "width": 1.5}
        elif cell is None or cell.mean is None:
            line = {"color": grid.palette.strong, "width": 1, "dash": "dot"}
        elif cell.normalised is None:
            line = {"color": grid.palette.line, "width": 1}
        else:
            continue
        left, right = grid.edges[j] + 0.03, grid.edges[j + 1] - 0.03
        outlines.append({"type": "rect", "x0": left, "x1": right, "y0": i - 0.43, "y1": i + 0.43, "line": line})
    return outlines


def _lines_between_kinds(grid: Grid) -> list[Shape]:
    """What sets the references apart from the methods."""
    kinds = [row.reference for row in grid.rows]
    changes = [i - 0.5 for i in range(1, len(kinds)) if kinds[i] != kinds[i - 1]]
    line = {"color": grid.palette.tie, "width": 1}
    return [{"type": "line", "x0": -NAME_GAP, "x1": grid.edges[-1], "y0": y, "y1": y, "line": line} for y in changes]


def _row_markers(grid: Grid) -> Trace:
    """The family's marker beside every name."""
    families = [grid.palette.family(row.family) for row in grid.rows]
    named = [_name(row) for row in grid.rows]
    return {
        "type": "scatter",
        "x": [-NAME_GAP / 2] * len(grid.rows),
        "y": list(range(len(grid.rows))),
        "mode": "markers",
        "marker": {
            "symbol": [family.marker for family in families],
            "color": [family.colour for family in families],
            "size": 9,
        },
        "hovertext": [point.text for point in named],
        "hoverinfo": "text",
        "customdata": [point.numbers for point in named],
    }


def _name(row: ConfigurationView) -> Point:
    """A row's name with what sets all its runs apart."""
    words = Words().name(row.label)
    for flag in row.flags:
        words.say("<br>⚑ ").quote(flag)
    return words.point()


def _heads(grid: Grid) -> list[Annotation]:
    """Title and unit over every column; a click on one sorts by it."""
    heads = []
    for j, card in enumerate(grid.columns):
        unit = grid.matrix.unit(card) if grid.axes[card.key] else tr("no data")
        said = f"<b>{grid.matrix.title(card)}</b><br><span style='color:{grid.palette.ink_2}'>{unit}</span>"
        clicked = {"name": card.key, "captureevents": grid.axes[card.key] is not None}
        heads.append(column_head(said, x=grid.edges[j], xshift=4) | clicked)
    return heads


def _columns(grid: Grid) -> Axis:
    return {
        "range": [-NAME_GAP, grid.edges[-1]],
        "showgrid": False,
        "zeroline": False,
        "showticklabels": False,
        "ticks": "",
        "fixedrange": True,
    }


def _names(grid: Grid) -> Axis:
    """The rows' names: the axis of heatmap and forest alike."""
    rows = len(grid.rows)
    return {
        "range": [rows - 0.5, -0.5],
        "tickvals": list(range(rows)),
        "ticktext": [row.label for row in grid.rows],
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "ticks": "",
        "ticklabelstandoff": 2,
        "automargin": True,
    }


def _names_px(grid: Grid) -> int:
    """Room for the longest name: found out by drawing, it would have the browser draw everything twice."""
    return NAMES_PADDING_PX + round(max((text_width_px(row.label, NAME_PX) for row in grid.rows), default=0))


def _layout(grid: Grid) -> dict[str, Any]:
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "barmode": "overlay",
        "bargap": 0,
        "dragmode": False,
        "showlegend": False,
        "height": HEAD_PX + ROW_PX * len(grid.rows) + FOOT_PX,
        "margin": {"l": _names_px(grid), "r": 8, "t": HEAD_PX, "b": FOOT_PX},
        "font": {"family": grid.palette.font, "size": NAME_PX, "color": grid.palette.ink},
        "hoverlabel": {
            "bgcolor": grid.palette.surface,
            "bordercolor": grid.palette.strong,
            "font": {"family": grid.palette.font, "size": 12, "color": grid.palette.ink},
            "align": "left",
        },
    }
