"""A database of a given size: whole studies of the kind that the quickstart makes, in two teams.

One study is written through the tables' own classes and copied by its rows. Curves are made by the database itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, text

from app.db.session import system_session
from app.db.tables import Configuration, MeasurementRow, PredictionSet, Run, SeriesPointRow, Study, Team
from tests.flow.finished_study import insert as insert_study

STUDIES_WITH_PREDICTIONS = 10
"""Answers item by item are 15 kB a run: the first studies have them, as old ones would after a clean-up."""
STEPS = 50
"""Of every run's training loss."""
LONG_STEPS = 5_000
OTHER_TEAM_SHARE = 5
"""The other team has one run for so many of the asking team's."""
AT_ONCE = 5_000

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Filled:
    """What the loads ask for: a study with a run that has a series of LONG_STEPS points, and the row of another study,
    which new runs are added to."""

    runs: int
    study: int
    long_run: int
    grown_study: int
    grown_row: int


def fill(engine: Engine, runs: int) -> Filled:
    """So many runs in the first team (rounded up to whole studies), a fifth as many in the second."""
    with system_session(engine) as session:
        other = session.scalar(select(Team.id).where(Team.slug != "local").order_by(Team.id))
        assert other is not None, "make the second team first"
        template = insert_study(session, team_id=1, name="Study 0").id
        foreign = insert_study(session, team_id=other, name="Another team's 0").id
    with engine.begin() as connection:
        for source, wanted in ((template, runs), (foreign, runs // OTHER_TEAM_SHARE)):
            _copy_until(connection, source, wanted)
        _spread_values(connection)
        _draw_curves(connection)
        if engine.dialect.name == "postgresql":
            _move_sequences(connection)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # As its autovacuum would a minute later, in the midst of a measurement.
            connection.execute(text("VACUUM ANALYZE"))
    return _found(engine, template)


def _copy_until(connection: Connection, source: int, wanted: int) -> None:
    study = _rows(connection, Study, Study.id == source)[0]
    configurations = _rows(connection, Configuration, Configuration.study_id == source)
    runs = _rows(connection, Run, Run.study_id == source)
    of_runs = [row["id"] for row in runs]
    measured = _rows(connection, MeasurementRow, MeasurementRow.run_id.in_(of_runs))
    predicted = _rows(connection, PredictionSet, PredictionSet.run_id.in_(of_runs))
    next_study, next_row, next_run = (_highest(connection, table) + 1 for table in (Study, Configuration, Run))
    made: dict[Any, Rows] = {table: [] for table in (Study, Configuration, Run, MeasurementRow, PredictionSet)}
    for number in range(1, -(-wanted // len(runs))):
        place = {row["id"]: next_row + index for index, row in enumerate(configurations)}
        run_place = {row["id"]: next_run + index for index, row in enumerate(runs)}
        name = f"{study['name'].removesuffix(' 0')} {number}"
        made[Study].append(study | {"id": next_study, "name": name})
        made[Configuration] += [row | {"id": place[row["id"]], "study_id": next_study} for row in configurations]
        made[Run] += [
            row
            | {
                "id": run_place[row["id"]],
                "study_id": next_study,
                "configuration_id": place[row["configuration_id"]],
            }
            for row in runs
        ]
        made[MeasurementRow] += [row | {"run_id": run_place[row["run_id"]]} for row in measured]
        if number < STUDIES_WITH_PREDICTIONS:
            made[PredictionSet] += [row | {"run_id": run_place[row["run_id"]]} for row in predicted]
        next_study, next_row, next_run = next_study + 1, next_row + len(configurations), next_run + len(runs)
    for table, rows in made.items():
        for part in _parts(rows):
            connection.execute(insert(table), part)


def _rows(connection: Connection, table: Any, condition: Any) -> Rows:
    found = connection.execute(select(*table.__table__.columns).where(condition).order_by(*table.__table__.primary_key))
    return [dict(row._mapping) for row in found]


def _highest(connection: Connection, table: Any) -> int:
    return connection.scalar(select(func.max(table.id))) or 0


def _parts(rows: Rows) -> Iterator[Rows]:
    coming = iter(rows)
    while part := list(islice(coming, AT_ONCE)):
        yield part


def _spread_values(connection: Connection) -> None:
    """Every run has a score of its own, or an order by it would be one of equals."""
    connection.execute(
        text(
            "UPDATE measurements SET value = 0.6 + (run_id * 7919 % 100003) / 300000.0"
            " WHERE metric = 'task_performance'"
        )
    )


def _draw_curves(connection: Connection) -> None:
    """The training loss of every reporting run, and one of LONG_STEPS points in the first of them."""
    connection.execute(
        text(
            "INSERT INTO series_points (run_id, key, step, value, team_id)"
            " WITH RECURSIVE steps(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM steps WHERE n < :steps)"
            " SELECT id, 'train_loss', n, 1.0 / n + (id * n % 97) / 1000.0, team_id FROM runs, steps"
            " WHERE purpose = 'report' AND status = 'succeeded'"
        ),
        {"steps": STEPS},
    )
    connection.execute(
        text(
            "INSERT INTO series_points (run_id, key, step, value, team_id)"
            " WITH RECURSIVE steps(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM steps WHERE n < :steps)"
            " SELECT id, 'long_loss', n, 1.0 / n + (n * 37 % 97) / 1000.0, team_id FROM runs, steps"
            " WHERE id = (SELECT min(id) FROM runs WHERE purpose = 'report' AND team_id = 1)"
        ),
        {"steps": LONG_STEPS},
    )


def _move_sequences(connection: Connection) -> None:
    """Rows came with their numbers, of which PostgreSQL's own counters know nothing."""
    for table in ("studies", "configurations", "runs"):
        connection.execute(
            text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
        )


def _found(engine: Engine, study: int) -> Filled:
    with system_session(engine) as session:
        grown, row = session.execute(
            select(Configuration.study_id, Configuration.id)
            .where(Configuration.team_id == 1, Configuration.method == "lora", Configuration.study_id != study)
            .order_by(Configuration.id)
        ).first() or (0, 0)
        return Filled(
            runs=session.scalar(select(func.count()).select_from(Run).where(Run.team_id == 1)) or 0,
            study=study,
            long_run=session.scalars(
                select(SeriesPointRow.run_id).where(SeriesPointRow.key == "long_loss").limit(1)
            ).one(),
            grown_study=grown,
            grown_row=row,
        )
