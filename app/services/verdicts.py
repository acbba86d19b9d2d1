"""What a study shows, in words that claim no more than the test."""

from collections.abc import Sequence

from app.db.tables import Configuration
from app.schemas import Difference, Part, RunCounts, Sentence, StudyStatus
from app.services.differences import build_differences
from app.services.evidence import StudyEvidence
from app.services.numbers import count, label, mean, ratio, text
from peft_core.compare.recommend import QUALITY


def finding(evidence: StudyEvidence, status: StudyStatus, counts: RunCounts) -> Sentence:
    """What a study shows so far, short enough for a list."""
    if status == "queued":
        return [text("Nothing measured yet: waiting for a worker.")]
    differences = build_differences(evidence)
    if status == "running" or not differences:
        return _partial(evidence, counts)
    return _ties(evidence, differences)


def verdict(evidence: StudyEvidence, counts: RunCounts, differences: Sequence[Difference]) -> Sentence:
    """The sentence a study's page opens with: ties, the smallest and the fastest of them, and whether any is better."""
    if not differences:
        return _partial(evidence, counts)
    words = _ties(evidence, differences)
    tied = [row for row in evidence.configurations if _verdict_of(row, differences) in ("tie", "better")]
    words += _smallest(evidence, tied) + _fastest(evidence, tied)
    better = [row for row in tied if _verdict_of(row, differences) == "better"]
    if better:
        words += [text(" Better than "), _reference(evidence), text(": "), *_listed(better), text(".")]
    else:
        words += [text(" No method is shown to be better.")]
    return words + _of_models(differences)


def _of_models(differences: Sequence[Difference]) -> Sentence:
    """What single seeds can say."""
    if not all("trained models" in found.covers for found in differences):
        return []
    return [text(" One seed each: this holds for these trained models, not for the methods.")]


def _reference(evidence: StudyEvidence) -> Part:
    """What the others are compared with, as it is spoken of in a sentence."""
    assert evidence.reference is not None, "differences refer to a row"
    return text("full fine-tuning") if evidence.reference is evidence.full else label(evidence.reference)


def _verdict_of(row: Configuration, differences: Sequence[Difference]) -> str | None:
    return next((found.verdict for found in differences if found.configuration == row.id), None)


def _partial(evidence: StudyEvidence, counts: RunCounts) -> Sentence:
    total = counts.queued + counts.running + counts.succeeded + counts.failed + counts.cancelled
    ended = total - counts.queued - counts.running
    words = [count(evidence, ended, "runs_ended"), text(" of "), count(evidence, total, "runs")]
    if counts.queued or counts.running:
        return [text("No answer yet: "), *words, text(" runs are in.")]
    if evidence.reference is None:
        return [*words, text(" runs are in. Without a full fine-tuning row there is nothing to compare with.")]
    return [*words, text(" runs ended; full fine-tuning and another method were not both measured.")]


def _ties(evidence: StudyEvidence, differences: Sequence[Difference]) -> Sentence:
    """ "3 of 5 methods tie full fine-tuning (94.1 %)" """
    assert evidence.reference is not None, "differences refer to a row"
    tied = sum(found.verdict == "tie" for found in differences)
    return [
        count(evidence, tied, "tied"),
        text(" of "),
        count(evidence, len(differences), "compared"),
        text(" methods tie " if len(differences) > 1 else " method ties "),
        _reference(evidence),
        text(" ("),
        mean(evidence, evidence.reference, QUALITY),
        text("): no difference is shown."),
    ]


def _smallest(evidence: StudyEvidence, tied: Sequence[Configuration]) -> Sentence:
    stored = [row for row in tied if evidence.values(row.id, "storage_bytes")]
    if not stored or evidence.reference is None or not evidence.values(evidence.reference.id, "storage_bytes"):
        return []
    row = min(stored, key=lambda row: _mean(evidence, row, "storage_bytes"))
    return [
        text(" The smallest of them, "),
        label(row),
        text(", stores "),
        mean(evidence, row, "storage_bytes"),
        text(", "),
        ratio(evidence, row, evidence.reference, "storage_bytes"),
        text(" less than "),
        _reference(evidence),
        text("."),
    ]


def _fastest(evidence: StudyEvidence, tied: Sequence[Configuration]) -> Sentence:
    timed = [row for row in tied if evidence.values(row.id, "training_speed")]
    if not timed or evidence.reference is None or not evidence.values(evidence.reference.id, "training_speed"):
        return []
    row = max(timed, key=lambda row: _mean(evidence, row, "training_speed"))
    return [
        text(" The fastest, "),
        label(row),
        text(", trains at "),
        ratio(evidence, row, evidence.reference, "training_speed"),
        text(" its speed."),
    ]


def _mean(evidence: StudyEvidence, row: Configuration, metric: str) -> float:
    values = evidence.values(row.id, metric)
    return sum(values.values()) / len(values)


def _listed(rows: Sequence[Configuration]) -> Sentence:
    words: Sentence = []
    for index, row in enumerate(rows):
        words += [text(", ")] if index else []
        words.append(label(row))
    return words
