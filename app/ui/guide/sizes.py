"""The bottleneck of an adapter and the length of a prefix: what a formula says, and what was measured."""

from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import CostsView
from app.ui.guide.figures import maths
from app.ui.guide.frame import evidence, section, words
from app.ui.guide.rank import id_place
from app.ui.numbers import show


def sizes(costs: CostsView) -> html.Section:
    """Both in one section: they are swept the same way."""
    return section(
        "sizes",
        html.H3(tr("Bottleneck of the adapter")),
        words(
            tr(
                "The neck b sets parameters and work in proportion, like a rank. The chapter weighs quality against"
                " size (0.7 and 0.3) and takes the best: we do the same on a fixed scale, and say whether the best can"
                " be told from its neighbours at all."
            )
        ),
        evidence(*bottleneck_line(costs), name="chapter-bottleneck"),
        evidence(id_place("adapter_best_eighth"), className="chapter-measured"),
        html.H3(tr("Length of the prefix")),
        words(
            tr(
                "A longer prefix can say more and costs in every answer: keys and values that each text holds, and"
                " attention that reads them. Prefixes also train more slowly than adapters: give them more steps."
            )
        ),
        evidence(*prefix_line(costs), name="chapter-length"),
        evidence(id_place("prefix_best_length"), className="chapter-measured"),
    )


def bottleneck_line(costs: CostsView) -> list[Any]:
    """The chosen neck in numbers."""
    told = costs.figures
    return [
        html.P(
            filled(
                "b = {bottleneck} beside d = {width}: {size} = {parameters} parameters and {work} = {flops} FLOPs a"
                " token in each layer. An eighth of d would be {usual}.",
                size=maths("2db + b + d"),
                work=maths("4db"),
                bottleneck=show(told["bottleneck"]),
                width=show(told["width"]),
                parameters=show(told["adapter"]),
                flops=show(told["adapter_flops"]),
                usual=show(told["adapter_usual"]),
            )
        )
    ]


def prefix_line(costs: CostsView) -> list[Any]:
    """The chosen length in numbers."""
    told = costs.figures
    return [
        html.P(
            filled(
                "n = {length} in each of L = {layers} layers: {size} = {stored} numbers stored, and {work} = {flops}"
                " more FLOPs for each token of every answer.",
                size=maths("2·L·n·d_kv"),
                work=maths("4·L·n·d"),
                length=show(told["prefix_length"]),
                layers=show(told["layers"]),
                stored=show(told["prefix"]),
                flops=show(told["prefix_flops"]),
            )
        )
    ]
