"""A sweep in words and as tables: what the composite is made of, how its best stands against its neighbours."""

from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import NeighbourView, Number, SweepPoint, Sweeps, SweepView
from app.ui.charts.points import said_verdict
from app.ui.numbers import show
from app.ui.study.parts import tag
from app.ui.study.tabs import table

FIGURES = ("quality", "composite", "parameters", "speed")


def sweep_title(chosen: SweepView) -> str:
    """A sweep as a choice among several: "LoRA by rank r"."""
    parameter = f"{chosen.parameter_title[:1].lower()}{chosen.parameter_title[1:]}"
    return tr("{method} by {parameter}", method=chosen.title, parameter=parameter)


def best_tag(chosen: SweepView) -> html.Span | None:
    """Whether the best is more than the luck of a draw, in a word; None where there is no best."""
    if chosen.best is None:
        return None
    if chosen.separable is None:
        return tag(tr("best not tested"), "plain", tr("The test items that a test needs are not at hand."))
    if chosen.separable:
        why = tr("Its quality is shown to differ from every neighbour's.")
        return tag(tr("best separable"), "accent", why)
    why = tr("No difference in quality to at least one neighbour is shown.")
    return tag(tr("best not separable"), "warn", why)


def rule_note(found: Sweeps, chosen: SweepView) -> list[Any]:
    """What the composite and the line mean, and what else the rows differ in."""
    rule = {name: show(number) for name, number in found.rule.items()}
    words = filled(
        "Composite: {quality_weight} × quality + {parameter_weight} × size, both scored on fixed anchors: quality from"
        " the untuned row to full fine-tuning, size by how many times fewer parameters than full fine-tuning are"
        " trained. Ring: its largest value. Dashed line: keeps {share_of_gain} of what full fine-tuning gains over the"
        " untuned row.",
        **rule,
    )
    return words + _others(chosen)


def _others(chosen: SweepView) -> list[Any]:
    """The hyper-parameters that grow with the swept one, and those that all rows share."""
    words: list[Any] = []
    if chosen.in_proportion:
        grown = ", ".join(_words(name) for name in chosen.in_proportion)
        grown = grown[:1].upper() + grown[1:]
        words += [" ", tr("{parameters} grows in proportion.", parameters=grown)]
    if chosen.fixed:
        shared = ", ".join(f"{_words(name)} {_words(str(value))}" for name, value in chosen.fixed.items())
        values = html.Span(shared, **{"data-label": shared})
        words += [" ", *filled("All rows share {values}.", values=values)]
    return words


def _words(name: str) -> str:
    return name.replace("_", " ")


def sweep_table(found: Sweeps, chosen: SweepView, headline: str) -> html.Div:
    """Every value of the hyper-parameter with its figures; what is missing says why."""
    size, speed = found.metrics["parameters"], found.metrics["speed"]
    titles = [headline[:1].upper() + headline[1:], tr("Composite"), size.title, f"{speed.title}, {speed.unit}"]
    heads = [chosen.parameter_title, *titles, tr("Line")]
    body = []
    for point in chosen.points:
        value = html.Span(f"{point.value:g}", **{"data-label": point.label})
        best = " ← " + tr("best") if point.configuration == chosen.best else ""
        cells = [html.Td(_figure(point, name)) for name in FIGURES]
        body.append(html.Tr([html.Th([value, best], scope="row"), *cells, html.Td(_reached(point))]))
    return table(html.Tr([html.Th(head, scope="col", **{"data-label": head}) for head in heads]), body)


def _figure(point: SweepPoint, name: str) -> list[Any]:
    number = point.numbers.get(name)
    if number is None:
        reason = point.missing.get(name, tr("one of its two parts is missing"))
        return [html.Span("–", title=reason, **{"data-label": "missing"})]
    lo, hi = (point.numbers.get(f"{name}_{end}") for end in ("lo", "hi"))
    return [show(number), *(_interval(lo, hi) if lo and hi else [])]


def _interval(lo: Number, hi: Number) -> list[Any]:
    return [html.Span([" [", show(lo), ", ", show(hi), "]"], className="quiet")]


def _reached(point: SweepPoint) -> str:
    return "–" if point.keeps_enough is None else tr("reached") if point.keeps_enough else tr("not reached")


def neighbour_table(chosen: SweepView) -> list[Any]:
    """The best against the next value on either side; nothing where nothing was tested."""
    if not chosen.neighbours:
        return []
    labels = {point.configuration: point.label for point in chosen.points}
    heads = [tr("Neighbour"), tr("Best minus neighbour"), "p (Holm)", tr("Verdict"), tr("Covers")]
    body = [_neighbour(view, labels[view.configuration]) for view in chosen.neighbours]
    return [
        html.H3(tr("Quality of the best against its neighbours")),
        table(html.Tr([html.Th(head, scope="col", **{"data-label": head}) for head in heads]), body),
    ]


def _neighbour(view: NeighbourView, label: str) -> html.Tr:
    difference = [show(view.difference), *_interval(*view.interval)]
    verdict = html.Span(said_verdict(view.verdict), className=f"verdict verdict-{view.verdict}")
    cells = [difference, show(view.p_value), verdict, tr(view.covers)]
    return html.Tr(
        [html.Th(html.Span(label, **{"data-label": label}), scope="row"), *[html.Td(cell) for cell in cells]]
    )
