"""Run by a Python that has Optuna: a study with so many trials, through its own storage.

python fill_optuna.py DATABASE-URL RUNS
"""

import sys

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

METHODS = ("lora", "adapter", "prefix_tuning", "p_tuning_v2", "full", "head_only", "untuned")
STEPS = 50


def main() -> None:
    url, count = sys.argv[1:]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=url, study_name="study", direction="maximize")
    study.add_trials([trial(number) for number in range(int(count))])


def trial(number: int) -> optuna.trial.FrozenTrial:
    return create_trial(
        params={"method": METHODS[number % len(METHODS)], "learning_rate": 0.003},
        distributions={"method": CategoricalDistribution(METHODS), "learning_rate": FloatDistribution(1e-5, 1)},
        value=0.6 + (number * 7919 % 100_003) / 300_000,
        intermediate_values={step: 1 / step for step in range(1, STEPS + 1)},
    )


main()
