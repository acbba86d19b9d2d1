"""Order by a metric and seeds of a configuration come from an index; indexes that nothing was found by are gone"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

EXPECTED = {
    "runs": {
        "ix_runs_study_position": "1000000 50 1",
        "ix_runs_study_status": "1000000 50 20",
        "ix_runs_team_id": "1000000 50000",
        "ix_runs_team_status": "1000000 50000 20000 1",
        "ix_runs_configuration_seed": "1000000 8 2",
        "ix_runs_queue": "1000000 200000 20",
    },
    "measurements": {
        "ix_measurements_value": "8000000 400000 50000 3 1",
        "sqlite_autoindex_measurements_1": "8000000 8 1",
    },
    "studies": {"ix_studies_team_id": "1000000 50000"},
    "configurations": {"ix_configurations_study_id": "1000000 7", "ix_configurations_team_id": "1000000 50000"},
    "log_lines": {"ix_log_lines_run_id": "20000000 20", "ix_log_lines_team_id": "20000000 1000000"},
    "artifacts": {"ix_artifacts_run_id": "1000000 2", "ix_artifacts_team_id": "1000000 50000"},
}
"""How many rows each index is expected to have, and how many of them share its first column, its first two, and so on.

Without it SQLite takes a study's runs for as many as a team's, and reads all of the team's to find them. It is the form
of SQLite's own statistics, which it would collect only after a table has grown, and only where it is told to. Studies
and rows are given as many as runs: of what it takes for few, it would read all into a filter first.
"""


def upgrade() -> None:
    op.create_index("ix_measurements_value", "measurements", ["team_id", "metric", "value", "run_id"])
    op.drop_index(op.f("ix_measurements_team_id"), "measurements")
    op.drop_index(op.f("ix_series_points_team_id"), "series_points")
    op.create_index("ix_runs_configuration_seed", "runs", ["configuration_id", "seed"])
    op.drop_index(op.f("ix_runs_configuration_id"), "runs")
    op.create_index("ix_runs_study_position", "runs", ["study_id", "position"])
    op.create_index("ix_runs_team_status", "runs", ["team_id", "status", "id"])
    op.drop_index("ix_runs_updated_at", "runs")
    if op.get_bind().dialect.name == "sqlite":
        _expect()
    else:
        # The first team came with its number, of which the counter knows nothing: the next one would be given it again.
        op.execute("SELECT setval(pg_get_serial_sequence('teams', 'id'), (SELECT max(id) FROM teams))")


def _expect() -> None:
    # Of no rows, this makes the table of statistics and nothing else.
    op.execute("ANALYZE sqlite_schema")
    for table, indexes in EXPECTED.items():
        for index, shape in indexes.items():
            op.execute(f"INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('{table}', '{index}', '{shape}')")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE sqlite_stat1")
    op.create_index("ix_runs_updated_at", "runs", ["updated_at"])
    op.drop_index("ix_runs_team_status", "runs")
    op.drop_index("ix_runs_study_position", "runs")
    op.create_index(op.f("ix_runs_configuration_id"), "runs", ["configuration_id"])
    op.drop_index("ix_runs_configuration_seed", "runs")
    op.create_index(op.f("ix_series_points_team_id"), "series_points", ["team_id"])
    op.create_index(op.f("ix_measurements_team_id"), "measurements", ["team_id"])
    op.drop_index("ix_measurements_value", "measurements")
