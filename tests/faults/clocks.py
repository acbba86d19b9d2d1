"""A worker on a machine whose clock is wrong: `python -m tests.faults.clocks SECONDS RUN_FUNCTION`."""

import datetime
import sys
import time
from typing import Any

RIGHT = datetime.datetime


def skew(seconds: float) -> None:
    """From here on Python's wall clock is off by so much. What measures durations is not: no clock is set there."""
    right_time, off = time.time, datetime.timedelta(seconds=seconds)

    class Skewed(RIGHT, metaclass=_LikeTheRightOne):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return RIGHT.now(tz) + off

        @classmethod
        def utcnow(cls) -> Any:
            return RIGHT.now(datetime.UTC).replace(tzinfo=None) + off

    time.time = lambda: right_time() + seconds
    datetime.datetime = Skewed  # type: ignore[misc]


class _LikeTheRightOne(type):
    """What the databases' drivers make are times of the original class."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, RIGHT)


def main() -> None:
    seconds, function = sys.argv[1:]
    # Before anything of the product is imported, so that all of it has the wrong clock.
    skew(float(seconds))
    from tests.faults import dying_worker

    sys.argv[1:] = [function, ""]
    dying_worker.main()


if __name__ == "__main__":
    main()
