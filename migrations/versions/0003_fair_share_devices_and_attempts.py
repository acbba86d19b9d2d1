"""Fair share between studies, the device a study needs, and how attempts ended"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("studies") as batch_op:
        batch_op.add_column(sa.Column("device", sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column("claimed_at", TIME, nullable=True))
    with op.batch_alter_table("runs") as batch_op:
        batch_op.add_column(sa.Column("training_started_at", TIME, nullable=True))
        batch_op.add_column(sa.Column("training_started_step", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("attempts") as batch_op:
        batch_op.add_column(sa.Column("outcome", sa.String(length=10), nullable=True))
    # Until now an attempt ended with its run, or because its worker was lost.
    op.execute(
        "UPDATE attempts SET outcome = CASE WHEN reason = 'its worker was lost' THEN 'lost'"
        " ELSE (SELECT status FROM runs WHERE runs.id = attempts.run_id) END WHERE ended_at IS NOT NULL"
    )


def downgrade() -> None:
    with op.batch_alter_table("attempts") as batch_op:
        batch_op.drop_column("outcome")
    with op.batch_alter_table("runs") as batch_op:
        batch_op.drop_column("training_started_step")
        batch_op.drop_column("training_started_at")
    with op.batch_alter_table("studies") as batch_op:
        batch_op.drop_column("claimed_at")
        batch_op.drop_column("device")
