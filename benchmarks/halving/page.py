"""The page: regret and cost, row by row, and what other rules would have chosen."""

import json
import os
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.halving.audit import Audit, Choice, audits, reporting
from benchmarks.halving.trials import RATES, REPORTING_SEEDS, STEPS, TIMED_STEPS, TUNING_SEEDS, Outcomes, rung, timing

PAGE = Path("docs/benchmarks/halving.md")
DRAWS = 10_000
WAYS = ("grid", "halving")

Way = Callable[[Audit], Choice]
OTHER_RULES: dict[str, Way] = {
    "better half, rounded down, own schedule (the product's)": lambda one: one.halving(),
    "the same, whole schedule cut off": lambda one: one.halving(cut_at=rung(one.method)),
    "the same, cut off after half the steps": lambda one: one.halving(cut_at=STEPS // 2),
    "rounded up, own schedule": lambda one: one.halving(kept=3),
    "rounded up, whole schedule cut off": lambda one: one.halving(kept=3, cut_at=rung(one.method)),
    "the best alone, own schedule": lambda one: one.halving(kept=1),
}


def write(outcomes: Outcomes) -> str:
    """Write the page and its numbers of what is complete; returns the page."""
    complete = [one for one in audits(outcomes) if one.complete]
    rows = [_row(outcomes, [one for one in complete if (one.task, one.method) == key]) for key in _keys(complete)]
    rules = {name: _rule(complete, way) for name, way in OTHER_RULES.items()} if complete else {}
    test = [value for row in rows for value in row["test_regrets"]]
    found = {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "trainings": len(outcomes),
        "complete": len(complete),
        "of": len(list(audits(outcomes))),
        "rows": rows,
        "rules": rules,
        "test_regret": _interval(rows, "test_regrets") if test else None,
    }
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    page = _page(found)
    PAGE.write_text(page, encoding="utf-8")
    return page


def _keys(complete: Sequence[Audit]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((one.task, one.method) for one in sorted(complete, key=lambda one: one.task)))


def _row(outcomes: Outcomes, seeds: Sequence[Audit]) -> dict[str, Any]:
    """One task and method over its tuning seeds."""
    pairs = [(one.grid(), one.halving()) for one in seeds]
    tests = [_test_regret(outcomes, one) for one in seeds]
    return {
        "task": seeds[0].task,
        "method": seeds[0].method,
        "rung_steps": rung(seeds[0].method),
        "seeds": len(seeds),
        "grid_rates": [grid.rate for grid, _ in pairs],
        "halving_rates": [halved.rate for _, halved in pairs],
        "validation_regrets": [grid.validation - halved.validation for grid, halved in pairs],
        "test_regrets": [test for test in tests if test is not None],
        "grid_steps": sum(grid.steps for grid, _ in pairs) / len(pairs),
        "halving_steps": sum(halved.steps for _, halved in pairs) / len(pairs),
        "step_seconds": _step_seconds(outcomes, seeds[0].task, seeds[0].method),
    }


def _step_seconds(outcomes: Outcomes, task: str, method: str) -> float | None:
    timed = outcomes.get(timing(task, method))
    return None if timed is None or timed.seconds is None else timed.seconds / TIMED_STEPS


def _test_regret(outcomes: Outcomes, one: Audit) -> float | None:
    """The mean over reporting seeds; nothing where the choices agree, None where a run has not ended."""
    trials = reporting(one)
    scores = [outcomes[trial].test if trial in outcomes else None for trial in trials]
    known = [score for score in scores if score is not None]
    if len(known) < len(trials):
        return None
    grid = one.grid().rate
    signed = [score if trial.rate == grid else -score for trial, score in zip(trials, known, strict=True)]
    return sum(signed, 0.0) / len(REPORTING_SEEDS)


def _rule(complete: Sequence[Audit], way: Way) -> dict[str, Any]:
    """What another rule would have chosen from the same runs."""
    rows: dict[tuple[str, str], list[float]] = {}
    for one in complete:
        rows.setdefault((one.task, one.method), []).append(one.grid().validation - way(one).validation)
    same = sum(way(one).rate == one.grid().rate for one in complete)
    steps = sum(way(one).steps for one in complete) / sum(one.grid().steps for one in complete)
    regrets = [{"regrets": found} for found in rows.values()]
    return {"same": same, "of": len(complete), "steps_share": steps, "regret": _interval(regrets, "regrets")}


def _interval(rows: Sequence[dict[str, Any]], key: str) -> dict[str, float]:
    """The mean over all seeds of all rows, and its 95 % interval: rows are drawn whole, for their seeds are alike."""
    groups = [np.asarray(row[key]) for row in rows if row[key]]
    random = np.random.default_rng(0)
    drawn = random.integers(len(groups), size=(DRAWS, len(groups)))
    sums, sizes = (np.asarray([part(group) for group in groups]) for part in (np.sum, np.size))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {"mean": float(sums.sum() / sizes.sum()), "lo": float(low), "hi": float(high)}


# -- the page ---------------------------------------------------------------------------------------------------------


def _page(found: dict[str, Any]) -> str:
    parts = [_head(found), _table(found["rows"]), _costs(found["rows"]), _rules(found["rules"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(found: dict[str, Any]) -> str:
    missing = found["of"] - found["complete"]
    unfinished = f" **{missing} of {found['of']} are not complete yet and left out.**" if missing else ""
    return f"""# Halving the learning-rate grid

`python -m benchmarks.halving`, {found["taken_at"]}, {found["processors"]} {found["machine"]} processors, load average
{found["load_average"]:.1f}. MiniLM, 400 training and 300 validation items, {STEPS} steps of 8, bf16, {RATES} rates for
each method, {len(TUNING_SEEDS)} tuning seeds: {found["trainings"]} trainings, {found["complete"]} combinations of task,
method and tuning seed.{unfinished}

Regret is the score of the full grid's choice less that of halving's, in points. On validation it is taken at the tuning
seed, with the whole budget, and cannot be negative: the grid's choice is the best there. On the test split it is the
mean of {len(REPORTING_SEEDS)} reporting seeds where the choices differ, else 0. Intervals are of 95 %, over tasks and
methods drawn whole."""


def _table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return "Nothing is complete yet: the command above measures it, and goes on where it stopped."
    lines = [
        "| task | method | first rung | same choice | regret, validation (by seed) | regret, test (by seed) |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        same = sum(one == other for one, other in zip(row["grid_rates"], row["halving_rates"], strict=True))
        lines.append(
            f"| {row['task']} | {row['method']} | {row['rung_steps']} of {STEPS} | {same} of {row['seeds']}"
            f" | {_points(row['validation_regrets'])} | {_points(row['test_regrets'])} |"
        )
    whole = _interval(rows, "validation_regrets")
    lines.append(f"| | **all** | | | **{_with_interval(whole)}** | **{_test(rows)}** |")
    return "\n".join(lines)


def _test(rows: Sequence[dict[str, Any]]) -> str:
    return _with_interval(_interval(rows, "test_regrets")) if any(row["test_regrets"] for row in rows) else "–"


def _costs(rows: Sequence[dict[str, Any]]) -> str:
    timed = [row for row in rows if row["step_seconds"] is not None]
    if not timed:
        return ""
    lines = [
        "## What tuning costs with and without",
        "",
        "The mean over tuning seeds, first rungs included. Seconds are steps times the seconds of one, in a training"
        f" of {TIMED_STEPS} steps that was done alone.",
        "",
        "| task | method | steps, grid | steps, halving | seconds, grid | seconds, halving | saved |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_cost(row["task"], row["method"], *_spent([row])) for row in timed]
    return "\n".join([*lines, _cost("", "**all**", *_spent(timed))])


def _spent(rows: Sequence[dict[str, Any]]) -> list[float]:
    """Steps of the grid and of halving, seconds of both."""
    steps = [sum(row[f"{way}_steps"] for row in rows) for way in WAYS]
    return steps + [sum(row[f"{way}_steps"] * row["step_seconds"] for row in rows) for way in WAYS]


def _cost(task: str, method: str, *spent: float) -> str:
    grid_steps, halved_steps, grid_seconds, halved_seconds = spent
    return (
        f"| {task} | {method} | {grid_steps:.0f} | {halved_steps:.0f} | {grid_seconds:.1f} | {halved_seconds:.1f}"
        f" | {100 * (1 - halved_seconds / grid_seconds):.0f} % |"
    )


def _rules(rules: dict[str, Any]) -> str:
    if not rules:
        return ""
    lines = [
        "## Other rules, from the same trainings",
        "",
        "A schedule that is cut off is the whole budget's, looked at where the first rung ends.",
        "",
        "| rule | same choice | regret, validation | steps, of the grid's |",
        "|---|---|---|---|",
    ]
    for name, rule in rules.items():
        lines.append(
            f"| {name} | {rule['same']} of {rule['of']} | {_with_interval(rule['regret'])}"
            f" | {100 * rule['steps_share']:.0f} % |"
        )
    return "\n".join(lines)


def _points(values: Sequence[float]) -> str:
    return ", ".join(f"{100 * value:.1f}" for value in values) or "–"


def _with_interval(found: dict[str, float]) -> str:
    return f"{100 * found['mean']:.2f} ({100 * found['lo']:.2f} to {100 * found['hi']:.2f})"
