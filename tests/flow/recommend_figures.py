"""Figures of the selection guide and of a looked-up case, worked out again.

What one study answers goes through the recommendation service, and ratios that are carried over through the lookup
service, each their one home. What several studies make of a leaf, distances and cases are short and worked out here.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import TypeVar

import numpy as np
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.tables import Configuration, Study
from app.schemas import Lookup, RankedCandidate, Recommendation, RecommendationRequest, Vetoed
from app.services.base_models import list_base_models
from app.services.callers import LOCAL
from app.services.catalogue import list_scenarios
from app.services.lookup import look_up_case
from app.services.lookup_cases import study_shape
from app.services.recommendations import recommend
from app.services.selection_guide import selection_guide
from app.services.tasks import list_kinds, list_tasks
from app.settings import Settings
from app.ui.recommend.guide_case import GuideCase
from app.ui.recommend.lookup_case import Choices, LookedUp
from peft_core.compare.selection_guide import LEAVES, limits_of
from peft_core.scenario import ConstraintName

Arguments = Mapping[str, str]
T = TypeVar("T")

# -- the selection guide -----------------------------------------------------------------------------------------------


def guide_figure(
    session: Session, engine: Engine, query: Mapping[str, str], statistic: str, arguments: Arguments
) -> set[float]:
    """P(best) of a leaf by method (the mean over the studies that answer) or of one study's pick, counts of studies,
    and the guide's regret."""
    if statistic == "least_studies":
        return {3.0}
    limits = GuideCase.from_query(query).constraints
    study = int(arguments["study"]) if "study" in arguments else None
    if "leaf" not in arguments:
        guide = _once(session, f"{study} {limits}", lambda: selection_guide(engine, LOCAL, study, limits))
        assert guide.regret is not None, "a regret is shown where none is known"
        told = guide.regret
        return {told.guide.value, told.always.value} if statistic.startswith("regret") else {float(told.studies)}
    studies = [study] if study is not None else list(session.scalars(select(Study.id)))
    leaf = arguments["leaf"]
    answers = [_once(session, f"{limits} {one} {leaf}", partial(_asked, engine, one, leaf, limits)) for one in studies]
    told_by = [answer for answer in answers if answer.ranked]
    if statistic == "studies_that_answer":
        return {float(len(told_by))}
    if "configuration" in arguments:
        rows = [row for answer in told_by for row in answer.ranked]
        return {row.p_best.value for row in rows if row.configuration == int(arguments["configuration"])}
    return _shares(session, told_by)


def _once(session: Session, what: str, read: Callable[[], T]) -> T:
    """What `read` gives, once for a session: a page asks dozens of times."""
    kept: dict[str, T] = session.info.setdefault("recommend", {})
    if what not in kept:
        kept[what] = read()
    return kept[what]


def _asked(engine: Engine, study: int, leaf: str, limits: Mapping[ConstraintName, float]) -> Recommendation:
    question = LEAVES[leaf].question(limits_of(leaf, limits))
    asked = RecommendationRequest(
        study=study,
        weights=dict(question.weights),
        constraints=dict(question.constraints),
        quality_floor=question.quality_floor,
    )
    return recommend(engine, LOCAL, asked)


def _shares(session: Session, answers: list[Recommendation]) -> set[float]:
    """By method: the share of draws that its rows win, in the mean over the studies."""
    won: dict[str, float] = {}
    for answer in answers:
        rows: list[RankedCandidate | Vetoed] = [*answer.ranked, *answer.vetoed]
        for row in rows:
            method = session.get_one(Configuration, row.configuration).method
            won[method] = won.get(method, 0.0) + (row.p_best.value if row.p_best else 0.0) / len(answers)
    return set(won.values())


def guide_leaf(query: Mapping[str, str], statistic: str, arguments: Arguments) -> set[float]:
    """What a leaf asks: its weights, its floor, its limits, and the textbook's range."""
    leaf = LEAVES[arguments["leaf"]]
    question = leaf.question(limits_of(arguments["leaf"], GuideCase.from_query(query).constraints))
    named: dict[str, float] = {f"weight_{name}": weight for name, weight in question.weights.items()}
    named |= {f"limit_{name}": limit for name, limit in question.constraints.items()}
    named |= {"quality_floor": question.quality_floor, "textbook_lo": leaf.textbook.lo, "textbook_hi": leaf.textbook.hi}
    return {named[statistic]}


def guide_values(session: Session, arguments: Arguments) -> set[float]:
    """The values of a method's hyper-parameter in some studies."""
    studies = [int(study) for study in arguments["studies"].split()]
    wanted = select(Configuration).where(
        Configuration.study_id.in_(studies), Configuration.method == arguments["method"]
    )
    return {float(row.hyperparameters[arguments["parameter"]]) for row in session.scalars(wanted)}


# -- a looked-up case --------------------------------------------------------------------------------------------------


def lookup_figure(
    session: Session,
    engine: Engine,
    query: Mapping[str, str],
    statistic: str,
    arguments: Arguments,
    store: Path | None,
) -> set[float]:
    """Every value of a statistic in the answer to the address's case; a distance by its own formula."""
    from tests.flow.recompute import numbers_in

    settings = Settings(home=store.parent if store else Path(gettempdir()) / "no-home")
    found = _once(session, f"lookup {query}", lambda: _looked_up(engine, settings, query))
    if statistic == "distance":
        study = session.get_one(Study, int(arguments["study"]))
        return {_distance(session, study, found)}
    return {number.value for number in numbers_in(found) if number.statistic == statistic}


def _looked_up(engine: Engine, settings: Settings, query: Mapping[str, str]) -> Lookup:
    tasks = list_tasks()
    there = Choices(list_base_models(settings), tasks, list_kinds(), list_scenarios())
    return look_up_case(engine, settings, LOCAL, LookedUp.from_query(query, there).request(tasks))


def _distance(session: Session, study: Study, found: Lookup) -> float:
    sizes = [
        case_figure(session, {"study": str(study.id)}, name) for name in ("parameters", "train_items", "max_length")
    ]
    asked = [found.case.parameters, found.case.train_items, found.case.max_length]
    factors = np.log(np.array(sizes) / np.array(asked)) / math.log(3)
    device = next(near.case.device for near in found.nearest if near.study == study.id)
    return math.sqrt(float((np.array([1, 1, 0.5]) * factors**2).sum()) + (device != found.case.device))


def case_figure(session: Session, arguments: Arguments, statistic: str) -> float:
    """A size of the case that a study is about."""
    study = session.get_one(Study, int(arguments["study"]))
    if statistic == "parameters":
        shape = study_shape(study)
        assert shape is not None, "the study has a case"
        return float(shape.parameters)
    return float(
        study.task["splits"]["train"] if statistic == "train_items" else study.document["budget"]["max_length"]
    )
