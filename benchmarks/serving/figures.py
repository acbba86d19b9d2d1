"""What was measured, beside what was promised."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PRODUCT = "PEFT Atlas"


@dataclass(frozen=True)
class Mark:
    """What a figure has to reach, and what would be better still. higher: whether more is better."""

    load: str
    title: str
    unit: str
    passes: float | None = None
    stretch: float | None = None
    higher: bool = False
    at_runs: int | None = 10_000
    """The size that the mark is meant for; None: any."""


MARKS = {
    "search_rate": Mark("L1", "Search, best 100 of a method, 16 clients", "requests/s", 150, 400, higher=True),
    "search_p99": Mark("L1", "the same, 99 of 100 answered within", "ms", 300, 120),
    "serial_p50": Mark("L2", "Search, one client, half answered within", "ms"),
    "serial_p95": Mark("L2", "the same, 95 of 100 answered within", "ms", 25, 10),
    "series_full": Mark("L3", "Series of 5,000 points, 95 of 100 answered within", "ms", 60, 30),
    "series_thin": Mark("L3", "the same thinned to 320 points", "ms", 25, 10),
    "creations": Mark("L4", "Runs created with all their values, 8 clients", "runs/s", 200, 500, higher=True),
    "creations_batch": Mark("L4", "the same, 100 runs in a request", "runs/s", higher=True),
    "points_batch": Mark("L5", "Points written, as many as a request takes", "points/s", 50_000, 150_000, higher=True),
    "points_single": Mark("L5", "Points written, one in a request, 8 clients", "points/s", 300, 800, higher=True),
    "late_writes": Mark("L6", "Writes of streaming runs that were late", "of all", 0, 0, at_runs=None),
    "watching_read": Mark("L6", "Reads of viewers, 99 of 100 answered within", "ms", 250, at_runs=None),
    "watching_write": Mark("L6", "Writes of streaming runs, 99 of 100 answered within", "ms", 150, at_runs=None),
    "on_screen": Mark("L6", "From a point's writing to its being shown, longest", "s", 2, at_runs=None),
    "slowed": Mark("L7", "A training run beside L6 takes longer by", "%", 5, 2, at_runs=None),
    "memory_idle": Mark("L8", "Memory after the start", "MB", 250, 150),
    "memory_after": Mark("L8", "Memory after L1", "MB", 400, 250),
    "cold_start": Mark("L9", "From the command to the first answer", "s", 3, 1.5),
    "page_overview": Mark("pages", "What the Overview asks, half answered within", "ms", at_runs=None),
    "page_queue": Mark("pages", "What the Queue asks, half answered within", "ms", at_runs=None),
    "page_study": Mark("pages", "What a Study's page asks, half answered within", "ms", at_runs=None),
    "page_run": Mark("pages", "What a Run's page asks, half answered within", "ms", at_runs=None),
    "healthz": Mark("pages", "healthz, connection kept, half answered within", "ms", 5, at_runs=None),
}


@dataclass(frozen=True)
class Figure:
    """One figure of one product. value None: it has no equal, as `note` says."""

    mark: str
    value: float | None
    product: str
    database: str
    runs: int
    note: str = ""
    load_average: float = 0.0
    """Of the last minute, when it was taken: what the machine did beside it."""
    client_share: float | None = None
    """What the clients used, of one core."""


@dataclass
class Book:
    """Every figure so far, in a file: a part that is measured again replaces its older figures."""

    path: Path
    figures: list[Figure]

    @classmethod
    def open(cls, path: Path) -> "Book":
        found = json.loads(path.read_text())["figures"] if path.exists() else []
        return cls(path, [Figure(**figure) for figure in found])

    def add(self, figures: Iterable[Figure]) -> None:
        """Keep them, and say them."""
        for figure in figures:
            self.figures = [old for old in self.figures if _place(old) != _place(figure)] + [figure]
            print(line(figure), flush=True)
        written = {"machine": machine(), "figures": [asdict(figure) for figure in self.figures]}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(written, indent=1) + "\n")


def _place(figure: Figure) -> tuple[str, str, str, int]:
    return figure.mark, figure.product, figure.database, figure.runs


def machine() -> dict[str, str | int | None]:
    """Where it was measured."""
    model = [row for row in Path("/proc/cpuinfo").read_text().splitlines() if row.startswith("model name")]
    return {"cpu": model[0].partition(":")[2].strip() if model else "unknown", "cores": os.cpu_count()}


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def verdict(figure: Figure) -> str:
    """Whether the figure reaches what was promised; nothing where nothing was, or for another product or size."""
    mark = MARKS[figure.mark]
    if figure.product != PRODUCT or figure.value is None or mark.at_runs not in (None, figure.runs):
        return ""
    for goal, word in ((mark.stretch, "stretch"), (mark.passes, "pass")):
        if goal is not None and (figure.value >= goal if mark.higher else figure.value <= goal):
            return word
    return "missed" if mark.passes is not None else ""


def line(figure: Figure) -> str:
    """One line of the table on the terminal."""
    mark = MARKS[figure.mark]
    goal = f"(pass {number(mark.passes)}, stretch {number(mark.stretch)})" if mark.passes is not None else ""
    where = f"{figure.product}, {figure.database}, {figure.runs:,} runs"
    clients = "" if figure.client_share is None else f", clients {figure.client_share:.0%} of a core"
    return (
        f"{mark.load:5} {mark.title:55} {number(figure.value):>8} {mark.unit:10} {goal:32} {verdict(figure):8}"
        f" {where}; load average {figure.load_average:.1f}{clients}{'; ' + figure.note if figure.note else ''}"
    )


def as_markdown(figures: Sequence[Figure]) -> str:
    """Every product and database at every size, and how the product's pages grow."""
    columns = sorted({(figure.product != PRODUCT, figure.product, figure.database) for figure in figures})
    parts = []
    for runs in sorted({figure.runs for figure in figures}):
        of_size = [figure for figure in figures if figure.runs == runs]
        shown = [column for column in columns if any(_column(figure) == column[1:] for figure in of_size)]
        parts.append(f"## {runs:,} runs\n\n{_table(of_size, [column[1:] for column in shown])}")
    parts.append(f"## Growth\n\n{_growth(figures)}")
    return "\n\n".join(parts) + "\n"


def _column(figure: Figure) -> tuple[str, str]:
    return figure.product, figure.database


def _table(figures: Sequence[Figure], columns: Sequence[tuple[str, str]]) -> str:
    head = ["load", "figure", "unit", "pass", "stretch", *(f"{product}, {database}" for product, database in columns)]
    rows = [head, ["---"] * 3 + ["---:"] * (len(head) - 3)]
    notes: list[str] = []
    for key, mark in MARKS.items():
        found = {_column(figure): figure for figure in figures if figure.mark == key}
        if not found:
            continue
        cells = [_cell(found.get(column), notes) for column in columns]
        rows.append([mark.load, mark.title, mark.unit, number(mark.passes), number(mark.stretch), *cells])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    loads = [figure.load_average for figure in figures]
    beside = f"Load average of the machine while it was measured: {min(loads):.1f} to {max(loads):.1f}."
    return "\n\n".join([table, beside, *(f"{place}. {note}" for place, note in enumerate(notes, start=1))])


def _cell(figure: Figure | None, notes: list[str]) -> str:
    if figure is None:
        return ""
    word = verdict(figure)
    shown = number(figure.value) + (f" ({word})" if word else "")
    if figure.note:
        if figure.note not in notes:
            notes.append(figure.note)
        shown += f" [{notes.index(figure.note) + 1}]"
    return shown


def _growth(figures: Sequence[Figure]) -> str:
    """The product's figures at the smallest and the largest size that was measured."""
    rows = [["figure", "database", "fewest runs", "most runs", "size grew by", "figure grew by", "sub-linear"]]
    rows.append(["---", "---"] + ["---:"] * 4 + ["---"])
    for key, mark in MARKS.items():
        for database in ("sqlite", "postgres"):
            of_mark = [
                one
                for one in figures
                if (one.mark, one.product, one.database) == (key, PRODUCT, database) and one.value
            ]
            of_mark.sort(key=lambda one: one.runs)
            if len(of_mark) < 2 or of_mark[0].runs == of_mark[-1].runs:
                continue
            least, most = of_mark[0], of_mark[-1]
            assert least.value is not None
            assert most.value is not None
            size = most.runs / least.runs
            grown = least.value / most.value if mark.higher else most.value / least.value
            rows.append(
                [
                    f"{mark.load}: {mark.title}",
                    database,
                    f"{number(least.value)} at {least.runs:,}",
                    f"{number(most.value)} at {most.runs:,}",
                    f"{size:.0f} x",
                    f"{grown:.2f} x",
                    "yes" if grown < size else "no",
                ]
            )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
