"""A merged LoRA: the same matrices as the base model's, hence the same work."""

from typing import ClassVar

from app.language import mark
from app.services.claim import Claim, Judged, MeasuredStudy
from app.services.claims._rows import MARGIN, plain_row, ratios, rows_of, told
from app.services.numbers import sentence

LATENCY = "inference_latency"


class LoraMergedLatency(Claim):
    title: ClassVar[str] = mark("A merged LoRA and the work of inference")
    statement: ClassVar[str] = mark("Merged into the base model, LoRA adds no latency.")
    origin: ClassVar[str] = mark("PEFT advantages: deployment")
    tested: ClassVar[str] = mark(
        "By counting: W + BA has the size of W. Measured as the latency as deployed, merged, over that of the base"
        " model; less than 5 % apart is called alike."
    )
    position: ClassVar[int] = 4
    preset: ClassVar[str] = "chapter_five"
    by_mathematics: ClassVar[bool | None] = True

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """Latencies of merged LoRA over the plain base model's."""
        evidence = study.evidence
        found = ratios(evidence, rows_of(evidence, ["lora"]), plain_row(evidence, LATENCY), LATENCY)
        if not found:
            return None
        agrees = all(share.value <= 1 + MARGIN for _, share in found)
        return Judged(
            agrees, sentence("One answer of the merged model over one of the base: {ratios}.", ratios=told(found))
        )
