"""A leaf of the selection guide: what the studies pick there, the textbook beside it, and what the guide is worth."""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from app.language import filled, mark, spaced, tr
from app.schemas import (
    GuideQuestionView,
    GuideRegret,
    LeafView,
    Number,
    NumberQuantity,
    SelectionGuide,
    StudyPick,
    TextbookLeaf,
)
from app.ui.launch.link import preset_address
from app.ui.numbers import by_formula, show
from app.ui.recommend.case import CONSTRAINT_FIELDS, CRITERION_TITLES, Case
from app.ui.recommend.guide_case import reached
from app.ui.recommend.guide_tree import leaf_names
from app.ui.recommend.verdicts import VERDICTS, verdict_tag, verdict_word
from app.ui.recommend.views import address
from app.ui.sentences import sentence
from app.ui.study.parts import named, tag
from app.ui.study.tabs import table
from peft_core.method import method_class
from peft_core.scenario import ConstraintName

MOST_STUDIES = 5
"""So many picks stand in the panel; the others are folded away."""

FIRST_STUDY = "chapter_five"
"""The preset that answers a leaf of which nothing is known."""

AGREEMENTS: dict[str, tuple[str, str, str]] = {
    "agrees": ("=", mark("agrees"), mark("The evidence picks the textbook's method.")),
    "same family": (
        "≈",
        mark("same family"),
        mark("The evidence picks another method of the textbook's family."),
    ),
    "undecided": (
        "~",
        mark("undecided"),
        mark("The textbook's method is the one that the pick is not clearly better than."),
    ),
    "differs": ("≠", mark("differs"), mark("The evidence picks another method, of another family.")),
    "not measured": (
        "?",
        mark("not measured"),
        mark("No study has the textbook's method, so nothing speaks against it."),
    ),
}
"""Sign, word and meaning of how evidence and textbook go together."""


def leaf_panel(guide: SelectionGuide, answers: Mapping[str, bool]) -> list[Any]:
    """The leaf that the answers lead to, or what is asked next."""
    goals, here = reached(guide, answers)
    if isinstance(here, GuideQuestionView):
        return [_next_question(here, first=not goals)]
    return [_headline(guide, here), html.Div([_studies(here), _textbook(here)], className="recommend-columns")]


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
                [verdict_tag(leaf.verdict), html.Span(_path(guide, leaf), className="quiet")],
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


def _path(guide: SelectionGuide, leaf: LeafView) -> str:
    """ "Are resources limited? Yes. Must quality be high all the same? No." """
    texts = {question.key: question.text for question in guide.questions}
    return spaced(
        tr("{question} Yes.", question=texts[step.question])
        if step.answer
        else tr("{question} No.", question=texts[step.question])
        for step in leaf.path
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
            listed += [tr(CRITERION_TITLES[name]).lower(), " ", show(_of_leaf(leaf, weight, f"weight_{name}", "score"))]
    limits = [piece for name, limit in leaf.constraints.items() for piece in _limit(leaf, name, limit)]
    return filled(
        "What counts here: {weights}; keep at least {floor} of full fine-tuning's gain{limits}. Weights are opinions:"
        " open a study's answer to change them.",
        weights=html.Span(listed),
        floor=show(_of_leaf(leaf, leaf.quality_floor, "quality_floor", "fraction")),
        limits=html.Span(limits),
    )


def _limit(leaf: LeafView, name: ConstraintName, limit: float) -> list[Any]:
    title = tr(CONSTRAINT_FIELDS[name].title)
    shown = show(_of_leaf(leaf, limit, f"limit_{name}", _QUANTITIES[name]))
    unit = tr(_UNITS[name]) if name in _UNITS else ""
    return [tr("; "), title[:1].lower() + title[1:], " ", shown, " " if unit else "", unit]


_QUANTITIES: dict[str, NumberQuantity] = {
    "peak_memory_bytes": "bytes",
    "storage_bytes": "bytes",
    "quality_standard_errors": "count",
}
_UNITS = {"quality_standard_errors": mark("standard error")}


def _of_leaf(leaf: LeafView, value: float, statistic: str, quantity: NumberQuantity) -> Number:
    """A part of a leaf's question: chosen, neither measured nor estimated."""
    metric = "peak_memory" if statistic == "limit_peak_memory_bytes" else None
    return Number(
        value=value, quantity=quantity, statistic=statistic, metric=metric, formula=f"guide_leaf(leaf {leaf.key})"
    )


def _run_next(leaf: LeafView) -> list[Any]:
    if leaf.method is not None:
        return []
    run = html.A(tr("Run the chapter's methods"), href=preset_address(FIRST_STUDY), className="button")
    return [html.Div(run, className="recommend-next")]


# -- studies and textbook ----------------------------------------------------------------------------------------------


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


def _textbook(leaf: LeafView) -> html.Section:
    book = leaf.textbook
    return html.Section(
        [
            html.H3(tr("The textbook's own leaf")),
            html.Div(
                [html.Span(book.title, className="guide-book", **{"data-label": book.title}), _agreement(book)],
                className="guide-pick-head",
            ),
            html.P(_agreement_words(book), className="quiet"),
            *_range(leaf),
            html.P(tr("An expectation, never mixed into the answer."), className="study-note"),
        ],
        className="panel",
        **{"data-region": "evidence"},
    )


def _agreement(book: TextbookLeaf) -> html.Span:
    """How it goes with the evidence, as a sign and a word."""
    if book.agreement is None:
        return tag(tr("nothing to compare with"), "plain")
    sign, word, meaning = AGREEMENTS[book.agreement]
    tone = {"agrees": "good", "same family": "good", "differs": "warn"}.get(book.agreement, "plain")
    signed = [html.Span(sign, **{"aria-hidden": "true"}), tr(word)]
    return html.Span(signed, className=f"tag tag-{tone}", title=tr(meaning))


def _agreement_words(book: TextbookLeaf) -> str:
    if book.agreement is None:
        return tr("There is no evidence for this case yet, so nothing agrees or differs.")
    return tr(AGREEMENTS[book.agreement][2])


def _range(leaf: LeafView) -> list[Any]:
    """Whether the studies' best rows lie in the range that the textbook names."""
    book = leaf.textbook
    if book.parameter is None or book.lo is None or book.hi is None or not book.values:
        return []
    values: list[Any] = []
    for value in book.values:
        studies = " ".join(str(pick.study) for pick in leaf.picks)
        formula = f"guide_values(method {book.method}, parameter {book.parameter}, studies {studies})"
        values += [*([tr(", ")] if values else []), show(by_formula(value, "count", formula, exact=True))]
    places = {
        "parameter": book.parameter,
        "lo": show(_of_leaf(leaf, book.lo, "textbook_lo", "count")),
        "hi": show(_of_leaf(leaf, book.hi, "textbook_hi", "count")),
        "values": html.Span(values),
    }
    words = (
        filled("Its {parameter} from {lo} to {hi}: most picks lie in it ({values}).", **places)
        if book.range_agrees
        else filled("Its {parameter} from {lo} to {hi}: most picks lie outside it ({values}).", **places)
    )
    return [html.P(words, className="quiet")]


# -- all leaves, and what the guide is worth ---------------------------------------------------------------------------


def regret_panel(guide: SelectionGuide) -> html.Section:
    """Whether asking these questions beats always taking one method."""
    bars = [] if guide.regret is None else [_bars(guide.regret)]
    return html.Section(
        [
            html.H2(tr("Is the guide worth its questions?")),
            html.P(sentence(guide.regret_sentence), className="recommend-reason"),
            *bars,
        ],
        className="panel guide-regret",
        **{"data-region": "evidence"},
    )


def _bars(regret: GuideRegret) -> html.Dl:
    longest = max(regret.guide.value, regret.always.value, 1e-9)
    always = tr("Lost with always {method}", method=method_class(regret.always_method).title)
    named_bars = ((tr("Lost by following the guide"), regret.guide), (always, regret.always))
    return html.Dl(
        [
            html.Div(
                [
                    html.Dt(name),
                    html.Dd(
                        [
                            html.Span(
                                html.Span(style={"width": f"{100 * lost.value / longest:.1f}%"}),
                                className="p-bar",
                                **{"aria-hidden": "true"},
                            ),
                            show(lost),
                        ]
                    ),
                ]
            )
            for name, lost in named_bars
        ],
        className="guide-bars",
    )


def every_leaf(guide: SelectionGuide) -> html.Details:
    """All leaves as a table."""
    columns = (
        *(tr("Case"), tr("Evidence picks"), tr("P(best)"), tr("Studies")),
        *(tr("Runner-up"), tr("Textbook"), tr("Agreement")),
    )
    rows = [_leaf_row(guide, leaf, columns) for leaf in guide.leaves]
    head = html.Tr([html.Th(column) for column in columns])
    return html.Details(
        [html.Summary(html.H2(tr("All leaves"))), table(head, rows, className="recommend-stacks")],
        className="panel guide-overview",
        open=True,
        **{"data-region": "evidence"},
    )


def _answering(leaf: LeafView, p_best: Number) -> Number:
    """How many studies answer: by the formula of the leaf's own P(best)."""
    changes = {"value": float(leaf.studies), "quantity": "count", "statistic": "studies_that_answer"}
    return p_best.model_copy(update=changes)


def _leaf_row(guide: SelectionGuide, leaf: LeafView, columns: Sequence[str]) -> html.Tr:
    picks = html.Span(leaf_names(leaf))
    second = leaf.runner_up
    cells: list[Any] = [
        html.Div([picks, verdict_tag(leaf.verdict)], className="guide-pick-head"),
        "–" if leaf.p_best is None else show(leaf.p_best),
        "–" if leaf.p_best is None else show(_answering(leaf, leaf.p_best)),
        "–" if second is None else html.Span([named(second.title, second.family), " ", show(second.p_best)]),
        html.Span(leaf.textbook.title, **{"data-label": leaf.textbook.title}),
        html.Div(_agreement(leaf.textbook)),
    ]
    rest = [html.Td(cell, **{"data-column": column}) for cell, column in zip(cells, columns[1:], strict=True)]
    return html.Tr([html.Th(_path(guide, leaf), scope="row", className="guide-case"), *rest])
