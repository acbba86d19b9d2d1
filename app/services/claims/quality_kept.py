"""The quality of PEFT: close to full fine-tuning's."""

from typing import ClassVar

from app.language import mark
from app.services.claim import Claim, Judged, MeasuredStudy
from app.services.claims._rows import CHAPTER, best_of_each, quality_kept, ratios, rows_of, told
from app.services.numbers import sentence
from peft_core.compare.recommend import QUALITY


class QualityKept(Claim):
    title: ClassVar[str] = mark("PEFT and quality")
    statement: ClassVar[str] = mark("PEFT comes close to the quality of full fine-tuning.")
    origin: ClassVar[str] = mark(
        "Efficiency and performance of full fine-tuning, LoRA, adapter, prefix tuning, P-Tuning v2"
    )
    tested: ClassVar[str] = mark(
        "The score of each of the four methods, by its best row, over full fine-tuning's: it holds where all keep at"
        " least 95 % of it. What is shown to differ stands on the study's own page."
    )
    position: ClassVar[int] = 7
    preset: ClassVar[str] = "chapter_five"

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """Scores over full fine-tuning's; a method is judged by the best of its rows."""
        evidence = study.evidence
        found = best_of_each(evidence, ratios(evidence, rows_of(evidence, CHAPTER), evidence.full, QUALITY))
        if not found:
            return None
        agrees = all(quality_kept(evidence, share) for _, share in found)
        return Judged(agrees, sentence("Score over full fine-tuning's: {ratios}.", ratios=told(found)))
