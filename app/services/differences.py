"""Each configuration's quality minus full fine-tuning's, on the same seeds and items."""

from dataclasses import dataclass

import numpy as np

from app.db.tables import Configuration
from app.schemas import Difference
from app.services.evidence import StudyEvidence
from peft_core.compare.statistics import Corrected, PairedDifference, holm, paired_difference
from peft_core.task import Score, sign

COVERS_METHODS = "seeds and test items"
COVERS_MODELS = "test items of these two trained models"


@dataclass(frozen=True)
class _Pair:
    configuration: int
    difference: PairedDifference
    run_ids: list[int]
    reference_run_ids: list[int]


def build_differences(evidence: StudyEvidence) -> list[Difference]:
    """One difference for each row that shares a seed with full fine-tuning, corrected together by Holm's procedure.

    The untuned row is a floor, not a method, and is not among the comparisons.
    """
    if evidence.full is None:
        return []
    others = [row for row in evidence.configurations if row is not evidence.full and row is not evidence.untuned]
    pairs = [pair for row in others if (pair := _pair(evidence, row, evidence.full)) is not None]
    corrected = holm([pair.difference.p_value for pair in pairs])
    return [_document(pair, found, evidence.task) for pair, found in zip(pairs, corrected, strict=True)]


def _pair(evidence: StudyEvidence, row: Configuration, full: Configuration) -> _Pair | None:
    first, second = evidence.item_scores(row.id), evidence.item_scores(full.id)
    seeds = sorted(first.keys() & second.keys())
    if not seeds or len({len(scores[seed][1]) for scores in (first, second) for seed in seeds}) != 1:
        return None
    difference = paired_difference(
        np.asarray([first[seed][1] for seed in seeds]), np.asarray([second[seed][1] for seed in seeds])
    )
    return _Pair(row.id, difference, [first[seed][0] for seed in seeds], [second[seed][0] for seed in seeds])


def _document(pair: _Pair, found: Corrected, task: Score) -> Difference:
    difference = pair.difference
    worse_or_better = "better" if sign(task) * difference.value > 0 else "worse"
    return Difference(
        configuration=pair.configuration,
        value=difference.value,
        quantity="points" if task.quantity == "fraction" else task.quantity,
        interval=difference.interval(),
        corrected=difference.interval(found.level),
        p_value=found.p_value,
        verdict=worse_or_better if found.rejected else "tie",
        covers=COVERS_METHODS if difference.seeds > 1 else COVERS_MODELS,
        run_ids=pair.run_ids,
        reference_run_ids=pair.reference_run_ids,
    )
