"""Why PEFT: what a size of model means for memory and for storage."""

from collections.abc import Sequence
from typing import Any

from dash import html

from app.language import filled, mark, tr
from app.schemas import CostsView, MethodCosts, PublishedModelCard
from app.ui.guide.figures import figure, method_name, not_offered, scrolled
from app.ui.guide.frame import evidence, section, words
from app.ui.numbers import show

PARTS = {
    "weights": mark("weights"),
    "gradients": mark("gradients"),
    "optimizer": mark("optimizer (Adam)"),
    "activations": mark("activations"),
}


def why(costs: CostsView, published: Sequence[PublishedModelCard]) -> html.Section:
    """The section: sizes that papers print, then the chosen model."""
    return section(
        "why",
        words(
            tr(
                "Full fine-tuning holds every weight four times: as it is, as a gradient, and in Adam's two averages."
                " With 4 bytes each that is 16 bytes for each parameter, before a single activation. And every task"
                " ends as a model of its own. Methods that train a small part hold the rest once, without gradient and"
                " optimizer, and store the small part alone."
            )
        ),
        _sizes(published),
        evidence(*memory(costs), name="chapter-memory"),
        evidence(*storage(costs), name="chapter-storage"),
    )


def _sizes(published: Sequence[PublishedModelCard]) -> html.Div:
    head = html.Tr(
        [
            html.Th(tr("Model")),
            html.Th(tr("Parameters"), className="number"),
            html.Th(tr("Held by full fine-tuning"), className="number"),
            html.Th(tr("Configuration from")),
        ]
    )
    body = [
        html.Tr(
            [
                html.Th(html.Span(card.title, **{"data-label": card.title}), scope="row"),
                html.Td(show(card.parameters), className="number"),
                html.Td(show(card.training_state), className="number"),
                html.Td(html.A(card.source, href=card.url, **{"data-id": card.key})),
            ]
        )
        for card in published
    ]
    title = tr("Sizes of models, and what full fine-tuning holds of them")
    table = html.Table([html.Thead(head), html.Tbody(body)], className="plain")
    note = tr(
        "Counted tensor by tensor from the printed configuration. Held are weights, gradients and both averages of"
        " Adam, in four bytes each; activations come on top."
    )
    return evidence(html.H3(title), scrolled(table, title), html.P(note, className="quiet"))


def memory(costs: CostsView) -> list[Any]:
    """The parts of the memory of training, method by method, on one scale."""
    rows = [row for row in costs.methods if row.numbers]
    most = max((sum(row.numbers[part].value for part in PARTS) for row in rows), default=1.0)
    title = html.H3(filled("Memory of training: {model}", model=_model(costs)))
    legend = html.Ul(
        [html.Li([html.Span(className=f"chapter-part chapter-part-{part}"), tr(name)]) for part, name in PARTS.items()],
        className="chapter-legend",
    )
    bars = html.Ul([_bar(row, most) for row in rows], className="chapter-bars")
    note = tr(
        "≈ by the cost model: Adam, mixed precision (weights in four bytes), batch and length as chosen. On CUDA the"
        " peak is less than the sum: activations are largest when the way back begins, gradients when it ends."
    )
    return [title, legend, bars, html.P(note, className="quiet"), *not_offered(costs)]


def _model(costs: CostsView) -> html.Span:
    return html.Span(costs.title, **{"data-label": costs.title})


def _bar(row: MethodCosts, most: float) -> html.Li:
    shares = {part: row.numbers[part].value / most for part in PARTS}
    pieces = [
        html.Span(className=f"chapter-part-{part}", style={"width": f"{100 * share:.3f}%"})
        for part, share in shares.items()
    ]
    parts = [
        html.Span([tr(name), " ", show(row.numbers[part])], className="chapter-part-figure")
        for part, name in PARTS.items()
    ]
    peak = filled(
        "peak {peak}, {share} of full", peak=show(row.numbers["peak"]), share=show(row.numbers["memory_share"])
    )
    return html.Li(
        [
            html.Div([method_name(row), html.Span(peak, className="chapter-peak")], className="chapter-bar-head"),
            html.Div(pieces, className="chapter-bar", **{"aria-hidden": "true"}),
            html.Div(parts, className="chapter-parts"),
        ]
    )


def storage(costs: CostsView) -> list[Any]:
    """What one task and many tasks take on disk."""
    title = tr("Storage for one task and for many")
    head = html.Tr(
        [
            html.Th(tr("Method")),
            html.Th(tr("One task more"), className="number"),
            html.Th(filled("{tasks} tasks, base included", tasks=show(costs.figures["tasks"])), className="number"),
        ]
    )
    body = [
        html.Tr(
            [
                html.Th(method_name(row), scope="row"),
                html.Td(figure(row, "storage_bytes"), className="number"),
                html.Td(figure(row, "storage_of_tasks"), className="number"),
            ]
        )
        for row in costs.methods
        if row.numbers
    ]
    table = html.Table([html.Thead(head), html.Tbody(body)], className="plain")
    note = tr(
        "≈ four bytes for each stored number; a method that leaves the base as it is needs it once for all tasks."
    )
    return [html.H3(title), scrolled(table, title), html.P(note, className="quiet")]
