"""Candidates against two or three metrics: who is on the Pareto front, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from peft_core.compare.candidates import Candidate
from peft_core.compare.draws import draw_values
from peft_core.compare.normalise import QUALITY
from peft_core.compare.pareto import Array, dominance, front_shares
from peft_core.metric import metrics

DRAWS = 2_000


@dataclass(frozen=True)
class Traded:
    """A candidate among the others. `values` in the order of the metrics asked about, as measured.

    `front_share`: share of draws in which it is on the front. `dominated_by`: the keys on the front that are at least
    as good in every metric and better in one. `equal_to`: the keys with the very same values.
    """

    key: int
    values: tuple[float, ...]
    on_front: bool
    front_share: float
    dominated_by: tuple[int, ...]
    equal_to: tuple[int, ...]


@dataclass(frozen=True)
class TradeOff:
    """`lacking`: (key, metric) of candidates without a value for a metric asked about: listed, never counted as 0.
    `below_floor`: (key, quality) of those that do not reach `least_quality`."""

    traded: tuple[Traded, ...]
    lacking: tuple[tuple[int, str], ...]
    below_floor: tuple[tuple[int, float], ...]


def trade_off(
    candidates: Sequence[Candidate],
    names: Sequence[str],
    *,
    least_quality: float | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> TradeOff:
    """The front of `candidates` over the metrics `names`, each with its own direction.

    Quality is better when higher here, as in every Candidate. `least_quality` rules out what lies below it, and what
    has no quality at all. Draws are those of the recommendation: a t posterior over seeds, and test items for quality.
    """
    kept, below = _above(candidates, least_quality)
    lacking = [(row.key, name) for row in kept for name in names if row.mean(name) is None]
    without = {key for key, _ in lacking}
    complete = [row for row in kept if row.key not in without]
    if least_quality is not None:
        lacking += [(row.key, QUALITY) for row in candidates if row.mean(QUALITY) is None]
    traded = _traded(complete, names, draws, seed) if complete else ()
    return TradeOff(traded, tuple(dict.fromkeys(lacking)), tuple(below))


def _above(
    candidates: Sequence[Candidate], least_quality: float | None
) -> tuple[list[Candidate], list[tuple[int, float]]]:
    """The candidates that reach the floor, and the others with the quality that they have."""
    if least_quality is None:
        return list(candidates), []
    known = [(row, quality) for row in candidates if (quality := row.mean(QUALITY)) is not None]
    kept = [row for row, quality in known if quality >= least_quality]
    return kept, [(row.key, quality) for row, quality in known if quality < least_quality]


def _traded(rows: Sequence[Candidate], names: Sequence[str], draws: int, seed: int) -> tuple[Traded, ...]:
    means = np.array([[np.mean(row.values[name]) for name in names] for row in rows])
    signs = np.array([_sign(name) for name in names])
    drawn = np.stack([_drawn(rows, name, draws, seed) for name in names], axis=2)
    beats = dominance(signs * means)
    front = np.logical_not(beats.any(axis=0))
    shares = front_shares(signs * drawn)
    same = (means[:, None, :] == means[None, :, :]).all(axis=2)
    return tuple(
        Traded(
            key=row.key,
            values=tuple(float(value) for value in means[i]),
            on_front=bool(front[i]),
            front_share=float(shares[i]),
            dominated_by=tuple(rows[j].key for j in np.flatnonzero(beats[:, i] & front).tolist()),
            equal_to=tuple(rows[j].key for j in np.flatnonzero(same[i]).tolist() if j != i),
        )
        for i, row in enumerate(rows)
    )


def _sign(name: str) -> float:
    """1 where larger is better."""
    return 1.0 if name == QUALITY or metrics()[name].better == "higher" else -1.0


def _drawn(rows: Sequence[Candidate], name: str, draws: int, seed: int) -> Array:
    """Drawn means of one metric, (draws, candidates)."""
    return np.broadcast_to(draw_values(rows, name, draws, seed), (draws, len(rows)))
