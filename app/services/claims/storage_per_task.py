"""What one more task takes on disk."""

from typing import ClassVar

from app.language import mark
from app.services.claim import Claim, Judged, MeasuredStudy
from app.services.claims._rows import CHAPTER, ratios, rows_of, told
from app.services.numbers import sentence

STORAGE = "storage_bytes"
SMALL = 0.1


class StoragePerTask(Claim):
    title: ClassVar[str] = mark("PEFT and the storage of many tasks")
    statement: ClassVar[str] = mark("One more task stores a small part of the model.")
    origin: ClassVar[str] = mark("PEFT advantages: storage")
    tested: ClassVar[str] = mark(
        "The files of LoRA, adapter, prefix tuning and P-Tuning v2 over those of full fine-tuning: small is read as"
        " at most a tenth."
    )
    position: ClassVar[int] = 6
    preset: ClassVar[str] = "chapter_five"

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """Files over full fine-tuning's."""
        evidence = study.evidence
        found = ratios(evidence, rows_of(evidence, CHAPTER), evidence.full, STORAGE)
        if not found:
            return None
        agrees = all(share.value <= SMALL for _, share in found)
        return Judged(agrees, sentence("Files over full fine-tuning's: {ratios}.", ratios=told(found)))
