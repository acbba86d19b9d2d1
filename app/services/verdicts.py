"""What a study shows, in words that claim no more than the test."""

from collections.abc import Sequence

from app.db.tables import Configuration
from app.language import tr
from app.schemas import Difference, Part, RunCounts, Sentence, StudyStatus
from app.services.differences import build_differences
from app.services.evidence import StudyEvidence
from app.services.numbers import count, counted_sentence, label, listed, mean, paragraph, ratio, sentence, text
from peft_core.compare.recommend import QUALITY


def finding(evidence: StudyEvidence, status: StudyStatus, counts: RunCounts) -> Sentence:
    """What a study shows so far, short enough for a list."""
    if status == "queued":
        return sentence("Nothing measured yet: waiting for a worker.")
    differences = build_differences(evidence)
    if status == "running" or not differences:
        return _partial(evidence, counts)
    return _ties(evidence, differences)


def verdict(evidence: StudyEvidence, counts: RunCounts, differences: Sequence[Difference]) -> Sentence:
    """The sentence a study's page opens with: ties, the smallest and the fastest of them, and whether any is better."""
    if not differences:
        return _partial(evidence, counts)
    tied = [row for row in evidence.configurations if _verdict_of(row, differences) in ("tie", "better")]
    better = [row for row in tied if _verdict_of(row, differences) == "better"]
    return paragraph(
        _ties(evidence, differences),
        _smallest(evidence, tied),
        _fastest(evidence, tied),
        sentence(
            "Better than {reference}: {methods}.",
            reference=_reference(evidence),
            methods=listed([label(row) for row in better]),
        )
        if better
        else sentence("No method is shown to be better."),
        _of_models(differences),
    )


def _of_models(differences: Sequence[Difference]) -> Sentence:
    """What single seeds can say."""
    if not all("trained models" in found.covers for found in differences):
        return []
    return sentence("One seed each: this holds for these trained models, not for the methods.")


def _reference(evidence: StudyEvidence) -> Part:
    """What the others are compared with, as it is spoken of in a sentence."""
    assert evidence.reference is not None, "differences refer to a row"
    return text(tr("full fine-tuning")) if evidence.reference is evidence.full else label(evidence.reference)


def _verdict_of(row: Configuration, differences: Sequence[Difference]) -> str | None:
    return next((found.verdict for found in differences if found.configuration == row.id), None)


def _partial(evidence: StudyEvidence, counts: RunCounts) -> Sentence:
    total = counts.queued + counts.running + counts.succeeded + counts.failed + counts.cancelled
    ended = total - counts.queued - counts.running
    told = {"ended": count(evidence, ended, "runs_ended"), "total": count(evidence, total, "runs")}
    if counts.queued or counts.running:
        return sentence("No answer yet: {ended} of {total} runs are in.", **told)
    if evidence.reference is None:
        return sentence(
            "{ended} of {total} runs are in. Without a full fine-tuning row there is nothing to compare with.", **told
        )
    if evidence.as_evidence.significance.untested:
        return sentence(
            "{ended} of {total} runs are in: single ones without item scores, so no difference can be tested.", **told
        )
    return sentence(
        "{ended} of {total} runs ended; full fine-tuning and another method were not both measured.", **told
    )


def _ties(evidence: StudyEvidence, differences: Sequence[Difference]) -> Sentence:
    """ "3 of 5 methods tie full fine-tuning (94.1 %)" """
    assert evidence.reference is not None, "differences refer to a row"
    tied = sum(found.verdict == "tie" for found in differences)
    return counted_sentence(
        "{tied} of {compared} method ties {reference} ({quality}): no difference is shown.",
        "{tied} of {compared} methods tie {reference} ({quality}): no difference is shown.",
        len(differences),
        tied=count(evidence, tied, "tied"),
        compared=count(evidence, len(differences), "compared"),
        reference=_reference(evidence),
        quality=mean(evidence, evidence.reference, QUALITY),
    )


def _smallest(evidence: StudyEvidence, tied: Sequence[Configuration]) -> Sentence:
    stored = [row for row in tied if evidence.values(row.id, "storage_bytes")]
    if not stored or evidence.reference is None or not evidence.values(evidence.reference.id, "storage_bytes"):
        return []
    row = min(stored, key=lambda row: _mean(evidence, row, "storage_bytes"))
    return sentence(
        "The smallest of them, {method}, stores {size}, {times} less than {reference}.",
        method=label(row),
        size=mean(evidence, row, "storage_bytes"),
        times=ratio(evidence, row, evidence.reference, "storage_bytes"),
        reference=_reference(evidence),
    )


def _fastest(evidence: StudyEvidence, tied: Sequence[Configuration]) -> Sentence:
    timed = [row for row in tied if evidence.values(row.id, "training_speed")]
    if not timed or evidence.reference is None or not evidence.values(evidence.reference.id, "training_speed"):
        return []
    row = max(timed, key=lambda row: _mean(evidence, row, "training_speed"))
    times = ratio(evidence, row, evidence.reference, "training_speed")
    return sentence("The fastest, {method}, trains at {times} its speed.", method=label(row), times=times)


def _mean(evidence: StudyEvidence, row: Configuration, metric: str) -> float:
    values = evidence.values(row.id, metric)
    return sum(values.values()) / len(values)
