"""The matrix of studies and methods: shares of full fine-tuning's gain, the raw score below."""

from typing import Any

from dash import dcc, html

from app.language import filled, tr, trn
from app.schemas import ComparedMethod, ComparedStudy, GainCell, StudiesCompared
from app.ui.elements import short_name
from app.ui.numbers import by_formula, show


def answer(found: StudiesCompared) -> list[Any]:
    """The page's answer in words: which method keeps the most, and whether a test may say more."""
    if found.all is None or not found.all.places:
        return [tr("Choose two studies that have two methods in common.")]
    others = [place for place in found.all.places if place.method != "full"]
    best = max(others or found.all.places, key=lambda place: place.share.value)
    words = filled(
        "Over {count} studies, {method} keeps the most of full fine-tuning's gain: {share} in the mean.",
        count=show(found.all.found, "sentence-number"),
        method=html.B(title_of(found, best.method), **{"data-label": best.method}),
        share=show(best.share, "sentence-number"),
    )
    return [*words, " ", *_reach(found)]


def _reach(found: StudiesCompared) -> list[Any]:
    """Whether that is known of other studies."""
    assert found.all is not None, "asked where there is an answer"
    test = found.all.friedman
    if test is not None and test.rejected:
        return filled("The methods differ (Friedman, p {p}).", p=show(test.p_value, "sentence-number"))
    if test is not None:
        p = show(test.p_value, "sentence-number")
        return filled("No difference between the methods is shown (Friedman, p {p}).", p=p)
    return [tr("Whether it would in other studies is not known from so few.")]


def title_of(found: StudiesCompared, method: str) -> str:
    return next((card.title for card in found.methods if card.method == method), method)


def matrix(found: StudiesCompared) -> html.Div:
    """Rows are studies, columns methods; colour is the fixed-anchor score, and the number says the same."""
    cards = {card.method: card for card in found.methods}
    cells = {(cell.study, cell.method): cell for cell in found.cells}
    shown = [cards[method] for method in found.chosen_methods]
    head = html.Tr([html.Th(tr("Study"), scope="col"), *[_head(card) for card in shown]])
    studies = [study for study in found.studies if study.id in found.chosen]
    rows = [_row(study, [cells[study.id, card.method] for card in shown]) for study in studies]
    table = html.Table([html.Thead(head), html.Tbody(rows)], className="compare-matrix")
    return html.Div(
        table,
        className="table-scroll compare-scroll",
        tabIndex="0",
        role="region",
        **{"aria-label": tr("Quality by study and method"), "data-region": "evidence"},
    )


def _head(card: ComparedMethod) -> html.Th:
    mark = html.Span(className=f"family family-{card.family}", **{"aria-hidden": "true"})
    return html.Th([mark, card.title], scope="col", **{"data-label": card.title})


def _row(study: ComparedStudy, cells: list[GainCell]) -> html.Tr:
    name = dcc.Link(study.name, href=f"/studies/{study.id}", className="study-link")
    about = html.Div(f"{short_name(study.base_model)} · {study.task}", className="quiet", **{"data-label": study.task})
    scale = filled(
        "{score}: {floor} untuned, {full} full",
        score=study.headline,
        floor=show(study.floor),
        full=show(study.full),
    )
    head = [html.Span(name, **{"data-label": study.name}), *_tags(study), about, html.Div(scale, className="quiet")]
    return html.Tr([html.Th(head, scope="row"), *[_cell(cell) for cell in cells]])


def _tags(study: ComparedStudy) -> list[Any]:
    """What a reader should know of its results: approved, imported, a single seed, a floor nobody measured."""
    words = [
        *([tr("approved")] if study.approved else []),
        *([study.label or tr("imported")] if study.source == "imported" else []),
        *([tr("single seed")] if study.single_seed and "single seed" not in (study.label or "") else []),
        *([tr("assumed floor")] if study.assumed_floor else []),
    ]
    return [html.Span(word, className="tag tag-plain") for word in words]


def _cell(cell: GainCell) -> html.Td:
    if cell.share is None or cell.raw is None:
        missing = html.Span("–", **{"aria-label": tr("missing")}, role="img")
        return html.Td(missing, className="compare-cell compare-missing")
    parts: list[Any] = [html.B(show(cell.share)), html.Div(show(cell.raw), className="compare-raw")]
    if cell.interval is not None:
        ends = [show(cell.interval[0]), " – ", show(cell.interval[1])]
        parts.insert(1, html.Div(ends, className="compare-interval"))
    if cell.variants > 1 and cell.label is not None:
        parts.append(html.Div(cell.label, className="compare-label", **{"data-label": cell.label}))
    return html.Td(parts, className="compare-cell", style={"--share": f"{cell.score or 0.0:.3f}"})


def legend(found: StudiesCompared) -> list[Any]:
    """What a cell says, and what its interval covers."""
    covers = {cell.covers for cell in found.cells if cell.covers}
    over = {"seeds": tr("seeds"), "test items": tr("test items (single runs)")}
    level = show(by_formula(0.95, "fraction", "confidence_level", exact=True))
    interval = filled(
        "then its {level} interval over {what}",
        level=level,
        what=" / ".join(words for name, words in over.items() if name in covers),
    )
    chosen = any(cell.variants > 1 for cell in found.cells)
    return [
        html.Span([html.I(className="heat-bar"), tr("score on fixed anchors")]),
        html.Span(tr("bold: share of full fine-tuning's gain over untuned")),
        *([html.Span(interval, className="compare-interval-legend")] if covers else []),
        html.Span(tr("below: the raw score")),
        *([html.Span(tr("of several configurations the best on validation stands for the method"))] if chosen else []),
    ]


def missing_list(found: StudiesCompared) -> Any:
    """Why cells are empty."""
    names = {study.id: study.name for study in found.studies}
    gone = [cell for cell in found.cells if cell.missing is not None]
    if not gone:
        return None
    items = [
        html.Li(
            filled(
                "{method} in {study}: {why}",
                method=html.B(title_of(found, cell.method)),
                study=names[cell.study],
                why=cell.missing or "",
            )
        )
        for cell in gone
    ]
    summary = html.Summary(trn("{count} cell has no value: why", "{count} cells have no value: why", len(gone)))
    return html.Details([summary, html.Ul(items, className="plain-list")], className="more")


def left_out(found: StudiesCompared) -> Any:
    """The studies of the kind that cannot be compared, each with the reason."""
    if not found.left_out:
        return html.P(tr("Every study of this kind of task can be compared."), className="quiet")
    items = [
        html.Li([dcc.Link(study.name, href=f"/studies/{study.id}"), ": ", study.reason]) for study in found.left_out
    ]
    return html.Ul(items, className="plain-list")
