"""Base models of a hub, and progress in bytes"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COUNTED = ("step", "total_steps")


def upgrade() -> None:
    with op.batch_alter_table("studies") as batch_op:
        batch_op.add_column(sa.Column("base_model_source", sa.JSON(), nullable=True))
    _count_in(sa.BigInteger())


def downgrade() -> None:
    _count_in(sa.Integer())
    with op.batch_alter_table("studies") as batch_op:
        batch_op.drop_column("base_model_source")


def _count_in(integer: sa.types.TypeEngine[int]) -> None:
    # SQLite's integers have eight bytes anyway.
    if op.get_bind().dialect.name != "sqlite":
        for column in COUNTED:
            op.alter_column("runs", column, type_=integer)
