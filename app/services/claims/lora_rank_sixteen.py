"""LoRA's rank: the chapter takes 16."""

from typing import ClassVar

from app.language import mark
from app.services.claim import Claim, Judged, MeasuredStudy
from app.services.claims._rows import judge_best_value


class LoraRankSixteen(Claim):
    title: ClassVar[str] = mark("The rank to take")
    statement: ClassVar[str] = mark("16 is the rank to take for LoRA.")
    origin: ClassVar[str] = mark("Hyper-parameter guide; LoRA rank selection")
    tested: ClassVar[str] = mark(
        "In a rank sweep 16, or the swept rank nearest to it, has the largest composite of quality (0.7) and size"
        " (0.3). It is refuted only where the best differs from its neighbours beyond chance."
    )
    position: ClassVar[int] = 9
    preset: ClassVar[str] = "rank_sweep"

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """The best of the study's sweep."""
        return judge_best_value(study.evidence, "lora", "rank", 16)
