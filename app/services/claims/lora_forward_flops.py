"""LoRA and the FLOPs of the forward pass: the chapter divides by d^2 / 2 d r what LoRA adds 2 d r / d^2 to."""

from collections.abc import Mapping
from typing import ClassVar

from app.language import mark
from app.schemas import Number, Sentence
from app.services.claim import Claim, Judged, MeasuredStudy, named
from app.services.claims._rows import plain_row, ratios, rows_of, told
from app.services.numbers import number, sentence

LATENCY = "inference_latency_unmerged"


class LoraForwardFlops(Claim):
    title: ClassVar[str] = mark("LoRA and the work of a forward pass")
    statement: ClassVar[str] = mark("LoRA reduces the FLOPs of the forward pass d²/2dr times.")
    origin: ClassVar[str] = mark("Forward pass of LoRA")
    tested: ClassVar[str] = mark(
        "By counting: an unmerged LoRA still multiplies with the whole matrix, and with its two thin ones besides."
        " Measured as the latency of an unmerged LoRA over that of the base model without it."
    )
    position: ClassVar[int] = 0
    preset: ClassVar[str] = "chapter_five"
    by_mathematics: ClassVar[bool | None] = False

    @staticmethod
    def formula(figures: Mapping[str, Number]) -> Sentence | None:
        """Of one d x d matrix."""
        return sentence(
            "With d = {width} and r = {rank} the claim promises {claimed} fewer operations. Unmerged, LoRA does"
            " all of them and {formula} = {added} more; merged, exactly as many as the base model. What becomes"
            " {claimed} smaller is the number of trained parameters.",
            width=number(figures["width"]),
            rank=number(figures["rank"]),
            claimed=number(figures["lora_reduction"]),
            formula=named("2dr/d²"),
            added=number(figures["lora_added"]),
        )

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """Latencies of unmerged LoRA over the plain base model's."""
        evidence = study.evidence
        found = ratios(evidence, rows_of(evidence, ["lora"]), plain_row(evidence, LATENCY), LATENCY)
        if not found:
            return None
        # A claim of many times fewer operations would at least halve the time.
        agrees = all(share.value < 0.5 for _, share in found)
        return Judged(
            agrees,
            sentence("One answer of the unmerged model over one of the base: {ratios}.", ratios=told(found)),
        )
