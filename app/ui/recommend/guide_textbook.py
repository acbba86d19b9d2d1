"""The textbook's own leaf beside the evidence: whether they agree, and whether its range holds."""

from typing import Any

from dash import html

from app.language import filled, mark, tr
from app.schemas import LeafView, Number, NumberQuantity, TextbookLeaf
from app.ui.numbers import by_formula, show
from app.ui.study.parts import tag

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


def textbook_panel(leaf: LeafView) -> html.Section:
    """What the textbook names for this case: an expectation."""
    book = leaf.textbook
    return html.Section(
        [
            html.H3(tr("The textbook's own leaf")),
            html.Div(
                [html.Span(book.title, className="guide-book", **{"data-label": book.title}), agreement_tag(book)],
                className="guide-pick-head",
            ),
            html.P(_agreement_words(book), className="quiet"),
            *_range(leaf),
            html.P(tr("An expectation, never mixed into the answer."), className="study-note"),
        ],
        className="panel",
        **{"data-region": "evidence"},
    )


def agreement_tag(book: TextbookLeaf) -> html.Span:
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
        "lo": show(of_leaf(leaf, book.lo, "textbook_lo", "count")),
        "hi": show(of_leaf(leaf, book.hi, "textbook_hi", "count")),
        "values": html.Span(values),
    }
    words = (
        filled("Its {parameter} from {lo} to {hi}: most picks lie in it ({values}).", **places)
        if book.range_agrees
        else filled("Its {parameter} from {lo} to {hi}: most picks lie outside it ({values}).", **places)
    )
    return [html.P(words, className="quiet")]


def of_leaf(leaf: LeafView, value: float, statistic: str, quantity: NumberQuantity) -> Number:
    """A part of a leaf's question: chosen, neither measured nor estimated."""
    metric = "peak_memory" if statistic == "limit_peak_memory_bytes" else None
    return Number(
        value=value, quantity=quantity, statistic=statistic, metric=metric, formula=f"guide_leaf(leaf {leaf.key})"
    )
