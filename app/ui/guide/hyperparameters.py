"""The hyper-parameter guide: the catalogue's own ranges and effects, the chapter's values beside them."""

from collections.abc import Sequence
from typing import Any

from dash import html

from app.language import mark, tr
from app.schemas import HyperparameterField, MethodCard
from app.ui.guide.figures import scrolled
from app.ui.guide.frame import section, words
from app.ui.study.parts import named

CHAPTER = ("lora", "adapter", "prefix_tuning")
TEXTBOOK: dict[tuple[str, str], str] = {
    ("lora", "rank"): mark("4 to 64, usually 16"),
    ("lora", "alpha"): mark("one to two times the rank"),
    ("lora", "dropout"): mark("0 to 0.1, usually 0.05"),
    ("lora", "target_modules"): mark("queries and values; or all four of attention"),
    ("adapter", "bottleneck_size"): mark("d/16 to d/4, usually d/8"),
    ("adapter", "activation"): mark("ReLU, GELU or Swish, usually GELU"),
    ("adapter", "dropout"): mark("0 to 0.2, usually 0.1"),
    ("adapter", "position"): mark("after attention or after the feed-forward layer, usually the latter"),
    ("prefix_tuning", "num_virtual_tokens"): mark("10 to 200, usually 50"),
    ("prefix_tuning", "encoder_hidden_size"): mark("128 to 512, usually 256"),
    ("prefix_tuning", "encoder_layers"): mark("1 to 3, usually 2"),
    ("prefix_tuning", "dropout"): mark("0 to 0.1, usually 0.05"),
}
"""What the chapter prints, as an expectation: whether it holds is for a sweep to say."""


def hyperparameters(cards: Sequence[MethodCard]) -> html.Section:
    """The chapter's three methods in full, every other method of the catalogue folded away."""
    by_name = {card.name: card for card in cards}
    first = [by_name[name] for name in CHAPTER if name in by_name]
    others = [card for card in cards if card.name not in CHAPTER and card.hyperparameters]
    return section(
        "hyperparameters",
        words(
            tr(
                "Ranges, recommended values and effects come from the same catalogue as the form of a new study. Beside"
                " them stands what the chapter prints. The most decisive setting is in no such table: the learning"
                " rate, which every method needs its own of, so that a study tries several and validation chooses."
            )
        ),
        *[html.Div([html.H3(named(card.title, card.family)), _table(card)]) for card in first],
        html.Details(
            [
                html.Summary(tr("Every other method of the catalogue")),
                *[html.Div([html.H3(named(card.title, card.family)), _table(card)]) for card in others],
            ],
            className="chapter-more",
        ),
    )


def _table(card: MethodCard) -> html.Div:
    textbook = card.name in CHAPTER
    heads = [tr("Setting"), tr("Range"), tr("Recommended"), tr("Default")]
    heads += [tr("In the chapter")] if textbook else []
    head = html.Tr([*(html.Th(name) for name in heads), html.Th(tr("Effect"), className="chapter-effect")])
    body = [_row(card.name, field, textbook) for field in card.hyperparameters]
    body += _absent(card) if textbook else []
    title = tr("Hyper-parameters of {method}", method=card.title)
    table = html.Table([html.Thead(head), html.Tbody(body)], className="plain chapter-settings")
    return scrolled(table, title)


def _row(method: str, field: HyperparameterField, textbook: bool) -> html.Tr:
    printed = [html.Td(tr(TEXTBOOK.get((method, field.name), "–")))] if textbook else []
    return html.Tr(
        [
            html.Th(field.title, scope="row"),
            html.Td(_bounds(field)),
            html.Td("–" if field.recommended is None else _span(*field.recommended)),
            html.Td(str(field.default)),
            *printed,
            html.Td(field.effect, className="chapter-effect"),
        ]
    )


def _absent(card: MethodCard) -> list[html.Tr]:
    """What the chapter names and our method does not have: it is fixed here."""
    known = {field.name for field in card.hyperparameters}
    absent = [(name, text) for (method, name), text in TEXTBOOK.items() if method == card.name and name not in known]
    titles = {"encoder_layers": tr("MLP layers"), "dropout": tr("Dropout")}
    fixed = tr("Fixed here: peft's prefix network has two layers and no dropout.")
    return [
        html.Tr(
            [
                html.Th(titles.get(name, name), scope="row"),
                html.Td("–"),
                html.Td("–"),
                html.Td("–"),
                html.Td(tr(text)),
                html.Td(fixed, className="chapter-effect"),
            ]
        )
        for name, text in absent
    ]


def _bounds(field: HyperparameterField) -> Any:
    if field.choices is not None:
        return ", ".join(field.choices)
    if field.type == "boolean":
        return tr("on or off")
    if field.minimum is None and field.maximum is None:
        return "–"
    if field.maximum is None:
        return tr("from {least}", least=_short(field.minimum))
    return _span(field.minimum or 0.0, field.maximum)


def _span(low: float, high: float) -> str:
    return tr("{low} to {high}", low=_short(low), high=_short(high))


def _short(value: float | None) -> str:
    return f"{value:g}"
