"""Every quantity a number may have prints, and the way the design says."""

from typing import get_args

import pytest

from app.formats import FORMATS, format_number, format_value
from app.schemas import Number
from app.ui.numbers import attributes


def test_every_quantity_has_a_format() -> None:
    literals = [
        value
        for member in get_args(Number.model_fields["quantity"].annotation)
        for value in (get_args(member) or (member,))
    ]
    assert set(literals) == set(FORMATS)


@pytest.mark.parametrize(
    ("value", "quantity", "text"),
    [
        (0.94123, "fraction", "94.1 %"),
        (-0.0042, "points", "−0.4"),
        (0.042, "points", "+4.2"),
        (22_713_216, "count", "22.7 M"),
        (600, "count", "600"),
        (597_700, "bytes", "598 kB"),
        (0.01066, "seconds", "10.7 ms"),
        (330, "seconds", "5 min 30 s"),
        (1_237.4, "per_second", "1,237"),
        (100.8, "ratio", "101×"),
        (1.23456, "nats", "1.235 nats"),
        (12.345, "joules", "12.3 J"),
        (-0.8731, "coefficient", "−0.873"),
        (27.42, "coefficient", "27.4"),
        (0.598, "probability", "59 %"),
        (0.9999, "probability", "> 99 %"),
        (0.0, "probability", "< 1 %"),
        (0.0015, "learning_rate", "1.5e−3"),
        (1.5, "learning_rate", "1.5"),
        (0.02341, "series", "0.02341"),
        (189_512.0, "series", "1.895e5"),
        (2.3e-8, "series", "2.3e−8"),
        (float("nan"), "fraction", "–"),
    ],
)
def test_how_a_value_prints(value: float, quantity: str, text: str) -> None:
    assert format_value(value, quantity).replace("\u202f", " ") == text


def test_memory_prints_in_binary_units_and_an_estimate_is_marked() -> None:
    memory = Number(value=2**30, quantity="bytes", statistic="value", metric="peak_memory", run_ids=[4])
    assert format_number(memory).replace("\u202f", " ") == "1.00 GiB"
    estimate = Number(value=92_160, quantity="count", statistic="formula", source="estimated", formula="f(x 1)")
    assert format_number(estimate).startswith("≈")


def test_a_number_says_where_it_comes_from() -> None:
    number = Number(value=0.5, quantity="ratio", statistic="ratio", metric="m", run_ids=[1, 2], reference_run_ids=[3])
    found = attributes(number)
    assert (found["data-source"], found["data-reference"], found["data-value"]) == ("runs:1,2", "runs:3", "0.5")
