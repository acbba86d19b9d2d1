"""Rank 1 and the speed of training: the chapter has it eight times faster."""

from collections.abc import Mapping
from typing import ClassVar

from app.db.tables import Configuration
from app.language import mark
from app.schemas import Number, Part, Sentence
from app.services.claim import Claim, Judged, MeasuredStudy, named
from app.services.claims._rows import ratio, rows_of, told
from app.services.evidence import StudyEvidence
from app.services.numbers import number, sentence

SPEED = "training_speed"
CLAIMED = 8.0


class RankOneSpeed(Claim):
    title: ClassVar[str] = mark("Rank 1 and the speed of training")
    statement: ClassVar[str] = mark("With rank 1, training is 8 times faster.")
    origin: ClassVar[str] = mark("LoRA rank selection: quality, parameters, speed")
    tested: ClassVar[str] = mark(
        "The training speed of LoRA with rank 1 over that of full fine-tuning and of the largest rank of the study:"
        " it holds where either is 8 or more."
    )
    position: ClassVar[int] = 1
    preset: ClassVar[str] = "rank_sweep"

    @staticmethod
    def formula(figures: Mapping[str, Number]) -> Sentence | None:
        """What counting allows at the most."""
        return sentence(
            "Counted in operations, no rank can be more than {fastest} as fast as full fine-tuning ({full} over"
            " {frozen} for each token): the gradient still goes back through the whole frozen model. What a step"
            " does besides, such as the optimizer's own work, can add to that. A smaller rank saves only the part"
            " of r, which is {added} of one matrix at r = {rank}.",
            fastest=number(figures["lora_fastest"]),
            full=named("6P"),
            frozen=named("4P"),
            added=number(figures["lora_added"]),
            rank=number(figures["rank"]),
        )

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """Rank 1 against full fine-tuning and against the largest rank."""
        evidence = study.evidence
        rows = [row for row in rows_of(evidence, ["lora"]) if _rank(row) is not None]
        first = next((row for row in rows if _rank(row) == 1), None)
        if first is None:
            return None
        found = [(row, share) for row in _others(evidence, rows) if (share := ratio(evidence, first, row, SPEED))]
        if not found:
            return None
        agrees = any(share.value >= CLAIMED for _, share in found)
        return Judged(
            agrees,
            sentence(
                "Tokens a second of {rank_one} over those of {others}.",
                rank_one=[Part(label=first.label)],
                others=told(found),
            ),
        )


def _others(evidence: StudyEvidence, rows: list[Configuration]) -> list[Configuration]:
    larger = [row for row in rows if (_rank(row) or 0) > 1]
    largest = max(larger, key=lambda row: _rank(row) or 0, default=None)
    return [row for row in (evidence.full, largest) if row is not None]


def _rank(row: Configuration) -> float | None:
    rank = row.hyperparameters.get("rank")
    return float(rank) if isinstance(rank, int | float) else None
