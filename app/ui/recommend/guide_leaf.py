"""A leaf of the selection guide: what the studies pick there, and on what case."""

from collections.abc import Mapping
from typing import Any

from dash import html

from app.language import filled, mark, spaced, tr
from app.schemas import (
    GuideQuestionView,
    LeafView,
    Number,
    NumberQuantity,
    SelectionGuide,
    StudyPick,
)
from app.ui.launch.link import preset_address
from app.ui.numbers import show
from app.ui.recommend.case import CONSTRAINT_FIELDS, CRITERION_TITLES, Case
from app.ui.recommend.guide_case import reached
from app.ui.recommend.guide_overview import path_words
from app.ui.recommend.guide_textbook import of_leaf, textbook_panel
from app.ui.recommend.guide_tree import leaf_names
from app.ui.recommend.verdicts import VERDICTS, verdict_tag, verdict_word
from app.ui.recommend.views import address
from app.ui.sentences import sentence
from app.ui.study.parts import named
from peft_core.scenario import ConstraintName

MOST_STUDIES = 5
"""So many picks stand in the panel; the others are folded away."""

FIRST_STUDY = "chapter_five"
"""The preset that answers a leaf of which nothing is known."""


def leaf_panel(guide: SelectionGuide, answers: Mapping[str, bool]) -> list[Any]:
    """The leaf that the answers lead to, or what is asked next."""
    goals, here = reached(guide, answers)
    if isinstance(here, GuideQuestionView):
        return [_next_question(here, first=not goals)]
    return [_headline(guide, here), html.Div([_studies(here), textbook_panel(here)], className="recommend-columns")]


def spoken(here: GuideQuestionView | LeafView) -> str:
    """What a screen reader is told after an answer: the next question, or the pick."""
    if isinstance(here, GuideQuestionView):
        return here.text
    word = verdict_word(here.verdict)
    return tr("{verdict}: {method}.", verdict=word, method=here.title) if here.title else tr("{said}.", said=word)


def _next_question(question: GuideQuestionView, *, first: bool) -> html.Section:
    told = tr("Two or three answers lead to a pick.") if first else tr("One more answer, or two.")
    return html.Section(
        html.Div(
            [
                html.Div(html.Span(tr("The next question"), className="quiet"), className="recommend-verdict"),
                html.H2(question.text, className="recommend-headline"),
                html.P(spaced([tr("Answer it in the tree."), told]), className="recommend-reason"),
            ]
        ),
        className="panel recommend-lead recommend-open",
    )


# -- the answer --------------------------------------------------------------------------------------------------------


def _headline(guide: SelectionGuide, leaf: LeafView) -> html.Section:
    tone = VERDICTS[leaf.verdict][1]
    words = html.Div(
        [
            html.Div(
                [verdict_tag(leaf.verdict), html.Span(path_words(guide, leaf), className="quiet")],
                className="recommend-verdict",
            ),
            html.H2(_title(leaf), className="recommend-headline"),
            html.P(sentence(leaf.sentence), className="recommend-reason"),
            *_second(leaf),
            html.P(_what_counts(leaf), className="study-note guide-counts"),
            *_run_next(leaf),
        ]
    )
    sure = [] if leaf.p_best is None else [_sure(leaf, leaf.p_best)]
    return html.Section(
        [words, *sure], className=f"panel recommend-lead recommend-{tone}", **{"data-region": "evidence"}
    )


def _title(leaf: LeafView) -> list[Any]:
    if not (names := leaf_names(leaf)):
        return [tr("Not enough evidence")]
    return filled("Use {methods}", methods=html.Span(names)) if leaf.verdict in ("clear", "lean") else names


def _second(leaf: LeafView) -> list[Any]:
    if leaf.runner_up is None:
        return []
    name = named(leaf.runner_up.title, leaf.runner_up.family)
    share = show(leaf.runner_up.p_best)
    return [html.P(filled("Runner-up: {method}, first in {share} of the draws.", method=name, share=share))]


def _sure(leaf: LeafView, p_best: Number) -> html.Div:
    note = tr("mean over the studies that answer") if leaf.studies > 1 else tr("of the draws rank it first")
    parts = [html.Div(tr("P(best)"), className="label"), html.Div(show(p_best), className="recommend-p")]
    return html.Div([*parts, html.Div(note, className="label")])


def _what_counts(leaf: LeafView) -> list[Any]:
    """The leaf's case: its weights, the heaviest first, and what must hold."""
    weights = sorted(leaf.weights.items(), key=lambda entry: -entry[1])
    listed: list[Any] = []
    for name, weight in weights:
        if weight > 0:
            listed += [tr(", ")] if listed else []
            listed += [tr(CRITERION_TITLES[name]).lower(), " ", show(of_leaf(leaf, weight, f"weight_{name}", "score"))]
    limits = [piece for name, limit in leaf.constraints.items() for piece in _limit(leaf, name, limit)]
    return filled(
        "What counts here: {weights}; keep at least {floor} of full fine-tuning's gain{limits}. Weights are opinions:"
        " open a study's answer to change them.",
        weights=html.Span(listed),
        floor=show(of_leaf(leaf, leaf.quality_floor, "quality_floor", "fraction")),
        limits=html.Span(limits),
    )


def _limit(leaf: LeafView, name: ConstraintName, limit: float) -> list[Any]:
    title = tr(CONSTRAINT_FIELDS[name].title)
    shown = show(of_leaf(leaf, limit, f"limit_{name}", _QUANTITIES[name]))
    unit = tr(_UNITS[name]) if name in _UNITS else ""
    return [tr("; "), title[:1].lower() + title[1:], " ", shown, " " if unit else "", unit]


_QUANTITIES: dict[str, NumberQuantity] = {
    "peak_memory_bytes": "bytes",
    "storage_bytes": "bytes",
    "quality_standard_errors": "count",
}
_UNITS = {"quality_standard_errors": mark("standard error")}


def _run_next(leaf: LeafView) -> list[Any]:
    if leaf.method is not None:
        return []
    run = html.A(tr("Run the chapter's methods"), href=preset_address(FIRST_STUDY), className="button")
    return [html.Div(run, className="recommend-next")]


# -- studies ----------------------------------------------------------------------------------------------------------


def _studies(leaf: LeafView) -> html.Section:
    """Each study's own pick, the study linked, and its whole recommendation of this case."""
    order = sorted(leaf.picks, key=lambda pick: pick.verdict == "not enough evidence")
    rows = [_study(leaf, pick) for pick in order]
    told: list[Any] = [html.Ul(rows[:MOST_STUDIES], className="recommend-reasons")]
    if len(rows) > MOST_STUDIES:
        others = html.Ul(rows[MOST_STUDIES:], className="recommend-reasons")
        told.append(html.Details([html.Summary(tr("and the others")), others], className="more"))
    return html.Section([html.H3(tr("What each study picks")), *told], className="panel", **{"data-region": "evidence"})


def _study(leaf: LeafView, pick: StudyPick) -> html.Li:
    name = html.A(pick.name, href=f"/studies/{pick.study}", **{"data-label": pick.name})
    head = html.Div([name, verdict_tag(pick.verdict)], className="guide-pick-head")
    if pick.label is None or pick.p_best is None:
        return html.Li([head, html.Div(pick.reason, className="quiet")])
    picked = named(pick.label, pick.family or "external")
    case = Case(pick.study, leaf.scenarios[0], leaf.weights, leaf.constraints, leaf.quality_floor)
    why = html.A(
        tr("why"),
        href=address("study", case.query()),
        **{"aria-label": tr("Why {study} picks it", study=pick.name), "data-label": pick.name},
    )
    told = html.Span([*filled("first in {share} of the draws", share=show(pick.p_best)), " · ", why], className="quiet")
    return html.Li([head, html.Div([picked, told], className="guide-pick-head")])
