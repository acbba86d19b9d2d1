"""The prefix's length: the chapter takes 50."""

from typing import ClassVar

from app.language import mark
from app.services.claim import Claim, Judged, MeasuredStudy
from app.services.claims._rows import judge_best_value


class PrefixBestLength(Claim):
    title: ClassVar[str] = mark("The prefix length to take")
    statement: ClassVar[str] = mark("50 virtual tokens are the best length of a prefix.")
    origin: ClassVar[str] = mark("Prefix-length effect")
    tested: ClassVar[str] = mark(
        "In a prefix-length sweep 50, or the swept length nearest to it, has the largest composite of quality (0.7)"
        " and size (0.3). It is refuted only where the best differs from its neighbours beyond chance."
    )
    position: ClassVar[int] = 11
    preset: ClassVar[str] = "prefix_length_sweep"

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """The best of the study's sweep."""
        return judge_best_value(study.evidence, "prefix_tuning", "num_virtual_tokens", 50)
