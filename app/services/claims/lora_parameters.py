"""LoRA's parameters: 2 d r instead of d^2 for each matrix."""

from collections.abc import Mapping
from typing import ClassVar

from app.language import mark
from app.schemas import Number, Sentence
from app.services.claim import Claim, Judged, MeasuredStudy
from app.services.claims._rows import ratios, rows_of, told
from app.services.numbers import number, sentence

PARAMETERS = "trainable_parameters"


class LoraParameters(Claim):
    title: ClassVar[str] = mark("LoRA and the number of trained parameters")
    statement: ClassVar[str] = mark("Beside a d × d matrix LoRA trains 2dr parameters instead of d².")
    origin: ClassVar[str] = mark("LoRA concept; parameter reduction by rank")
    tested: ClassVar[str] = mark(
        "By counting the two thin matrices. Measured as the parameters that training updated, over full fine- tuning's."
    )
    position: ClassVar[int] = 3
    preset: ClassVar[str] = "rank_sweep"
    by_mathematics: ClassVar[bool | None] = True

    @staticmethod
    def formula(figures: Mapping[str, Number]) -> Sentence | None:
        """Of one matrix."""
        return sentence(
            "With d = {width} and r = {rank}: {lora} parameters instead of {matrix}, {reduction} fewer.",
            width=number(figures["width"]),
            rank=number(figures["rank"]),
            lora=number(figures["lora"]),
            matrix=number(figures["matrix"]),
            reduction=number(figures["lora_reduction"]),
        )

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """Of the whole model, which has more matrices than LoRA adapts."""
        evidence = study.evidence
        found = ratios(evidence, rows_of(evidence, ["lora"]), evidence.full, PARAMETERS)
        if not found:
            return None
        return Judged(
            all(share.value < 1 for _, share in found),
            sentence("Parameters trained over full fine-tuning's: {ratios}.", ratios=told(found)),
        )
