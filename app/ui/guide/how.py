"""How LoRA, adapters and prefixes work: a drawing and the arithmetic of one layer, then the whole model."""

from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import CostsView, MethodCosts
from app.ui.charts.adapter_diagram import adapter_diagram
from app.ui.charts.drawing import Drawing, place
from app.ui.charts.lora_diagram import lora_diagram
from app.ui.charts.prefix_diagram import prefix_diagram
from app.ui.guide.figures import figure, formula_list, method_name, scrolled, with_price
from app.ui.guide.frame import evidence, section, words
from app.ui.numbers import show


def drawings(costs: CostsView) -> dict[str, Drawing]:
    """The drawings of a case, by name."""
    told = costs.figures
    return {
        "lora": lora_diagram(told["width"], told["rank"]),
        "adapter": adapter_diagram(told["width"], told["bottleneck"]),
        "prefix": prefix_diagram(told["prefix_length"], told["layers"]),
    }


def how(costs: CostsView, price: float | None) -> html.Section:
    """Three methods, each drawn and counted, and the table of the whole model."""
    drawn = drawings(costs)
    return section(
        "how",
        words(tr("The sliders beside change what follows: the drawings, the arithmetic and the table of the model.")),
        _method("LoRA", _lora_words(), place("lora", drawn["lora"]), "chapter-lora", lora_figures(costs)),
        _method(
            tr("Bottleneck adapter"),
            _adapter_words(),
            place("adapter", drawn["adapter"]),
            "chapter-adapter",
            adapter_figures(costs),
        ),
        _method(
            tr("Prefix"), _prefix_words(), place("prefix", drawn["prefix"]), "chapter-prefix", prefix_figures(costs)
        ),
        evidence(*model_table(costs, price), name="chapter-model-table"),
    )


def _method(title: str, text: str, drawing: html.Div, name: str, figures: list[Any]) -> html.Div:
    columns = html.Div([drawing, evidence(*figures, name=name)], className="chapter-columns")
    return html.Div([html.H3(title), words(text), columns], className="chapter-method")


def _lora_words() -> str:
    return tr(
        "LoRA leaves a matrix W as it is and learns a change of low rank beside it: Wx + (α/r)·BAx. A begins at random"
        " and B at zero, so that training starts from the base model itself. Afterwards BA can be added into W: the"
        " model is then as fast as before, and one adapter is fixed in it."
    )


def _adapter_words() -> str:
    return tr(
        "An adapter is a small network behind a layer: down to b numbers, a non-linearity, up to d again, and what came"
        " in is added. Because of the non-linearity it cannot be merged; it stays a step of its own in every answer."
    )


def _prefix_words() -> str:
    return tr(
        "A prefix is not text: in every layer, learnt keys and values stand in front of the real ones and steer what"
        " attention reads. Prefix tuning makes them by a small network while it trains (dropped afterwards), P-Tuning"
        " v2 trains them as they are. The model works on no more positions, but every query reads n more."
    )


def lora_figures(costs: CostsView) -> list[Any]:
    """One d x d matrix."""
    told = costs.figures
    return [
        formula_list(
            [
                (tr("The matrix"), "d²", told["matrix"]),
                (tr("LoRA beside it"), "2·d·r", told["lora"]),
                (tr("Times fewer"), "d² / 2dr", told["lora_reduction"]),
                (tr("Added to its forward pass, unmerged"), "2dr / d²", told["lora_added"]),
            ]
        )
    ]


def adapter_figures(costs: CostsView) -> list[Any]:
    """One adapter."""
    told = costs.figures
    return [
        formula_list(
            [
                (tr("Parameters of one adapter"), "2·d·b + b + d", told["adapter"]),
                (tr("FLOPs added to each token and layer"), "4·d·b", told["adapter_flops"]),
                (tr("The chapter's width of the neck"), "d / 8", told["adapter_usual"]),
            ]
        )
    ]


def prefix_figures(costs: CostsView) -> list[Any]:
    """A prefix over all layers."""
    told = costs.figures
    return [
        formula_list(
            [
                (tr("Stored numbers, all layers"), "2·L·n·d_kv", told["prefix"]),
                (tr("FLOPs added to each token, all layers"), "4·L·n·d", told["prefix_flops"]),
            ]
        )
    ]


def model_table(costs: CostsView, price: float | None) -> list[Any]:
    """Every method on the whole model."""
    title = html.H3(filled("On the whole model: {model}", model=html.Span(costs.title, **{"data-label": costs.title})))
    heads = (
        tr("Trained parameters"),
        tr("of the model"),
        tr("Peak memory"),
        tr("Forward FLOPs a token"),
        tr("Training FLOPs a token"),
    )
    time = filled("Time for {steps} steps", steps=show(costs.figures["steps"]))
    head = html.Tr(
        [
            html.Th(tr("Method")),
            *(html.Th(name, className="number") for name in heads),
            html.Th(time, className="number"),
        ]
    )
    rows = [_row(row, price) for row in costs.methods if row.numbers]
    table = html.Table([html.Thead(head), html.Tbody(rows)], className="plain")
    note = tr(
        "Parameters are counted by each method's own formula (LoRA on queries and values). Memory, FLOPs and time are ≈"
        " by the cost model: two FLOPs for each parameter in matrix products, token and pass, and attention besides."
    )
    missing = next((why for row in costs.methods for why in row.missing.values()), None)
    return [
        title,
        scrolled(table, tr("Costs of each method on the whole model")),
        html.P(note, className="quiet"),
        *([html.P(missing, className="quiet")] if missing else []),
    ]


def _row(row: MethodCosts, price: float | None) -> html.Tr:
    names = ("trainable_parameters", "trainable_share", "peak", "forward_flops", "training_flops")
    seconds = row.numbers.get("train_seconds")
    return html.Tr(
        [
            html.Th(method_name(row), scope="row"),
            *(html.Td(figure(row, name), className="number") for name in names),
            html.Td(with_price(seconds, price) if seconds else "–", className="number"),
        ]
    )
