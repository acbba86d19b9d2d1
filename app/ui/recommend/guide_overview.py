"""All leaves of the selection guide as a table, and what following it is worth."""

from collections.abc import Sequence
from typing import Any

from dash import html

from app.language import spaced, tr
from app.schemas import GuideRegret, LeafView, Number, SelectionGuide
from app.ui.numbers import show
from app.ui.recommend.guide_textbook import agreement_tag
from app.ui.recommend.guide_tree import leaf_names
from app.ui.recommend.verdicts import verdict_tag
from app.ui.sentences import sentence
from app.ui.study.parts import named
from app.ui.study.tabs import table
from peft_core.method import method_class


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
        html.Div(agreement_tag(leaf.textbook)),
    ]
    rest = [html.Td(cell, **{"data-column": column}) for cell, column in zip(cells, columns[1:], strict=True)]
    return html.Tr([html.Th(path_words(guide, leaf), scope="row", className="guide-case"), *rest])


def path_words(guide: SelectionGuide, leaf: LeafView) -> str:
    """ "Are resources limited? Yes. Must quality be high all the same? No." """
    texts = {question.key: question.text for question in guide.questions}
    return spaced(
        tr("{question} Yes.", question=texts[step.question])
        if step.answer
        else tr("{question} No.", question=texts[step.question])
        for step in leaf.path
    )
