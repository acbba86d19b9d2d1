"""How LoRA works: the frozen matrix, and the two thin ones beside it, drawn to scale."""

from app.language import filled, tr
from app.schemas import Number
from app.ui.charts.drawing import Drawing, arrow, label, node, rect

SIDE = 84.0
"""Of a d x d matrix, in units of the drawing."""


def lora_diagram(width: Number, rank: Number) -> Drawing:
    """W and, r wide, A and B."""
    thin = max(2.0, SIDE * min(1.0, rank.value / width.value))
    parts = [
        node("line", x1=22, y1=60, x2=22, y2=150, class_name="drawn-vector"),
        label(22, 50, "x"),
        arrow((28, 105), (60, 105), (60, 52), (112, 52)),
        rect(114, 10, SIDE, SIDE, "drawn-frozen"),
        label(156, 56, "W"),
        label(206, 24, tr("frozen"), anchor="start", quiet=True),
        label(206, 40, filled("d × d, d = {width}", width=width), anchor="start", quiet=True),
        arrow((60, 105), (60, 160), (86, 160)),
        rect(88, 160 - thin / 2, SIDE, thin, "drawn-trained"),
        label(130, 160 - thin / 2 - 7, "A"),
        label(130, 160 + thin / 2 + 16, "r × d", quiet=True),
        arrow((90 + SIDE, 160), (204, 160)),
        rect(206, 160 - SIDE / 2, thin, SIDE, "drawn-trained"),
        label(206 + thin / 2, 160 + SIDE / 2 + 14, "B", anchor="middle"),
        label(212 + thin, 196, filled("d × r, r = {rank}", rank=rank), anchor="start", quiet=True),
        arrow((206 + thin, 160), (318, 160), (318, 118)),
        arrow((114 + SIDE, 70), (318, 70), (318, 94)),
        node("circle", cx=318, cy=106, r=11, class_name="drawn-sum"),
        label(318, 110, "+"),
        arrow((330, 106), (356, 106)),
    ]
    sentence = tr(
        "The input x passes the frozen matrix W and, beside it, first A and then B, two thin matrices that are trained;"
        " both answers are added. The matrices are drawn to scale; their sizes are listed beside the drawing."
    )
    return Drawing(364, 222, parts, sentence)
