"""Run by a Python that has Optuna: a study with so many trials, through its own storage's tables.

python -I fill_optuna.py DATABASE-URL RUNS
"""

import sys
from datetime import datetime, timedelta

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import TrialState

METHODS = ("lora", "adapter", "prefix_tuning", "p_tuning_v2", "full", "head_only", "untuned")
METHOD, RATE = distribution_to_json(CategoricalDistribution(METHODS)), distribution_to_json(FloatDistribution(1e-5, 1))
STEPS = 50
STARTED = datetime(2026, 3, 2, 9)
AT_ONCE = 500


def main() -> None:
    url, count = sys.argv[1:]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = RDBStorage(url)
    optuna.create_study(storage=storage, study_name="study", direction="maximize")
    for first in range(0, int(count), AT_ONCE):
        part = range(first, min(first + AT_ONCE, int(count)))
        session = storage.scoped_session()
        session.bulk_insert_mappings(models.TrialModel, [trial(number) for number in part])
        session.bulk_insert_mappings(models.TrialParamModel, [row for number in part for row in params(number)])
        session.bulk_insert_mappings(models.TrialValueModel, [value(number) for number in part])
        session.bulk_insert_mappings(
            models.TrialIntermediateValueModel, [row for number in part for row in curve(number)]
        )
        session.commit()


def trial(number: int) -> dict[str, object]:
    return {
        "trial_id": number + 1,
        "number": number,
        "study_id": 1,
        "state": TrialState.COMPLETE,
        "datetime_start": STARTED,
        "datetime_complete": STARTED + timedelta(seconds=20),
    }


def params(number: int) -> list[dict[str, object]]:
    given = (("method", number % len(METHODS), METHOD), ("learning_rate", 0.003, RATE))
    return [
        {"trial_id": number + 1, "param_name": name, "param_value": value, "distribution_json": kind}
        for name, value, kind in given
    ]


def value(number: int) -> dict[str, object]:
    score = 0.6 + (number * 7919 % 100_003) / 300_000
    kind = models.TrialValueModel.TrialValueType.FINITE
    return {"trial_id": number + 1, "objective": 0, "value": score, "value_type": kind}


def curve(number: int) -> list[dict[str, object]]:
    kind = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE
    return [
        {"trial_id": number + 1, "step": step, "intermediate_value": 1 / step, "intermediate_value_type": kind}
        for step in range(1, STEPS + 1)
    ]


main()
