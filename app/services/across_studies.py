"""Methods over several studies: the matrix of shares, two methods against each other, and all of them ranked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import Study
from app.language import tr
from app.schemas import (
    AllAcross,
    ComparedMethod,
    CriticalDifference,
    KindOfStudies,
    LeftOutStudy,
    MethodPlace,
    Number,
    NumberQuantity,
    PairAcross,
    SignedRankView,
    StudiesCompared,
    StudyDifference,
)
from app.services.callers import Caller
from app.services.compared_studies import DRAWS, SEED, Comparable, kinds_of_studies, read_comparable
from app.services.gain_cells import GainDifference, compared_study, gain_cell, row_of
from peft_core.compare.friedman import LEAST_METHODS, friedman, ranks
from peft_core.compare.friedman import LEAST_STUDIES as LEAST_FOR_RANKS
from peft_core.compare.normalise import QUALITY
from peft_core.compare.places import places
from peft_core.compare.signed_rank import LEAST_STUDIES as LEAST_FOR_PAIRS
from peft_core.compare.signed_rank import ROPE, signed_rank
from peft_core.method import methods as catalogue
from peft_core.task import tasks as task_kinds

FIRST_PAIR = ("lora", "full")
"""Set against each other until a person chooses, where the studies have both."""
ENDS = {"full": -1, "head_only": 1}
"""Where references stand among the methods."""
DRAWS_SHOWN = 800
"""Of the posterior; a figure needs no more."""


@dataclass(frozen=True)
class Asked:
    """What a person wants compared; what is empty or None is chosen for them. Ids and names that mean nothing here are
    passed over, for they stand in addresses that anyone may type."""

    kind: str | None = None
    studies: Sequence[int] = ()
    methods: Sequence[str] = ()
    a: str | None = None
    b: str | None = None
    approved_only: bool = False


def compare_studies(engine: Engine, caller: Caller, asked: Asked) -> StudiesCompared:
    """Methods over the studies of one kind of task."""
    with team_session(engine, caller.team_id) as session:
        kinds = kinds_of_studies(session)
        kind = _kind(session, asked, kinds)
        usable, unused = _read(session, kind, asked)
        return _Across(asked, kind, kinds, usable, unused).document()


def _read(session: Session, kind: str | None, asked: Asked) -> tuple[list[Comparable], list[tuple[Study, str]]]:
    if kind is None:
        return [], []
    return read_comparable(session, kind, approved_only=asked.approved_only)


def _kind(session: Session, asked: Asked, kinds: Mapping[str, int]) -> str | None:
    """The kind asked for, else that of the first study asked for, else the one with the most studies."""
    if asked.kind is not None:
        return asked.kind
    if asked.studies:
        found = session.scalar(select(Study).where(Study.id == asked.studies[0]))
        if found is not None:
            return str(found.task["kind"])
    return max(kinds, key=lambda kind: (kinds[kind], kind), default=None)


class _Across:
    """The comparison put into a document."""

    def __init__(
        self,
        asked: Asked,
        kind: str | None,
        kinds: Mapping[str, int],
        usable: Sequence[Comparable],
        unused: Sequence[tuple[Study, str]],
    ) -> None:
        self._kind, self._kinds, self._usable, self._unused = kind, kinds, usable, unused
        named = [study for study in usable if study.id in asked.studies]
        self._studies = named or list(usable)
        self._offered = self._methods()
        known = [method for method in asked.methods if method in self._offered]
        self._chosen = known if len(known) > 1 else self._in_most()
        self._pair = self._two(asked)

    def _methods(self) -> dict[str, int]:
        """Method -> in how many of the chosen studies it has a result; full fine-tuning first, then those that most
        have, a linear probe last."""
        counts: dict[str, int] = {}
        for study in self._studies:
            for method in study.methods:
                counts[method] = counts.get(method, 0) + 1
        return dict(sorted(counts.items(), key=lambda entry: (ENDS.get(entry[0], 0), -entry[1])))

    def _in_most(self) -> list[str]:
        """The methods that every study has; where these are fewer than two, those of the most studies."""
        everywhere = [method for method, count in self._offered.items() if count == len(self._studies)]
        if len(everywhere) > 1:
            return everywhere
        most = sorted(self._offered.values(), reverse=True)[1:2]
        return [method for method, count in self._offered.items() if count >= most[0]] if most else []

    def _two(self, asked: Asked) -> tuple[str, str] | None:
        wanted = [method for method in (asked.a, asked.b) if method in self._offered]
        order = [*wanted, *(name for name in FIRST_PAIR if name in self._offered), *self._chosen]
        two = list(dict.fromkeys(order))[:2]
        return (two[0], two[1]) if len(two) == 2 else None

    def document(self) -> StudiesCompared:
        several = len(self._studies) > 1
        return StudiesCompared(
            kind=self._kind,
            kinds=[
                KindOfStudies(kind=kind, title=_kind_title(kind), studies=count)
                for kind, count in sorted(self._kinds.items())
            ],
            studies=[compared_study(study) for study in self._usable],
            chosen=[study.id for study in self._studies],
            left_out=[LeftOutStudy(id=study.id, name=study.name, reason=why) for study, why in self._unused],
            methods=[_method(self._usable, name, count) for name, count in self._offered.items()],
            chosen_methods=self._chosen,
            cells=[gain_cell(study, method) for study in self._studies for method in self._chosen],
            pair=self._pair_across(*self._pair) if several and self._pair else None,
            all=self._all_across() if several and len(self._chosen) > 1 else None,
            draws=DRAWS,
            seed=SEED,
        )

    # -- two methods -------------------------------------------------------------------------------------------------

    def _pair_across(self, a: str, b: str) -> PairAcross:
        both = [study for study in self._studies if a in study.methods and b in study.methods]
        found = [GainDifference(study, row_of(study, a), row_of(study, b)) for study in both]
        return PairAcross(
            a=a,
            b=b,
            rope=self._formula(ROPE, "rope", "fraction"),
            differences=[self._difference(one) for one in found],
            needed=self._formula(LEAST_FOR_PAIRS, "studies_needed", "count"),
            found=self._formula(len(both), "studies_with_both", "count"),
            still_missing=self._formula(max(0, LEAST_FOR_PAIRS - len(both)), "studies_missing", "count"),
            signed_rank=self._signed_rank([one.value for one in found]) if len(both) >= LEAST_FOR_PAIRS else None,
        )

    def _difference(self, found: GainDifference) -> StudyDifference:
        p, of = found.p_first, f"study {found.study.id}"
        return StudyDifference(
            study=found.study.id,
            value=found.number,
            interval=found.interval,
            test=found.pair.rule if found.pair else None,
            covers=found.covers,
            p_a=None if p is None else self._formula(p, "p_better", "probability", of),
        )

    def _signed_rank(self, values: Sequence[float]) -> SignedRankView:
        found = signed_rank(values)
        return SignedRankView(
            a=self._formula(found.first, "p_practically_better", "probability"),
            equal=self._formula(found.equal, "p_practically_equal", "probability"),
            b=self._formula(found.second, "p_practically_worse", "probability"),
            draws=[(a, equal, b) for a, equal, b in found.draws[:DRAWS_SHOWN].round(4).tolist()],
        )

    # -- all methods -------------------------------------------------------------------------------------------------

    def _all_across(self) -> AllAcross:
        wanted = set(self._chosen)
        complete = [study for study in self._studies if wanted <= set(study.methods)]
        tested = len(complete) >= LEAST_FOR_RANKS and len(self._chosen) >= LEAST_METHODS
        return AllAcross(
            studies=[study.id for study in complete],
            incomplete=[study.id for study in self._studies if study not in complete],
            places=self._places(complete) if complete else [],
            needed=self._formula(LEAST_FOR_RANKS, "studies_needed", "count"),
            found=self._formula(len(complete), "complete_studies", "count"),
            still_missing=self._formula(max(0, LEAST_FOR_RANKS - len(complete)), "studies_missing", "count"),
            enough_methods=len(self._chosen) >= LEAST_METHODS,
            friedman=self._friedman(complete) if tested else None,
        )

    def _shares(self, complete: Sequence[Comparable]) -> list[list[float]]:
        return [[study.mean_share(method) for method in self._chosen] for study in complete]

    def _places(self, complete: Sequence[Comparable]) -> list[MethodPlace]:
        """The best mean rank first, of equal ones the larger share."""
        shares = self._shares(complete)
        mean_ranks = ranks(np.asarray(shares)).mean(axis=0)
        found = places(shares, [study.drawn_shares(self._chosen) for study in complete])
        listed = [
            MethodPlace(
                method=method,
                share=self._of(method, place.mean, "mean_share", "fraction"),
                p_best=self._of(method, place.p_best, "p_best", "probability"),
                rank_lo=self._of(method, place.rank_interval[0], "rank_lo", "count"),
                rank_hi=self._of(method, place.rank_interval[1], "rank_hi", "count"),
                mean_rank=self._of(method, float(rank), "mean_rank", "score"),
            )
            for method, place, rank in zip(self._chosen, found, mean_ranks, strict=True)
        ]
        return sorted(listed, key=lambda place: (place.mean_rank.value, -place.share.value))

    def _friedman(self, complete: Sequence[Comparable]) -> CriticalDifference:
        found = friedman(self._shares(complete))
        return CriticalDifference(
            statistic=self._formula(found.statistic, "friedman_f", "score"),
            p_value=self._formula(found.p_value, "friedman_p", "p_value"),
            difference=self._formula(found.critical_difference, "critical_difference", "score"),
            rejected=found.rejected,
            groups=[[self._chosen[place] for place in group] for group in found.groups],
        )

    # -- numbers -----------------------------------------------------------------------------------------------------

    def _of(self, method: str, value: float, statistic: str, quantity: NumberQuantity) -> Number:
        return self._formula(value, statistic, quantity, f"method {method}")

    def _formula(self, value: float, statistic: str, quantity: NumberQuantity, of: str | None = None) -> Number:
        given = [
            f"studies {'+'.join(str(study.id) for study in self._studies)}",
            f"methods {'+'.join(self._chosen)}",
            *([f"a {self._pair[0]}", f"b {self._pair[1]}"] if self._pair else []),
            *([of] if of else []),
            f"draws {DRAWS}",
            f"seed {SEED}",
        ]
        formula = f"across_studies({', '.join(given)})"
        return Number(value=value, quantity=quantity, statistic=statistic, metric=QUALITY, formula=formula)


def _kind_title(kind: str) -> str:
    """A kind of task that only imported results have is called by its key."""
    known = task_kinds().get(kind)
    return tr(known.title) if known else kind.replace("_", " ")


def _method(studies: Sequence[Comparable], name: str, count: int) -> ComparedMethod:
    known = catalogue().get(name)
    rows = (row for study in studies for row in study.evidence.configurations if row.method == name)
    family = known.family if known else next(row.family for row in rows)
    return ComparedMethod(method=name, title=known.title if known else name, family=family, studies=count)
