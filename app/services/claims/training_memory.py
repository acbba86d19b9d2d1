"""The memory of training: less for every PEFT method of the chapter."""

from typing import ClassVar

from app.language import mark
from app.services.claim import Claim, Judged, MeasuredStudy
from app.services.claims._rows import CHAPTER, ratios, rows_of, told
from app.services.numbers import sentence

MEMORY = "peak_memory"


class TrainingMemory(Claim):
    title: ClassVar[str] = mark("PEFT and the memory of training")
    statement: ClassVar[str] = mark("Every PEFT method trains in less memory than full fine-tuning.")
    origin: ClassVar[str] = mark("PEFT advantages: memory; resource ratios")
    tested: ClassVar[str] = mark(
        "The peak memory of training of LoRA, adapter, prefix tuning and P-Tuning v2 over full fine-tuning's: it"
        " holds where all are below 1."
    )
    position: ClassVar[int] = 5
    preset: ClassVar[str] = "chapter_five"

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """Peak memory over full fine-tuning's."""
        evidence = study.evidence
        found = ratios(evidence, rows_of(evidence, CHAPTER), evidence.full, MEMORY)
        if not found:
            return None
        agrees = all(share.value < 1 for _, share in found)
        return Judged(agrees, sentence("Peak memory over full fine-tuning's: {ratios}.", ratios=told(found)))
