"""Two methods against each other, study by study: the difference with its interval, and where none matters."""

import plotly.graph_objects as go

from app.language import tr
from app.schemas import ComparedStudy, StudiesCompared, StudyDifference
from app.ui.charts.named_rows import NamedRow, named_rows, rows_height
from app.ui.charts.points import Point, Words, label
from app.ui.theme import Palette, Verdict

__all__ = ["outcome", "pair_forest", "rows_height"]


def outcome(difference: StudyDifference) -> Verdict:
    """A tie where the interval covers none, or there is no interval: no difference shown, which is not equality."""
    if difference.interval is None or difference.interval[0].value <= 0 <= difference.interval[1].value:
        return "tie"
    return "better" if difference.value.value > 0 else "worse"


def pair_forest(found: StudiesCompared, palette: Palette) -> go.Figure:
    """One row for each study that has both methods; the shade is what counts as practically equal."""
    assert found.pair is not None, "drawn where there is a pair"
    pair, studies = found.pair, {study.id: study for study in found.studies}
    titles = {method.method: method.title for method in found.methods}
    rows = [_row(one, studies[one.study], palette, titles[pair.a], titles[pair.b]) for one in pair.differences]
    rope = pair.rope.value
    title = tr("{a} minus {b}, points of full's gain", a=titles[pair.a], b=titles[pair.b])
    lo, hi = _ends(pair.differences, rope)
    figure = named_rows(rows, palette, ends=(lo, hi), title=title)
    count = len(rows)
    zone = {"fillcolor": palette.accent_soft, "line": {"width": 0}, "layer": "below"}
    figure.add_shape(type="rect", x0=-rope, x1=rope, y0=-0.5, y1=count - 0.5, **zone)
    line = {"color": palette.tie, "width": 1.2, "dash": "dot"}
    figure.add_shape(type="line", x0=0, x1=0, y0=-0.5, y1=count - 0.5, line=line, layer="below")
    ticks = _ticks(lo, hi)
    figure.update_xaxes(tickvals=ticks, ticktext=[_signed(tick) for tick in ticks])
    return figure


def _row(one: StudyDifference, study: ComparedStudy, palette: Palette, a: str, b: str) -> NamedRow:
    verdict = outcome(one)
    lo, hi = one.interval or (None, None)
    return NamedRow(
        name=_name(study, palette),
        words=_words(one),
        hover=_hover(one, study, a, b),
        at=one.value.value,
        lo=lo.value if lo else None,
        hi=hi.value if hi else None,
        symbol="circle-open" if verdict == "tie" else "circle",
        colour=palette.verdict(verdict),
    )


LONGEST_NAME = 30
"""Of a study, in characters, that leaves room for the number on a phone."""


def _name(study: ComparedStudy, palette: Palette) -> Point:
    shown = study.name if len(study.name) <= LONGEST_NAME else f"{study.name[: LONGEST_NAME - 1]}…"
    origin = tr("imported") if study.source == "imported" else ""
    return Point(f"{shown} <span style='color:{palette.ink_2}'>{origin}</span>", [label(shown)])


def _words(one: StudyDifference) -> Point:
    words = Words().say("<b>").number(one.value).say("</b>")
    if one.p_a is not None:
        words.say(" · P ").number(one.p_a)
    return words.point()


def _hover(one: StudyDifference, study: ComparedStudy, a: str, b: str) -> Point:
    words = Words().name(study.name).say("<br>").name(a).say(" – ").name(b).say(": ").number(one.value)
    if one.interval is not None:
        words.say(" [").number(one.interval[0]).say(", ").number(one.interval[1]).say("]")
    if one.p_a is not None:
        words.say("<br>P(").name(a).say(" > ").name(b).say(") ").number(one.p_a)
    return words.say("<br>").runs(one.value.run_ids).say(" – ").runs(one.value.reference_run_ids).point()


def _ends(differences: list[StudyDifference], rope: float) -> tuple[float, float]:
    """Holds every interval, zero and the zone, with some air."""
    reach = [end.value for one in differences for end in one.interval or (one.value,)]
    lo, hi = min([*reach, -2 * rope]), max([*reach, 2 * rope])
    air = 0.04 * (hi - lo)
    return lo - air, hi + air


def _ticks(lo: float, hi: float) -> list[float]:
    """Round values in points, zero among them, at most seven."""
    step = next(s for power in range(-2, 4) for m in (1, 2, 5) if (hi - lo) / (s := m * 10.0**power / 100) <= 6)
    return [k * step for k in range(-60, 61) if lo <= k * step <= hi]


def _signed(tick: float) -> str:
    return f"{100 * tick:+.3g}".replace("-", "−").replace("+0", "0")
