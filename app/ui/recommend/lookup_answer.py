"""The answer to a looked-up case: measured, estimated from the nearest studies, or what to run to know it."""

from collections.abc import Mapping
from typing import Any

from dash import html

from app.language import filled, mark, spaced, tr
from app.schemas import Lookup, LookupCase, LookupRow, MetricCard, NearStudy, Number, NumberQuantity
from app.ui.launch.link import case_address
from app.ui.numbers import show
from app.ui.recommend.answer import either
from app.ui.recommend.case import CONSTRAINT_FIELDS, CRITERION_TITLES, Case
from app.ui.recommend.lookup_case import LookedUp
from app.ui.recommend.lookup_figures import column_title, lookup_figures
from app.ui.recommend.verdicts import verdict_tag
from app.ui.recommend.views import address
from app.ui.sentences import sentence
from app.ui.study.parts import named
from app.ui.study.tabs import table

BASES = {
    "measured": (mark("measured"), "good", mark("A study has this very case.")),
    "estimated": (
        mark("not measured: estimated"),
        "warn",
        mark("Carried over from the nearest studies, marked ≈."),
    ),
    "refused": (mark("not measured"), "warn", mark("No study is near enough to speak for this case.")),
}
"""Word, tone and meaning."""


def lookup_answer(found: Lookup, case: LookedUp, cards: Mapping[str, MetricCard]) -> html.Div:
    """Everything right of the form."""
    ranked = [row for row in found.rows if row.ruled_out is None]
    out = [row for row in found.rows if row.ruled_out is not None]
    return html.Div(
        [
            _headline(found, case),
            *([lookup_figures(found, ranked, cards)] if ranked else []),
            html.Div([*_nearest(found), *_ruled_out(out)], className="recommend-columns"),
            *_how(found, cards),
        ],
        className="recommend-answer",
    )


def spoken(found: Lookup) -> str:
    """What a screen reader is told after a change."""
    picks = tr("{first} or {second}", first=found.picks[0], second=found.picks[1]) if found.picks[1:] else ""
    return spaced([tr("{said}.", said=tr(BASES[found.basis][0]).capitalize()), picks or "".join(found.picks)])


# -- the headline ------------------------------------------------------------------------------------------------------


def _headline(found: Lookup, case: LookedUp) -> html.Section:
    word, tone, meaning = BASES[found.basis]
    hatch = " lookup-estimated" if found.basis == "estimated" else ""
    basis = html.Span(tr(word), className=f"tag tag-{tone}{hatch}", title=tr(meaning))
    first = next((row for row in found.rows if row.label in found.picks[:1]), None)
    sure = [] if first is None or first.p_best is None else [_sure(found, first.p_best)]
    words = html.Div(
        [
            html.Div([basis, *([verdict_tag(found.verdict)] if found.verdict else [])], className="recommend-verdict"),
            html.H2(_title(found), className="recommend-headline"),
            html.P(sentence(found.label), className="recommend-reason"),
            *_notes(found),
            html.Div(_next_step(found, case), className="recommend-next"),
        ]
    )
    lead = "good" if found.basis == "measured" and (found.verdict or "clear") == "clear" else "warn"
    return html.Section(
        [words, *sure], className=f"panel recommend-lead recommend-{lead}", **{"data-region": "evidence"}
    )


def _title(found: Lookup) -> list[Any]:
    if found.basis == "refused":
        return [tr("Nobody knows yet: run it")]
    picks = [row for label in found.picks for row in found.rows if row.label == label]
    if not picks:
        return [tr("Not enough evidence") if found.verdict else tr("What is known")]
    names = either([named(row.label, row.family) for row in picks])
    if found.verdict == "lean" and found.basis == "estimated":
        return filled("Probably {methods}", methods=html.Span(names))
    return filled("Use {methods}", methods=html.Span(names)) if found.verdict in ("clear", "lean") else names


def _sure(found: Lookup, p_best: Number) -> html.Div:
    single = found.basis == "measured" and single_seed(found)
    note = tr("no seed noise in it") if single else tr("of the draws rank it first")
    if found.basis == "estimated":
        note = tr("if the ratios carry over as they did")
    big = html.Div(show(p_best), className="recommend-p" + (" recommend-p-single" if single else ""))
    parts = [html.Div(tr("P(best)"), className="label"), big]
    return html.Div([*parts, html.Div(note, className="label")])


def _notes(found: Lookup) -> list[Any]:
    """What could not be used, in words."""
    lines: list[Any] = [
        tr("{criterion} is left out for all: {reason}.", criterion=tr(CRITERION_TITLES[name]), reason=reason)
        for name, reason in found.dropped_criteria.items()
    ]
    for name in found.unchecked:
        title = tr(CONSTRAINT_FIELDS[name].title)
        lines.append(tr("“{limit}” could not be checked: nothing here has a figure to hold against it.", limit=title))
    if found.basis == "measured" and single_seed(found):
        lines.append(tr("One seed only: intervals are over test items, and how much seeds vary is not known."))
    if not lines:
        return []
    return [html.Div(html.Ul([html.Li(line) for line in lines], className="note-list"), className="recommend-notes")]


def single_seed(found: Lookup) -> bool:
    """Whether the quality of some row rests on one run."""
    qualities = [row.figures["task_performance"].absolute for row in found.rows if "task_performance" in row.figures]
    return any(quality is not None and len(quality.run_ids) == 1 for quality in qualities)


def _next_step(found: Lookup, case: LookedUp) -> list[Any]:
    """New study filled in with the case, or the study that has it."""
    if found.run_next is not None:
        size = {} if case.base_model else {"architecture": case.architecture, "parameters": case.parameters}
        run = html.A(
            tr("Run this study"),
            href=case_address(found.run_next, task=case.task or None, size=size),
            className="button",
        )
        return [
            run,
            html.Span(tr("New study opens filled in; nothing starts before you launch it."), className="quiet"),
        ]
    if found.basis != "measured" or not found.nearest:
        return []
    study = found.nearest[0].study
    asked = Case(study, case.scenario or None, None, case.constraints, case.floor)
    return [
        html.A(tr("Open the study"), href=f"/studies/{study}", className="button"),
        html.A(tr("Its recommendation"), href=address("study", asked.query()), className="button button-plain"),
    ]


# -- what it comes from ------------------------------------------------------------------------------------------------


def _nearest(found: Lookup) -> list[Any]:
    """The studies that speak for the case, and how far each is from it."""
    if not found.nearest:
        return []
    words = (tr("Study"), tr("Distance"), tr("Base"), tr("Items"), tr("Length"), tr("Device"))
    heads = [html.Th(word) for word in words]
    body = [_near(near, found.case) for near in found.nearest]
    title = tr("Measured in") if found.basis == "measured" else tr("The nearest studies")
    note = tr("One is a factor of three in parameters or training items, or another class of device.")
    return [
        html.Section(
            [
                html.H3(title),
                html.P(note, className="study-note"),
                table(html.Tr(heads), body, className="study-table-wrap"),
            ],
            className="panel",
            **{"data-region": "evidence"},
        )
    ]


def _near(near: NearStudy, asked: LookupCase) -> html.Tr:
    """What differs from the case stands in bold."""
    sizes: tuple[tuple[str, NumberQuantity], ...] = (
        ("parameters", "count"),
        ("train_items", "count"),
        ("max_length", "count"),
    )
    cells = []
    for name, quantity in sizes:
        value = float(getattr(near.case, name))
        told = Number(value=value, quantity=quantity, statistic=name, formula=f"study_case(study {near.study})")
        same = value == float(getattr(asked, name))
        cells.append(html.Td(show(told), className="" if same else "lookup-differs"))
    device = html.Td(near.case.device, className="" if near.case.device == asked.device else "lookup-differs")
    link = html.A(near.name, href=f"/studies/{near.study}", **{"data-label": near.name})
    return html.Tr([html.Th(link, scope="row"), html.Td(show(near.distance)), *cells, device])


def _ruled_out(rows: list[LookupRow]) -> list[Any]:
    if not rows:
        return []
    items = [
        html.Li([named(row.label, row.family), html.Div(sentence(row.ruled_out or []), className="quiet")])
        for row in rows
    ]
    listed = html.Ul(items, className="recommend-reasons")
    return [html.Section([html.H3(tr("Ruled out")), listed], className="panel", **{"data-region": "evidence"})]


def _how(found: Lookup, cards: Mapping[str, MetricCard]) -> list[Any]:
    """How the absolute figures are made, and which studies could not be used; folded away."""
    told = [html.Li([html.B(f"{column_title(key, cards)}: "), text]) for key, text in found.how.items()]
    parts: list[Any] = []
    if told and found.basis == "estimated":
        first = tr("Full fine-tuning's own figures, which the ratios are multiplied with:")
        parts.append(_folded(tr("How the absolute figures are made"), first, told))
    unused = [
        html.Li([html.A(study.name, href=f"/studies/{study.study}"), f": {study.reason}."]) for study in found.unused
    ]
    if unused:
        parts.append(_folded(tr("Studies that could not be used"), "", unused))
    return [html.Section(parts, className="panel lookup-how")] if parts else []


def _folded(title: str, first: str, items: list[Any]) -> html.Details:
    listed = html.Ul(items, className="note-list")
    return html.Details([html.Summary(title), *([html.P(first, className="quiet")] if first else []), listed])
