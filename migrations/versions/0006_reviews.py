"""Comments, tags and approvals of studies"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "study_comments",
        sa.Column("id", ID, nullable=False),
        sa.Column("study_id", ID, nullable=False),
        sa.Column("user", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("edited_at", TIME, nullable=True),
        sa.Column("deleted_at", TIME, nullable=True),
        *_owned("study_comments"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_comments")),
    )
    op.create_table(
        "study_tags",
        sa.Column("study_id", ID, nullable=False),
        sa.Column("tag", sa.String(length=40), nullable=False),
        *_owned("study_tags"),
        sa.PrimaryKeyConstraint("study_id", "tag", name=op.f("pk_study_tags")),
    )
    op.create_table(
        "study_approvals",
        sa.Column("id", ID, nullable=False),
        sa.Column("study_id", ID, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("user", sa.String(length=200), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("results_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        *_owned("study_approvals"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_approvals")),
    )
    for table in ("study_comments", "study_approvals"):
        op.create_index(op.f(f"ix_{table}_study_id"), table, ["study_id"])
    for table in ("study_comments", "study_tags", "study_approvals"):
        op.create_index(op.f(f"ix_{table}_team_id"), table, ["team_id"])


def _owned(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    """Of a study and a team."""
    return (
        sa.Column("team_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f(f"fk_{table}_study_id_studies"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f(f"fk_{table}_team_id_teams")),
    )


def downgrade() -> None:
    for table in ("study_approvals", "study_tags", "study_comments"):
        op.drop_table(table)
