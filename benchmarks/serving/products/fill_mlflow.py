"""Run by a Python that has MLflow: its database with so many runs, through its own store and tables.

python fill_mlflow.py DATABASE-URL ARTIFACTS RUNS LONG-RUN LONG-STEPS
"""

import sys
import uuid

from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

METRICS = (
    "task_performance",
    "trainable_parameters",
    "storage_bytes",
    "training_speed",
    "inference_latency",
    "inference_latency_p95",
    "peak_memory",
    "simplicity",
)
METHODS = ("lora", "adapter", "prefix_tuning", "p_tuning_v2", "full", "head_only", "untuned")
STEPS = 50
NOW = 1_772_442_000_000
AT_ONCE = 500


def main() -> None:
    url, artifacts, count, long_run, long_steps = sys.argv[1:]
    store = SqlAlchemyStore(url, artifacts)
    experiment = int(store.create_experiment("study"))
    numbers = range(int(count))
    for first in range(0, len(numbers), AT_ONCE):
        part = numbers[first : first + AT_ONCE]
        names = {number: uuid.uuid4().hex for number in part}
        if first == 0:
            names[0] = long_run
        with store.ManagedSessionMaker() as session:
            session.bulk_insert_mappings(SqlRun, [run(names[n], n, experiment, artifacts) for n in part])
            session.flush()
            session.bulk_insert_mappings(SqlParam, [row for n in part for row in params(names[n], n)])
            session.bulk_insert_mappings(SqlLatestMetric, [row for n in part for row in latest(names[n], n)])
            session.bulk_insert_mappings(SqlMetric, [row for n in part for row in curve(names[n], "train_loss", STEPS)])
    with store.ManagedSessionMaker() as session:
        session.bulk_insert_mappings(SqlMetric, curve(long_run, "long_loss", int(long_steps)))
        session.bulk_insert_mappings(SqlLatestMetric, curve(long_run, "long_loss", int(long_steps))[-1:])


def run(name: str, number: int, experiment: int, artifacts: str) -> dict[str, object]:
    return {
        "run_uuid": name,
        "name": f"run {number}",
        "source_type": "LOCAL",
        "source_name": "",
        "entry_point_name": "",
        "user_id": "member",
        "status": "FINISHED",
        "start_time": NOW + number,
        "end_time": NOW + number + 20_000,
        "source_version": "",
        "lifecycle_stage": "active",
        "artifact_uri": f"{artifacts}/{name}",
        "experiment_id": experiment,
    }


def params(name: str, number: int) -> list[dict[str, object]]:
    given = {"method": METHODS[number % len(METHODS)], "seed": str(number % 5), "learning_rate": "0.003", "rank": "8"}
    return [{"run_uuid": name, "key": key, "value": value} for key, value in given.items()]


def latest(name: str, number: int) -> list[dict[str, object]]:
    value = 0.6 + (number * 7919 % 100_003) / 300_000
    return [
        {"run_uuid": name, "key": key, "value": value, "timestamp": NOW, "step": 0, "is_nan": False} for key in METRICS
    ]


def curve(name: str, key: str, steps: int) -> list[dict[str, object]]:
    return [
        {"run_uuid": name, "key": key, "value": 1 / step, "timestamp": NOW + step, "step": step, "is_nan": False}
        for step in range(1, steps + 1)
    ]


main()
