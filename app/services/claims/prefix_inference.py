"""A prefix and the work of inference: the chapter has it free."""

from collections.abc import Mapping
from typing import ClassVar

from app.language import filled, mark
from app.schemas import Number, Sentence
from app.services.claim import Claim, Judged, MeasuredStudy, named, said
from app.services.claims._rows import MARGIN, PREFIXES, listed, plain_row, ratios, rows_of

LATENCY = "inference_latency"


class PrefixInference(Claim):
    title: ClassVar[str] = mark("A prefix and the work of inference")
    statement: ClassVar[str] = mark("Inference needs no extra work with a prefix.")
    origin: ClassVar[str] = mark("Prefix concept: advantages")
    tested: ClassVar[str] = mark(
        "By counting: every query also meets the prefix's keys, in every layer. Measured as the latency with a"
        " prefix over that of the base model without one; less than 5 % apart is called alike."
    )
    position: ClassVar[int] = 2
    preset: ClassVar[str] = "prompt_family"
    by_mathematics: ClassVar[bool | None] = False

    @staticmethod
    def formula(figures: Mapping[str, Number]) -> Sentence | None:
        """Over all layers."""
        return said(
            filled(
                "A prefix of n = {length} over L = {layers} layers of width d = {width} adds {formula} = {flops}"
                " operations to every token, and {held} numbers (keys and values) that each text in the batch holds.",
                length=figures["prefix_length"],
                layers=figures["layers"],
                width=figures["width"],
                formula=named("4Lnd"),
                flops=figures["prefix_flops"],
                held=figures["prefix"],
            )
        )

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """Latencies with a prefix over the plain base model's."""
        evidence = study.evidence
        found = ratios(evidence, rows_of(evidence, PREFIXES), plain_row(evidence, LATENCY), LATENCY)
        if not found:
            return None
        agrees = False if any(number.value > 1 + MARGIN for _, number in found) else None
        return Judged(
            agrees, said(filled("One answer with a prefix over one of the base: {ratios}.", ratios=listed(found)))
        )
