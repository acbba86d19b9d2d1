"""What a point of a figure says, and where each of its numbers comes from.

A point's customdata is a list: one entry for every number in its text or hover, and {"label": name} or {"id": run}
for names and run ids that contain digits and are no numbers.
"""

import re
import textwrap
from dataclasses import dataclass, field
from typing import Any

from app.language import filled, tr, trn
from app.schemas import Cell, ConfigurationView, Difference, MetricCard, Number
from app.ui.cells import Matrix, gap
from app.ui.charts.parts import Trace
from app.ui.numbers import attributes, format_number
from app.ui.theme import Palette

Entry = dict[str, str]
UNIT = re.compile(r"\D+$")
HOVER_CHARACTERS = 64
"""Of a line of a hover."""


@dataclass(frozen=True)
class Point:
    """Text with the entries of everything in it that contains a digit."""

    text: str = ""
    numbers: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class Name:
    """A configuration's name inside a message."""

    text: str


def said_source(source: str | None) -> str:
    """The kind of a source in a word."""
    return {"measured": tr("measured"), "imported": tr("imported"), "estimated": tr("estimated")}.get(source or "", "")


def entry(number: Number) -> Entry:
    """The source of one number, in the words of its data-* attributes."""
    return {name.removeprefix("data-"): value for name, value in attributes(number).items()}


def label(name: str) -> Entry:
    return {"label": name}


class Words:
    """Builds a point's text piece by piece and keeps the sources."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._numbers: list[Entry] = []

    def say(self, words: str) -> "Words":
        self._pieces.append(words)
        return self

    def name(self, name: str) -> "Words":
        self._numbers.append(label(name))
        return self.say(f"<b>{name}</b>")

    def quote(self, sentence: str) -> "Words":
        """A sentence of the API, its digits explained by being its own; wrapped for a hover."""
        self._numbers.append(label(sentence))
        return self.say("<br>".join(textwrap.wrap(sentence, HOVER_CHARACTERS, break_long_words=False)))

    def all(self, pieces: list[Any]) -> "Words":
        """The pieces of a message: words, numbers, and names as a `Name`."""
        for piece in pieces:
            if isinstance(piece, Number):
                self.number(piece)
            elif isinstance(piece, Name):
                self.name(piece.text)
            else:
                self.say(str(piece))
        return self

    def number(self, number: Number) -> "Words":
        self._numbers.append(entry(number))
        return self.say(format_number(number))

    def plus_minus(self, mean: Number, half_width: Number) -> "Words":
        """`94.1 ± 0.6 %`: a unit that both share stands once."""
        shown, spread = format_number(mean), format_number(half_width)
        unit = UNIT.search(shown)
        shared = unit is not None and spread.endswith(unit.group())
        self._numbers += [entry(mean), entry(half_width)]
        return self.say(f"{UNIT.sub('', shown) if shared else shown} ± {spread}")

    def runs(self, ids: list[int]) -> "Words":
        self._numbers.extend({"id": str(run)} for run in ids)
        listed = ", ".join(str(run) for run in ids)
        return self.say(trn("run {runs}", "runs {runs}", len(ids), runs=listed))

    def source(self, source: str | None, ids: list[int]) -> "Words":
        """Where a value is from, and from which runs."""
        return self.say(f"<br>{said_source(source)} · ").runs(ids)

    def point(self) -> Point:
        return Point("".join(self._pieces), self._numbers)


def cell_text(matrix: Matrix, cell: Cell | None, palette: Palette, *, asked: int) -> Point:
    """What a cell prints: `94.1 ± 0.6 %`, a bare value, ≈ before an estimate, – for missing, the failures in words.

    asked: the seeds that each row was asked for; an interval over fewer says so.
    """
    words = Words()
    if cell is None or (cell.mean is None and not cell.failures):
        return words.say("–").point()
    if cell.mean is None:
        return words.all(filled("✕ {count} failed", count=matrix.failures(cell))).point()
    half_width = matrix.half_width(cell)
    words.say("≈ " if cell.source == "estimated" else "")
    if half_width is None:
        words.number(matrix.mean(cell))
    else:
        words.plus_minus(matrix.mean(cell), half_width)
    if cell.interval is not None and cell.n < asked:
        words.say(f" <span style='font-size:10px;color:{palette.bad if cell.failures else palette.ink}'>")
        words.say("✕ " if cell.failures else "").say("n ").number(matrix.count(cell)).say("</span>")
    return words.point()


def describe_cell(matrix: Matrix, row: ConfigurationView, card: MetricCard, cell: Cell | None) -> Point:
    """A cell's hover: value, interval and what it covers, every run's own value, score, source, failures."""
    words = Words().name(row.label).say(f" · {matrix.title(card)}")
    if cell is None or cell.mean is None:
        missing = cell.missing if cell and cell.missing else tr("not measured yet")
        words.say("<br>" + tr("missing: {reason}", reason=missing))
    else:
        _describe_value(words, matrix, cell)
    if cell is not None and cell.failures:
        failed = filled("✕ {count} failed: see the Failures tab", count=matrix.failures(cell))
        words.say("<br>").all(failed)
    for flag in cell.flags if cell is not None else []:
        words.say("<br>⚑ ").quote(flag)
    for note in cell.notes if cell is not None else []:
        words.say("<br>").quote(note)
    return words.point()


def _describe_value(words: Words, matrix: Matrix, cell: Cell) -> None:
    words.say("<br><b>").number(matrix.mean(cell)).say("</b>")
    interval, count = matrix.interval(cell), matrix.count(cell)
    if interval is not None:
        words.say(" [").number(interval[0]).say(", ").number(interval[1]).say("] ")
        words.all(filled("over seeds, n = {n}", n=count) if cell.n > 1 else filled("over test items, n = {n}", n=count))
    else:
        words.say(", ").all(filled("n = {n} (single run)", n=count) if cell.n == 1 else ["n = ", count])
    values = matrix.values(cell)
    if len(values) > 1:
        words.say("<br>")
        for place, value in enumerate(values):
            words.say(", " if place else "").number(value)
    score = matrix.normalised(cell)
    words.say("<br>").all(filled("score {score}", score=score) if score else [tr("no score: see the notes above")])
    words.source(cell.source, cell.run_ids)


def gap_text(difference: Difference, *, colour: str) -> Point:
    """`+4.2 tie` beside a row of the forest; a difference that was shown is bold."""
    shown = difference.verdict != "tie"
    words = Words().say("<b>" if shown else "").number(gap(difference, difference.value, "difference"))
    words.say("</b>" if shown else "")
    word = said_verdict(difference.verdict)
    verdict = f"<b>{word}</b>" if shown else word
    return words.say(f"  <span style='color:{colour}'>{verdict}</span>").point()


def said_verdict(verdict: str) -> str:
    """What a test of a difference came to, in a word."""
    return {"better": tr("better"), "tie": tr("tie"), "worse": tr("worse")}[verdict]


def describe_gap(row: ConfigurationView, difference: Difference, reference: str) -> Point:
    """A forest row's hover: the difference, both intervals, the p-value and the runs compared."""
    lo, hi = (gap(difference, end, name) for end, name in zip(difference.interval, ("lo", "hi"), strict=True))
    names = ("corrected_lo", "corrected_hi")
    thin = [gap(difference, end, name) for end, name in zip(difference.corrected, names, strict=True)]
    words = Words().all(filled("{method} minus {reference}", method=Name(row.label), reference=Name(reference)))
    value, verdict = gap(difference, difference.value, "difference"), said_verdict(difference.verdict)
    words.say("<br><b>").all(filled("{difference} points: {verdict}", difference=value, verdict=verdict)).say(
        "</b><br>"
    )
    words.all(filled("this pair [{lo}, {hi}]", lo=lo, hi=hi)).say("<br>")
    words.all(filled("all pairs (Holm) [{lo}, {hi}]", lo=thin[0], hi=thin[1])).say("<br>p ")
    words.number(gap(difference, difference.p_value, "p_value")).say("<br>" + tr("over {what}", what=difference.covers))
    words.say("<br>").runs(difference.run_ids).say(" · ").runs(difference.reference_run_ids)
    return words.point()


def halo(palette: Palette) -> str:
    """A text-shadow that keeps lines behind words from running through them."""
    return ", ".join(f"{x}px {y}px 2px {palette.surface}" for x in (-1, 1) for y in (-1, 1))


def text_trace(xs: list[float], ys: list[float], points: list[Point], colours: list[str] | str, **style: Any) -> Trace:
    """One text trace for many points. style: textposition, size (px) and shadow."""
    return {
        "type": "scatter",
        "x": xs,
        "y": ys,
        "mode": "text",
        "text": [point.text for point in points],
        "customdata": [point.numbers for point in points],
        "textposition": style.get("textposition", "middle center"),
        "textfont": {"size": style.get("size", 12), "color": colours, "shadow": style.get("shadow")},
        "hoverinfo": "skip",
        "cliponaxis": False,
    }
