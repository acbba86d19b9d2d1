"""The log's one line format: JSON for machines, words for people, and which of them a process chooses."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from app.logs import JsonLines, TextLines, about


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger whose lines are of the form that the test asks for."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(request.param("worker"))
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, stream
    logger.removeHandler(handler)


@pytest.mark.parametrize("told", [JsonLines], indirect=True)
def test_a_line_of_json_says_when_how_grave_which_attempt_and_what(told: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = told
    logger.warning("it said %s\nand more \ud800", "so", extra=about("lost", 7, 2))
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("a turn failed", extra=about("turn_failed"))
    logger.error("plain %s", {1})
    first, second, third = (json.loads(line) for line in stream.getvalue().splitlines())
    assert datetime.fromisoformat(first.pop("time")).utcoffset() is not None
    assert first == {
        "level": "warning",
        "process": "worker",
        "event": "lost",
        "run_id": 7,
        "attempt": 2,
        "message": "it said so\nand more \ud800",
    }
    assert (second["event"], "run_id" in second) == ("turn_failed", False)
    assert "ValueError: broken" in second["exception"]
    assert (third["event"], third["message"]) == ("log", "plain {1}")


@pytest.mark.parametrize("told", [TextLines], indirect=True)
def test_a_line_of_text_names_the_run(told: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = told
    logger.warning("lost: %s", "why", extra=about("lost", 7, 2))
    logger.warning("away")
    first, second = stream.getvalue().splitlines()
    assert first.endswith(" worker: run 7, attempt 2: lost: why")
    assert second.endswith(" worker: away")


@pytest.mark.parametrize(("chosen", "json_lines"), [(None, True), ("json", True), ("text", False)])
def test_a_process_without_a_terminal_logs_json_unless_it_is_told_otherwise(
    chosen: str | None, json_lines: bool, home: Path
) -> None:
    environment = os.environ | ({"PEFT_ATLAS_LOG": chosen} if chosen else {})
    program = (
        "import logging; from app.logs import set_up; from app.settings import Settings;"
        "set_up('worker', Settings().log); logging.getLogger('app.x').info('here');"
        "logging.getLogger('other').info('not here')"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    assert line.startswith("{") == json_lines
    assert "here" in line
