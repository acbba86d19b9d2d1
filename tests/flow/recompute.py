"""A number's value, derived again from the rows of the database: plain numpy and scipy wherever a formula is short.

Only what has one home in the product goes through it: fixed-anchor scores (peft_core.compare), intervals corrected
over all pairs of a study (the comparison), and what a recommendation draws (the recommendation service).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy import stats
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.tables import MeasurementRow, PredictionSet, Run, SeriesPointRow, Study
from app.schemas import Difference, Number, Recommendation
from app.services import recommendations, results
from app.services.callers import LOCAL
from app.services.differences import build_differences
from app.services.evidence import StudyEvidence, read_evidence
from app.services.reviews import approval_of
from app.services.studies import count_runs, study_status
from app.ui.recommend.case import Case
from peft_core import assets
from peft_core.compare.normalise import linear_score, quality_score, ratio_score
from peft_core.method import build_method
from peft_core.metric import LinearAnchors, metrics
from peft_core.model_shape import read_model_shape
from peft_core.scenario import scenarios
from tests.flow import compared, traded
from tests.flow.chapter_formulas import CHAPTER_FORMULAS
from tests.flow.derived import DERIVED
from tests.flow.estimate_figures import ESTIMATE_FORMULAS
from tests.flow.evidence_formulas import EVIDENCE_FORMULAS
from tests.flow.recommend_figures import case_figure, guide_figure, guide_leaf, guide_values, lookup_figure
from tests.flow.run_figures import median_of_steps, run_figure

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """One sourced number to derive again. runs, reference: run ids."""

    statistic: str
    metric: str
    runs: tuple[int, ...]
    reference: tuple[int, ...]


@dataclass(frozen=True)
class PageQuestion:
    """What the page was asked: its address holds the case of a recommendation."""

    engine: Engine
    query: Mapping[str, str]
    answers: list[Recommendation] = field(default_factory=list)
    """What the page can show, once it has been asked."""
    store: Path | None = None
    """Where the files of runs lie, for pages that show what is in them."""


def run_ids(source: str) -> tuple[int, ...]:
    """The ids of "runs:41,42", or of "import:runs:41,42"."""
    kind, _, ids = source.removeprefix("import:").partition(":")
    if kind != "runs" or not ids:
        raise ValueError(f"{source!r} names no runs")
    return tuple(int(run) for run in ids.split(","))


def recompute(session: Session, sourced: Mapping[str, str], page: PageQuestion) -> set[float]:
    """The value (or, where a formula answers for a whole page, the values) that the database gives.

    sourced: a number's data-* attributes without their prefix. Raises KeyError for a statistic or formula that nobody
    taught it, ValueError for a source that names no runs.
    """
    kind, _, name = sourced["source"].partition(":")
    if sourced["statistic"] == "at_step":
        return {_at_step(session, sourced)}
    if sourced["statistic"] == "median_of_steps":
        return {median_of_steps(session, sourced, *run_ids(sourced["source"]))}
    if kind == "formula":
        formula, arguments = _formula(name)
        if formula in EVIDENCE_FORMULAS:
            return EVIDENCE_FORMULAS[formula](session, sourced["statistic"], arguments, page.engine)
        if formula in ESTIMATE_FORMULAS:
            return {ESTIMATE_FORMULAS[formula](session, arguments, page.engine, (page.store or Path()).parent)}
        if formula in CHAPTER_FORMULAS:
            return {CHAPTER_FORMULAS[formula](arguments, page.engine)}
        if formula in traded.FORMULAS:
            return {traded.FORMULAS[formula](session, sourced["statistic"], arguments, page.engine)}
        if formula not in FORMULAS:
            return run_figure(session, formula, arguments, page.store)
        return FORMULAS[formula](session, sourced["statistic"], arguments, page)
    reference = run_ids(sourced["reference"]) if sourced.get("reference") else ()
    asked = Question(sourced["statistic"], sourced.get("metric", ""), run_ids(sourced["source"]), reference)
    if asked.statistic in compared.OF_SHARES:
        return {compared.OF_SHARES[asked.statistic](session, asked.runs, asked.reference)}
    if asked.statistic in traded.OF_NEIGHBOURS:
        return {traded.OF_NEIGHBOURS[asked.statistic](session, page.engine, asked.runs, asked.reference)}
    return {_of_runs(session, asked)}


def _at_step(session: Session, sourced: Mapping[str, str]) -> float:
    """The value of a run's series at a step."""
    (run,) = run_ids(sourced["source"])
    point = session.get_one(SeriesPointRow, (run, sourced["metric"], int(sourced["step"])))
    assert point.value is not None
    return point.value


def _of_runs(session: Session, asked: Question) -> float:
    if asked.reference and asked.statistic in OF_PAIRS:
        return OF_PAIRS[asked.statistic](session, asked)
    if len(asked.runs) == 1 and asked.statistic in ("lo", "hi"):
        return _over_items(session, asked)[asked.statistic]
    return OF_VALUES[asked.statistic](measured(session, asked.metric, asked.runs))


def _over_items(session: Session, asked: Question) -> dict[str, float]:
    """The ends of Wilson's 95 % interval of one run's share of test items."""
    row = session.get_one(MeasurementRow, (asked.runs[0], asked.metric))
    assert row.value is not None
    z, share, items = (
        float(stats.norm.ppf(0.975)),
        row.value,
        int(row.detail.get("counted_items") or row.detail["items"]),
    )
    centre = (share + z**2 / (2 * items)) / (1 + z**2 / items)
    half = z / (1 + z**2 / items) * math.sqrt(share * (1 - share) / items + z**2 / (4 * items**2))
    return {"lo": centre - half, "hi": centre + half}


def _formula(text: str) -> tuple[str, dict[str, str]]:
    """ "failures(configuration 4, metric x)" -> its name and its arguments by name."""
    name, _, inside = text.partition("(")
    pairs = (part.strip().partition(" ") for part in inside.rstrip(")").split(",") if part.strip())
    return name, {key: value for key, _, value in pairs}


def measured(session: Session, metric: str, runs: tuple[int, ...]) -> NDArray[np.float64]:
    """The values of `metric` in `runs`, in their order; a run's own figures count as metrics of it."""
    found: Mapping[int, float | None]
    if metric in DERIVED:
        found = {run: DERIVED[metric](session, session.get_one(Run, run)) for run in runs}
    elif metric in {"validation_score", "train_seconds", "learning_rate"}:
        found = {run.id: getattr(run, metric) for run in session.scalars(select(Run).where(Run.id.in_(runs)))}
    else:
        rows = session.scalars(
            select(MeasurementRow).where(MeasurementRow.run_id.in_(runs), MeasurementRow.metric == metric)
        )
        found = {row.run_id: row.value for row in rows}
    return np.array([found[run] for run in runs if found.get(run) is not None], dtype=float)


def half_width(values: NDArray[np.float64]) -> float:
    """Half of the 95 % t-interval of the mean."""
    return float(stats.t.ppf(0.975, values.size - 1) * values.std(ddof=1) / math.sqrt(values.size))


def single(values: NDArray[np.float64]) -> float:
    """The one value; several runs must agree, as exact metrics do."""
    assert len(set(values.tolist())) == 1, f"one value was promised, the rows hold {values}"
    return float(values[0])


OF_VALUES: dict[str, Callable[[NDArray[np.float64]], float]] = {
    "mean": lambda values: float(values.mean()),
    "value": single,
    "half_width": half_width,
    "lo": lambda values: float(values.mean()) - half_width(values),
    "hi": lambda values: float(values.mean()) + half_width(values),
    "count": lambda values: float(values.size),
    "at_least": lambda values: float(values.mean()),
}
"""Statistics of one group of runs."""


def _gap(session: Session, asked: Question) -> float:
    """Mean of the first group minus mean of the second."""
    return float(
        measured(session, asked.metric, asked.runs).mean() - measured(session, asked.metric, asked.reference).mean()
    )


def _ratio(session: Session, asked: Question) -> float:
    return float(
        measured(session, asked.metric, asked.runs).mean() / measured(session, asked.metric, asked.reference).mean()
    )


def _paired_half_width(session: Session, asked: Question) -> float:
    """Half of the 95 % interval of a paired difference: seeds and items both vary (Welch and Satterthwaite)."""
    difference = _item_scores(session, asked.runs) - _item_scores(session, asked.reference)
    seeds, items = difference.shape
    parts = [(difference.mean(axis=0).var(ddof=1) / items, items - 1)]
    if seeds > 1:
        parts.append((difference.mean(axis=1).var(ddof=1) / seeds, seeds - 1))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return float(stats.t.ppf(0.975, freedom) * math.sqrt(variance))


def _item_scores(session: Session, runs: tuple[int, ...]) -> NDArray[np.float64]:
    """Per-item scores, shape (runs, items)."""
    return np.array([session.get_one(PredictionSet, run).scores for run in runs], dtype=float)


def _of_comparison(read: Callable[[Difference], float]) -> Callable[[Session, Question], float]:
    """A figure of the study's comparison that all its pairs decide together."""

    def value(session: Session, asked: Question) -> float:
        differences = _once(session, "differences", asked, lambda study: build_differences(_evidence(session, asked)))
        found = [difference for difference in differences if tuple(difference.run_ids) == asked.runs]
        assert len(found) == 1, f"no difference of the study rests on runs {asked.runs}"
        return read(found[0])

    return value


def _normalised(session: Session, asked: Question) -> float:
    """The fixed-anchor score, from the means of the rows and the anchors of the catalogue."""
    value = float(measured(session, asked.metric, asked.runs).mean())
    metric = metrics()[asked.metric]
    if asked.metric == "task_performance":
        scale = _evidence(session, asked).as_evidence.quality_scale()
        score = quality_score(value, scale) if scale else None
        assert score is not None, "a score is shown where the scale is undefined"
        return score
    if isinstance(metric.anchors, LinearAnchors):
        return linear_score(value, metric.anchors)
    assert metric.anchors is not None, "a score is shown where the metric has none"
    full = float(measured(session, asked.metric, asked.reference).mean())
    return ratio_score(value, full, metric.anchors, higher_is_better=metric.better == "higher")


def _evidence(session: Session, asked: Question) -> StudyEvidence:
    """Everything measured in the study of the asked runs."""
    return _once(session, "evidence", asked, lambda study: read_evidence(session, session.get_one(Study, study)))


def _once(session: Session, what: str, asked: Question, read: Callable[[int], T]) -> T:
    """What `read` gives for the study of the asked runs, once for a session: a page asks hundreds of times."""
    study = session.get_one(Run, asked.runs[0]).study_id
    kept: dict[tuple[str, int], T] = session.info.setdefault("recomputed", {})
    if (what, study) not in kept:
        kept[what, study] = read(study)
    return kept[what, study]


def _end(place: int) -> Callable[[Session, Question], float]:
    """An end of a difference's interval. With a single seed it has no short formula of its own: its test has one."""

    def value(session: Session, asked: Question) -> float:
        if len(asked.runs) == 1:
            return _of_comparison(lambda difference: difference.interval[place])(session, asked)
        return _gap(session, asked) + (-1, 1)[place] * _paired_half_width(session, asked)

    return value


OF_PAIRS: dict[str, Callable[[Session, Question], float]] = {
    "difference": _gap,
    "ratio": _ratio,
    "lo": _end(0),
    "hi": _end(1),
    "corrected_lo": _of_comparison(lambda difference: difference.corrected[0]),
    "corrected_hi": _of_comparison(lambda difference: difference.corrected[1]),
    "p_value": _of_comparison(lambda difference: difference.p_value),
    "normalised": _normalised,
}
"""Statistics of a group of runs against a reference group."""


# -- formulas ---------------------------------------------------------------------------------------------------------


def _verdicts(session: Session, arguments: Mapping[str, str]) -> list[str]:
    """The verdict on every row that was compared with the reference."""
    return [
        d.verdict for d in build_differences(read_evidence(session, session.get_one(Study, int(arguments["study"]))))
    ]


def _runs(session: Session, arguments: Mapping[str, str], *ended: str) -> float:
    """Runs of a study, those tried again counted once, by their last try; of the statuses `ended` where given."""
    runs = list(session.scalars(select(Run).where(Run.study_id == int(arguments["study"]))))
    retried = {run.retry_of for run in runs}
    return float(sum(run.id not in retried and (not ended or run.status in ended) for run in runs))


def _failures(session: Session, arguments: Mapping[str, str]) -> float:
    """Failed runs that measure a metric; one that was tried again is not counted."""
    purpose = "probe" if "probe" in metrics()[arguments["metric"]].purposes else "report"
    wanted = select(Run).where(Run.configuration_id == int(arguments["configuration"]), Run.purpose == purpose)
    runs = list(session.scalars(wanted))
    retried = {run.retry_of for run in runs}
    return float(sum(run.status == "failed" for run in runs if run.id not in retried))


def _recommended(page: PageQuestion, arguments: Mapping[str, str], statistic: str) -> set[float]:
    """Every value of a statistic in the answers that the Recommend page can show."""
    if not page.answers:
        page.answers.extend(_answers(page, int(arguments["study"])))
    found = {number.value for answer in page.answers for number in numbers_in(answer) if number.statistic == statistic}
    places = {"rank_lo": 0, "rank_hi": 1}
    if statistic in places:
        found |= {float(row.rank_interval[places[statistic]]) for answer in page.answers for row in answer.ranked}
    return found | ({float(answer.draws) for answer in page.answers} if statistic == "draws" else set())


def _answers(page: PageQuestion, study: int) -> Iterator[Recommendation]:
    """The answer to the case in the page's address, and to each scenario as it stands."""
    cases = [Case.from_query({**page.query, "study": str(study)})] if page.query.get("scenario") else []
    for key, card in scenarios().items():
        limits = {} if card.constraint_default is None else {card.constraint: card.constraint_default}
        cases.append(Case(study, key, constraints=limits))
    for case in cases:
        yield recommendations.recommend(page.engine, LOCAL, case.request())


def numbers_in(document: Any) -> Iterator[Number]:
    """Every number of an API document, wherever it stands."""
    if isinstance(document, Number):
        yield document
    elif isinstance(document, BaseModel):
        for name in type(document).model_fields:
            yield from numbers_in(getattr(document, name))
    elif isinstance(document, dict):
        for value in document.values():
            yield from numbers_in(value)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from numbers_in(value)


UNDER_WAY = ("running", "queued")


def _studies(session: Session, state: str) -> float:
    """Studies in a state as the overview counts them."""
    found = list(session.scalars(select(Study.id)))
    counts = count_runs(session, found)
    if state == "with failures":
        return float(sum(counts[study].failed > 0 for study in found))
    status = {study: study_status(counts[study]) for study in found}
    if state == "to review":
        approvals = {study: approval_of(session, study) for study in found}
        approved = {study for study, last in approvals.items() if last and last.state == "approved"}
        return float(sum(status[study] == "succeeded" and study not in approved for study in found))
    return float(sum(status[study] in UNDER_WAY for study in found))


def _trainable(name: str, base_model: str) -> float:
    """The method's own formula on the base model's own shape."""
    shape = read_model_shape(assets.base_models()[base_model].folder)
    return float(build_method(name, {}).trainable_parameters(shape))


def _queued(given: Mapping[str, str]) -> float:
    """Every tuned row has its grid, its seeds and a probe; untuned its seeds and a probe. own: what rows with learning
    rates of their own have more."""
    tuned, grid, seeds, untuned, own = (int(given[name]) for name in ("tuned", "grid", "seeds", "untuned", "own"))
    return float(tuned * (grid + seeds + 1) + untuned * (seeds + 1) + own)


def _whole_steps(session: Session, given: Mapping[str, str]) -> float:
    """Of its study, counted by hand."""
    study = session.get_one(Run, int(given["run"])).study
    budget = study.document["budget"]
    items = study.task["splits"]["train"]
    return float(budget["steps"] or budget["epochs"] * math.ceil(items / budget["batch_size"]))


Formula = Callable[[Session, str, Mapping[str, str], PageQuestion], set[float]]


def _tuning_of(configuration: int) -> Any:
    """The learning rates that a row was given a run for, each once."""
    tuning = select(Run.learning_rate).where(Run.configuration_id == configuration, Run.purpose == "tune")
    return tuning.distinct()


FORMULAS: dict[str, Formula] = {
    "tied": lambda session, _, given, page: {float(_verdicts(session, given).count("tie"))},
    "compared": lambda session, _, given, page: {float(len(_verdicts(session, given)))},
    "runs": lambda session, _, given, page: {_runs(session, given)},
    "runs_ended": lambda session, _, given, page: {_runs(session, given, "succeeded", "failed", "cancelled")},
    "failures": lambda session, _, given, page: {_failures(session, given)},
    "flags": lambda _, __, given, page: {float(len(results.comparison(page.engine, LOCAL, int(given["study"])).flags))},
    "confidence_level": lambda *_: {0.95},
    "studies": lambda session, _, given, page: {_studies(session, given["state"])},
    "trainable_parameters": lambda _, __, given, page: {_trainable(given["method"], given["base_model"])},
    "queued_runs": lambda _, __, given, page: {_queued(given)},
    "tuning_runs": lambda session, _, given, __: {
        float(len(session.scalars(_tuning_of(int(given["configuration"]))).all()))
    },
    "rung_steps": lambda session, _, given, __: {float(session.get_one(Run, int(given["run"])).rung_steps or 0)},
    "others_trained_together": lambda session, _, given, __: {
        float((session.get_one(Run, int(given["run"])).environment or {})["trained_together"] - 1)
    },
    "whole_steps": lambda session, _, given, __: {_whole_steps(session, given)},
    "recommendation": lambda _, statistic, given, page: _recommended(page, given, statistic),
    "selection_guide": lambda session, statistic, given, page: guide_figure(
        session, page.engine, page.query, statistic, given
    ),
    "guide_leaf": lambda _, statistic, given, page: guide_leaf(page.query, statistic, given),
    "guide_values": lambda session, _, given, __: guide_values(session, given),
    "lookup": lambda session, statistic, given, page: lookup_figure(
        session, page.engine, page.query, statistic, given, page.store
    ),
    "study_case": lambda session, statistic, given, __: {case_figure(session, given, statistic)},
}
"""The named formulas of the pages, each computed again from the rows."""
