"""Numbers for sentences, each with the runs it can be computed from again."""

from app.db.tables import Configuration
from app.schemas import Number, Part
from app.services.evidence import StudyEvidence


def text(words: str) -> Part:
    """Plain words."""
    return Part(text=words)


def label(row: Configuration) -> Part:
    """The name of a configuration."""
    return Part(label=row.label)


def number(value: Number) -> Part:
    """A number in a sentence."""
    return Part(number=value)


def count(evidence: StudyEvidence, value: int, statistic: str = "count") -> Part:
    """A count of the study's configurations or runs, by a named formula."""
    return Part(
        number=Number(
            value=value, quantity="count", statistic=statistic, formula=f"{statistic}(study {evidence.study.id})"
        )
    )


def mean_number(evidence: StudyEvidence, row: Configuration, metric: str) -> Number:
    """The mean of a metric over a configuration's runs; it must have one."""
    values = evidence.values(row.id, metric)
    return Number(
        value=sum(values.values()) / len(values),
        quantity=evidence.card(metric).quantity,
        statistic="mean",
        metric=metric,
        source=evidence.source(list(values)),
        run_ids=list(values),
    )


def mean(evidence: StudyEvidence, row: Configuration, metric: str) -> Part:
    """The mean of a metric, in a sentence."""
    return Part(number=mean_number(evidence, row, metric))


def ratio(evidence: StudyEvidence, row: Configuration, reference: Configuration, metric: str) -> Part:
    """How many times the reference's mean the row's is (a cost the other way round: how many times less)."""
    values, others = evidence.values(row.id, metric), evidence.values(reference.id, metric)
    top, bottom = sum(values.values()) / len(values), sum(others.values()) / len(others)
    ids, reference_ids = list(values), list(others)
    if evidence.card(metric).better == "lower":
        top, bottom, ids, reference_ids = bottom, top, reference_ids, ids
    return Part(
        number=Number(
            value=top / bottom,
            quantity="ratio",
            statistic="ratio",
            metric=metric,
            source=evidence.source([*ids, *reference_ids]),
            run_ids=ids,
            reference_run_ids=reference_ids,
        )
    )
