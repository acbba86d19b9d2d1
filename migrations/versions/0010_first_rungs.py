"""Tuning runs of a first rung, which train for a part of the budget"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Every run that there is has been given the whole budget.
    with op.batch_alter_table("runs") as batch_op:
        batch_op.add_column(sa.Column("rung_steps", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("runs") as batch_op:
        batch_op.drop_column("rung_steps")
