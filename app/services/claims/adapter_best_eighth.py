"""The adapter's bottleneck: the chapter takes d/8."""

from typing import ClassVar

from app.language import mark
from app.services.claim import Claim, Judged, MeasuredStudy
from app.services.claims._rows import judge_best_value


class AdapterBestEighth(Claim):
    title: ClassVar[str] = mark("The bottleneck to take")
    statement: ClassVar[str] = mark("An eighth of the width d is the best bottleneck of an adapter.")
    origin: ClassVar[str] = mark("Adapter architecture; bottleneck effect with composite score")
    tested: ClassVar[str] = mark(
        "In a bottleneck sweep d/8, or the swept size nearest to it, has the largest composite of quality (0.7) and"
        " size (0.3). It is refuted only where the best differs from its neighbours beyond chance."
    )
    position: ClassVar[int] = 10
    preset: ClassVar[str] = "bottleneck_sweep"

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """The best of the study's sweep."""
        if study.base_width is None:
            return None
        return judge_best_value(study.evidence, "adapter", "bottleneck_size", study.base_width / 8)
