"""Numbers for sentences, each with the runs it can be computed from again."""

from collections.abc import Sequence

from app.db.tables import Configuration
from app.language import BETWEEN_SENTENCES, filled, filledn, language, tr
from app.schemas import Number, Part, Sentence
from app.services.evidence import StudyEvidence


def text(words: str) -> Part:
    """Plain words."""
    return Part(text=words)


def sentence(message: str, **parts: Part | Sentence | str) -> Sentence:
    """A message in the reader's language with numbers, names or further words in its {places}."""
    return _flat(filled(message, **parts))


def counted_sentence(one: str, many: str, count: float, **parts: Part | Sentence | str) -> Sentence:
    """`one` for a count of 1, else `many`; a place for the count itself is given like any other."""
    return _flat(filledn(one, many, count, **parts))


def _flat(pieces: Sequence[Part | Sentence | str]) -> Sentence:
    words: Sentence = []
    for piece in pieces:
        words += [text(piece)] if isinstance(piece, str) else piece if isinstance(piece, list) else [piece]
    return words


def listed(members: Sequence[Part | Sentence | str], between: str | None = None) -> Sentence:
    """Members one after another: with the language's comma, or with what is put between them."""
    comma = tr(", ") if between is None else between
    return _flat([piece for place, member in enumerate(members) for piece in ([comma] if place else []) + [member]])


def paragraph(*sentences: Sentence) -> Sentence:
    """Whole sentences one after another; what says nothing is left out."""
    return listed([words for words in sentences if words], BETWEEN_SENTENCES[language()])


def label(row: Configuration) -> Part:
    """The name of a configuration: a reference row is called what the method is called in the reader's language."""
    return Part(label=tr(row.label))


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
