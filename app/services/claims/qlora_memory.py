"""A base in 4 bits: less memory than LoRA's."""

from typing import ClassVar

from app.language import mark
from app.services.claim import Claim, Judged, MeasuredStudy
from app.services.claims._rows import first_row, ratios, rows_of, told
from app.services.numbers import sentence

MEMORY = "peak_memory"


class QloraMemory(Claim):
    title: ClassVar[str] = mark("QLoRA and memory")
    statement: ClassVar[str] = mark("QLoRA trains in less memory than LoRA.")
    origin: ClassVar[str] = mark("LoRA variants")
    tested: ClassVar[str] = mark(
        "The peak memory of training of QLoRA over that of the study's first LoRA row: it holds where it is below 1."
    )
    position: ClassVar[int] = 8
    preset: ClassVar[str] = "lora_variants"

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """Peak memory over LoRA's."""
        evidence = study.evidence
        found = ratios(evidence, rows_of(evidence, ["qlora"]), first_row(evidence, "lora"), MEMORY)
        if not found:
            return None
        agrees = all(share.value < 1 for _, share in found)
        return Judged(agrees, sentence("Peak memory over LoRA's: {ratios}.", ratios=told(found)))
