"""What several pages say of a run and of a name."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.schemas import RunView
from app.ui.elements import moment, progress_words, short_name

THIN = "\u202f"


def run(**changes: Any) -> RunView:
    fields: dict[str, Any] = dict.fromkeys(RunView.model_fields)
    return RunView.model_construct(**fields | {"phase": "training", "step": 3, "total_steps": 150} | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "3 of 150"),
        ({"phase": "loading", "step": 0, "total_steps": None}, "–"),
        (
            {"phase": "downloading", "step": 37_000_000, "total_steps": 2_500_000_000},
            f"37.0{THIN}MB of 2.50{THIN}GB",
        ),
    ],
)
def test_how_far_a_run_is(changes: dict[str, Any], words: str) -> None:
    assert progress_words(run(**changes)) == words


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("minilm", "minilm"),
        ("models/my-encoder", "my-encoder"),
        (f"org/tiny@{'0123456789' * 4}", "tiny@0123456"),
        ("/data/reviews.csv", "reviews.csv"),
    ],
)
def test_a_name_is_cut_to_what_tells_it_apart(name: str, short: str) -> None:
    assert short_name(name) == short


def test_a_moment_says_utc_until_the_browser_writes_it_in_its_own_zone() -> None:
    shown = moment(datetime(2026, 3, 2, 14, 5, tzinfo=UTC))
    assert (shown.children, shown.dateTime) == ("2026-03-02 14:05 UTC", "2026-03-02T14:05:00+00:00")
