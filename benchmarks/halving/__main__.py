"""What halving the learning-rate grid loses and saves: audited against the full grid in two studies.

    python -m benchmarks.halving --minutes 12
    python -m benchmarks.halving --page-only

Six tuned methods on MiniLM, tweets and film reviews, are trained at the five rates of their own grids, with the whole
budget and with their first rung's, at three tuning seeds. From the runs of one seed follow what the full grid chooses
and what halving does. Where they differ, both rates are trained with reporting seeds and read the test split.

A run's scores go to var/halving.jsonl as soon as it has ended; after `--minutes` none is started any more, and calling
it again goes on. What is there then becomes docs/benchmarks/halving.md and halving.json.
"""

import argparse
import os
import time
from collections.abc import Set
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from benchmarks.halving.audit import wanted
from benchmarks.halving.page import write
from benchmarks.halving.trials import Outcome, Outcomes, Trial, keep, read_outcomes, shares, trained

SCORES = Path("var/halving.jsonl")
MOST_TOGETHER = 16


def go_on(outcomes: Outcomes, path: Path, *, until: float, processes: int) -> None:
    """Make the trials that are missing, a group in each process, and start none after `until`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    under_way: dict[Future[list[Outcome]], list[Trial]] = {}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool, path.open("a") as file:
        while True:
            while len(under_way) < processes and time.monotonic() < until:
                group = next_group(outcomes, {trial for group in under_way.values() for trial in group})
                if not group:
                    break
                under_way[pool.submit(trained, group)] = group
            if not under_way:
                return
            for ended in wait(under_way, return_when=FIRST_COMPLETED).done:
                for trial, outcome in zip(under_way.pop(ended), ended.result(), strict=True):
                    outcomes[trial] = outcome
                    keep(file, trial, outcome)


def next_group(outcomes: Outcomes, under_way: Set[Trial]) -> list[Trial]:
    """The next missing trial, and others of its task and seed; one that is timed, or shares no passes, goes alone."""
    missing = [trial for trial in dict.fromkeys(wanted(outcomes)) if trial not in outcomes and trial not in under_way]
    if not missing:
        return []
    first = missing[0]
    if not shares(first):
        return [first]
    alike = (first.task, first.seed, first.purpose)
    fitting = (trial for trial in missing if shares(trial) and (trial.task, trial.seed, trial.purpose) == alike)
    return list(islice(fitting, MOST_TOGETHER))


def main() -> None:
    """Measure for so many minutes, then write the page."""
    parser = argparse.ArgumentParser(description="Audit successive halving against the full grid.")
    parser.add_argument("--minutes", type=float, default=12.0, help="after which no training is started")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="trainings at a time, a thread each")
    parser.add_argument("--page-only", action="store_true", help="of what was measured before")
    asked = parser.parse_args()
    outcomes = read_outcomes(SCORES)
    if not asked.page_only:
        until = time.monotonic() + 60 * asked.minutes
        go_on(outcomes, SCORES, until=until, processes=asked.processes)
    print(write(outcomes))


if __name__ == "__main__":
    main()
