"""The log of a process, one line format for all of it: words for a person, or a JSON object a line for a machine.

A line of JSON has `time` (UTC), `level`, `process`, `event` and `message`; `run_id` and `attempt` where it is about a
run; `exception` where something broke. What is logged while a request is answered carries its `request_id`; the line
about the request itself has `method`, `route`, `status`, `seconds`, `user` and `team_id` besides. An address is never
logged, only the route's template: links and queries may hold what gives access.
"""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

Form = Literal["json", "text"]
FIELDS = ("event", "run_id", "attempt", "method", "route", "status", "seconds", "user", "team_id")

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request that is being answered, in its tasks and threads too."""


def about(event: str, run_id: int | None = None, attempt: int | None = None) -> dict[str, Any]:
    """What a line is about, for `extra`: what happened in one word, and to which attempt at which run."""
    return {"event": event, "run_id": run_id, "attempt": attempt}


def set_up(process: str, form: Form | None) -> None:
    """Log to the standard error stream. form None: text on a terminal, else JSON."""
    chosen = form or ("text" if sys.stderr.isatty() else "json")
    handler = logging.StreamHandler()
    handler.setFormatter(TextLines(process) if chosen == "text" else JsonLines(process))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("app").setLevel(logging.INFO)


class JsonLines(logging.Formatter):
    """One JSON object a line, whatever is said."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "event": "log",
        }
        line |= {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        if (request := request_id.get()) is not None:
            line["request_id"] = request
        line["message"] = record.getMessage()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """The same for a person: when, who, which run, what, and in which request."""

    def __init__(self, process: str) -> None:
        super().__init__("%(asctime)s %(message)s", datefmt="%H:%M:%S")
        self._process = process

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the library's name)
        run = getattr(record, "run_id", None)
        whose = "" if run is None else f" run {run}, attempt {getattr(record, 'attempt', None) or '?'}:"
        request = f" [{asked}]" if (asked := request_id.get()) is not None else ""
        return f"{record.asctime} {self._process}:{whose} {record.message}{request}"
