"""Several finished studies in which the same methods differ by a little: what comparing over studies stands on."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from app.db.tables import Study
from tests.flow.finished_study import QUICKSTART, Row, insert

GAINS = {
    "lora": (0.020, 0.012, -0.004, 0.016, 0.008, 0.022, -0.010, 0.014, 0.006, 0.018),
    "adapter": (0.004, -0.012, 0.009, -0.020, 0.003, -0.006, 0.012, -0.015, 0.001, -0.008),
    "prefix_tuning": (-0.030, 0.021, 0.012, -0.008, 0.030, -0.040, 0.005, 0.018, -0.012, 0.009),
    "p_tuning_v2": (0.010, -0.024, 0.031, 0.002, -0.018, 0.022, -0.009, -0.030, 0.015, 0.004),
}
"""Method -> what it scores more than in the quickstart, study by study."""


def insert_several(session: Session, count: int, *, without: Sequence[str] = ()) -> list[Study]:
    """So many studies; the last one lacks the methods `without`."""
    studies = []
    for place in range(count):
        gone = without if place == count - 1 else ()
        rows = tuple(_in_study(row, place) for row in QUICKSTART if row.method not in gone)
        studies.append(insert(session, team_id=1, rows=rows, name=f"Study {'ABCDEFGHIJ'[place]}"))
    return studies


def _in_study(row: Row, place: int) -> Row:
    more = GAINS.get(row.method, (0.0,) * 10)[place]
    return replace(row, accuracy=tuple(min(0.995, value + more) for value in row.accuracy))
