"""What a load is measured on, and how its answers become figures."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.serving.clients import Answers
from benchmarks.serving.figures import Figure
from benchmarks.serving.products.product import Missing, Product

LIMIT_SECONDS = 15.0
"""No part of a load goes on for longer."""


@dataclass(frozen=True)
class Target:
    """A filled and running product on a database. runs: what was asked for, under which its figures are kept."""

    product: Product
    database: str
    runs: int

    def figure(self, mark: str, value: float | None, answers: Answers | None = None, note: str = "") -> Figure:
        """With what the machine did beside it, and what went wrong; no value where every request did."""
        share, name = None, self.product.name
        if answers is not None:
            if answers.failures:
                failed = f"{name}: {len(answers.failures)} requests failed, {answers.failures[0][:100]}"
                note = f"{note}; {failed}" if note else failed
                value = value if answers.count > len(answers.failures) else None
            share = answers.client_cpu_seconds / answers.wall_seconds
        load = os.getloadavg()[0]
        return Figure(mark, value, name, self.database, self.runs, note, round(load, 2), share)

    def missing(self, marks: Iterator[str] | tuple[str, ...], reason: Missing) -> Iterator[Figure]:
        """That the product has no equal, and why."""
        for mark in marks:
            yield self.figure(mark, None, note=f"{self.product.name}: {reason}")


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1_000 * seconds, 2)


def settle_down() -> None:
    """Let what the last load left behind be done."""
    time.sleep(1)
