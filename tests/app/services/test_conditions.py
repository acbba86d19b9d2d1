"""When runs were made alike, from what they wrote down alone."""

from typing import Any

import pytest

from app.db.tables import Run
from app.services.comparability import (
    Conditions,
    conditions_of,
    differences_from,
    largest_alike,
    study_flags,
    trained_unlike,
    usual_conditions,
)


def kept(*environments: dict[str, Any], costs: bool = False) -> list[int]:
    runs = [Run(id=place, environment=seen, source="measured") for place, seen in enumerate(environments)]
    return [run.id for run in largest_alike(runs, {run.id: conditions_of(run) for run in runs}, costs=costs).kept]


def seen(**conditions: str) -> Conditions:
    return conditions


@pytest.mark.parametrize(
    ("torch", "expected"),
    [
        (["1", "1", "1"], [0, 1, 2]),
        (["1", "2", "2"], [1, 2]),
        (["1", "2"], [0]),
        (["1", "1", "2", "2", "3"], [0, 1]),
        (["1", None, "2"], [0, 1]),
        ([None, "1", "1", "2"], [0, 1, 2]),
        ([], []),
    ],
)
def test_the_largest_group_is_kept_and_of_equal_ones_the_first(torch: list[str | None], expected: list[int]) -> None:
    assert kept(*[{"torch": version} for version in torch]) == expected


def test_threads_split_costs_and_no_quality() -> None:
    environments = [{"torch_threads": 1}, {"torch_threads": 2}, {"torch_threads": 2}]
    assert kept(*environments) == [0, 1, 2]
    assert kept(*environments, costs=True) == [1, 2]


def test_what_was_imported_is_not_averaged_with_what_was_measured() -> None:
    runs = [Run(id=place, environment={}, source=source) for place, source in enumerate(("measured", "imported"))]
    alike = largest_alike(runs, {run.id: conditions_of(run) for run in runs}, costs=False)
    assert [run.id for run in alike.split_off] == [1]
    assert alike.reasons == ["1 run is left out, made unlike the others: source imported instead of measured here."]


def test_every_group_that_was_split_off_says_how_it_differs() -> None:
    runs = [Run(id=place, environment={"torch": version}, source="measured") for place, version in enumerate("11233")]
    alike = largest_alike(runs, {run.id: conditions_of(run) for run in runs}, costs=False)
    assert alike.reasons == [
        "1 run is left out, made unlike the others: torch 2 instead of 1.",
        "2 runs are left out, made unlike the others: torch 3 instead of 1.",
    ]


def test_another_way_of_decoding_is_another_condition() -> None:
    run = Run(id=1, environment={}, source="measured")
    greedy = conditions_of(run, {"strategy": "greedy", "most_tokens": 8})
    assert greedy["decoding"] == "most_tokens 8; strategy greedy"
    assert study_flags([greedy, conditions_of(run, {"strategy": "sampled", "most_tokens": 8})], []) == [
        "The runs used different ways of decoding: most_tokens 8; strategy greedy, most_tokens 8; strategy sampled."
    ]


def test_what_sets_a_row_apart_is_told_against_what_is_usual() -> None:
    others = [seen(torch="1", steps="750")] * 3
    odd = [seen(torch="2", steps="300", peft="9")]
    usual = usual_conditions([*others, *odd], [])
    assert differences_from(usual, odd, costs=False) == ["Training steps 300, others 750.", "Torch 2, others 1."]
    assert differences_from(usual, others, costs=False) == []


def test_versions_are_told_and_other_steps_make_a_reference_useless() -> None:
    usual = seen(torch="1", steps="750", device_name="L40S")
    assert trained_unlike(usual, [seen(torch="2", steps="750")]) == []
    assert trained_unlike(usual, [seen(steps="300", device_name="H100")]) == [
        "device H100 instead of L40S",
        "training steps 300 instead of 750",
    ]
