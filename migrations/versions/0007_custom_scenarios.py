"""Scenarios that a team keeps"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "custom_scenarios",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("scenario", sa.String(length=100), nullable=True),
        sa.Column("weights", sa.JSON(), nullable=False),
        sa.Column("constraints", sa.JSON(), nullable=False),
        sa.Column("quality_floor", sa.Double(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("team_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_custom_scenarios_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custom_scenarios")),
        sa.UniqueConstraint("team_id", "name", name=op.f("uq_custom_scenarios_team_id")),
    )
    with op.batch_alter_table("custom_scenarios") as batch_op:
        batch_op.create_index(batch_op.f("ix_custom_scenarios_team_id"), ["team_id"], unique=False)


def downgrade() -> None:
    op.drop_table("custom_scenarios")
