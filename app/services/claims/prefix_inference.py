"""A prefix and the work of inference: the chapter has it free."""

from collections.abc import Mapping
from typing import ClassVar

from app.language import mark
from app.schemas import Number, Sentence
from app.services.claim import Claim, Judged, MeasuredStudy, named
from app.services.claims._rows import MARGIN, PREFIXES, plain_row, ratios, rows_of, told
from app.services.numbers import number, sentence

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
        return sentence(
            "A prefix of n = {length} over L = {layers} layers of width d = {width} adds {formula} = {flops}"
            " operations to every token, and {held} numbers (keys and values) that each text in the batch holds.",
            length=number(figures["prefix_length"]),
            layers=number(figures["layers"]),
            width=number(figures["width"]),
            formula=named("4Lnd"),
            flops=number(figures["prefix_flops"]),
            held=number(figures["prefix"]),
        )

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """Latencies with a prefix over the plain base model's."""
        evidence = study.evidence
        found = ratios(evidence, rows_of(evidence, PREFIXES), plain_row(evidence, LATENCY), LATENCY)
        if not found:
            return None
        agrees = False if any(share.value > 1 + MARGIN for _, share in found) else None
        return Judged(agrees, sentence("One answer with a prefix over one of the base: {ratios}.", ratios=told(found)))
