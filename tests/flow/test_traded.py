"""Every number of a study's trade-offs and sweeps is derived again from the rows; no browser needed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.db.migrate import migrate
from app.db.session import make_engine, system_session, team_session
from app.schemas import Axis, Number
from app.services.callers import LOCAL
from app.services.pareto import pareto
from app.services.sweeps import sweeps
from app.ui.numbers import attributes
from tests.flow.finished_study import insert
from tests.flow.recompute import PageQuestion, numbers_in, recompute
from tests.flow.swept_study import RANKS

SWEPT, AT_ONE_SEED = 2, 3


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A migrated database with a finished study and a swept one."""
    url = f"sqlite:///{tmp_path / 'atlas.sqlite'}"
    migrate(url)
    engine = make_engine(url)
    single = tuple(replace(row, accuracy=row.accuracy[:1]) for row in RANKS)
    with system_session(engine) as session:
        insert(session, team_id=1)
        insert(session, team_id=1, rows=RANKS, name="Ranks")
        insert(session, team_id=1, rows=single, name="Ranks at one seed")
    yield engine
    engine.dispose()


def check(engine: Engine, numbers: list[Number]) -> set[str]:
    """The statistics of the numbers, each of which the rows give as well."""
    with team_session(engine, 1) as session:
        for number in numbers:
            sourced = {name.removeprefix("data-"): value for name, value in attributes(number).items()}
            [value] = recompute(session, sourced, PageQuestion(engine, {}))
            assert value == pytest.approx(number.value, abs=1e-12), number
    return {number.statistic for number in numbers}


@pytest.mark.parametrize(
    ("names", "floor"),
    [
        ({"x": "trainable_parameters", "y": "task_performance"}, None),
        ({"x": "training_speed", "y": "task_performance", "z": "peak_memory"}, 0.8),
        ({"x": "storage_bytes", "y": "time_to_target"}, 0.95),
    ],
)
def test_every_number_of_a_front_is_recomputed(engine: Engine, names: Mapping[Axis, str], floor: float | None) -> None:
    found = check(engine, list(numbers_in(pareto(engine, LOCAL, 1, names, floor))))
    assert {"mean", "front_share"} <= found
    assert ("least_quality" in found) == (floor is not None)


@pytest.mark.parametrize("study", [SWEPT, AT_ONE_SEED])
def test_every_number_of_a_sweep_is_recomputed(engine: Engine, study: int) -> None:
    found = check(engine, list(numbers_in(sweeps(engine, LOCAL, study))))
    assert {"composite", "normalised", "least_kept", "weight", "share"} <= found
    assert {"difference", "neighbour_lo", "neighbour_hi", "neighbour_p_value"} <= found


def test_a_share_of_another_row_or_front_is_not_given_back(engine: Engine) -> None:
    found = pareto(engine, LOCAL, 1, {"x": "trainable_parameters", "y": "task_performance"}, None)
    shares = {point.configuration: point.numbers["front_share"] for point in found.points}
    surest, unsure = max(shares, key=lambda row: shares[row].value), min(shares, key=lambda row: shares[row].value)
    wrong = shares[surest].model_copy(update={"formula": shares[unsure].formula})
    with team_session(engine, 1) as session:
        sourced = {name.removeprefix("data-"): value for name, value in attributes(wrong).items()}
        assert recompute(session, sourced, PageQuestion(engine, {})) != {wrong.value}
