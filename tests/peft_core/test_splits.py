"""Splitting: nothing of a test item is seen in training, classes keep their shares, groups stay together."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peft_core.data import Row
from peft_core.errors import InvalidDataset
from peft_core.spec import Splits
from peft_core.splits import SplitRows, default_splits, split_rows, without_duplicates
from peft_core.tasks.classification import Classification


def rows_of(*labels: str, split: str = "", start: int = 0) -> list[Row]:
    return [Row(start + place, f"text {start + place}", label, split=split) for place, label in enumerate(labels)]


def grouped(*sizes: int) -> list[Row]:
    """Groups a, b, c ... of these sizes."""
    names = [letter for letter, size in zip("abcdefghijklmnopqrstuvwxyz", sizes, strict=False) for _ in range(size)]
    return [Row(place, f"text {place}", "xy"[place % 2], group=name) for place, name in enumerate(names)]


def indices(rows: Sequence[Row]) -> set[int]:
    return {row.index for row in rows}


def test_duplicates_differ_only_in_case_and_white_space() -> None:
    rows = [Row(0, "So  Lucky", "a"), Row(1, "so lucky ", "b"), Row(2, "so lucky!", "a")]
    assert [row.index for row in without_duplicates(rows)] == [0, 2]


@given(
    sizes=st.lists(st.integers(3, 40), min_size=2, max_size=5),
    held_out=st.integers(1, 8),
    seed=st.integers(0, 5),
)
def test_splits_are_disjoint_stratified_and_the_same_for_the_same_seed(
    sizes: list[int], held_out: int, seed: int
) -> None:
    rows = [Row(0, "", str(label)) for label, size in enumerate(sizes) for _ in range(size)]
    rows = [Row(index, f"text {index}", row.label) for index, row in enumerate(rows)]
    if len(rows) <= 2 * held_out:
        return
    splits = Splits(train=len(rows) - 2 * held_out, validation=held_out, test=held_out, seed=seed)
    drawn = split_rows(rows, splits, Classification)
    parts = [drawn.train, drawn.validation, drawn.test]
    assert [len(part) for part in parts] == [splits.train, splits.validation, splits.test]
    assert len({row.index for part in parts for row in part}) == len(rows)
    assert split_rows(rows, splits, Classification) == drawn
    whole = Counter(row.label for row in rows)
    for label, count in Counter(row.label for row in drawn.test).items():
        assert abs(count - held_out * whole[label] / len(rows)) < 1


def test_another_seed_draws_other_splits() -> None:
    rows = [Row(index, f"text {index}", str(index % 2)) for index in range(100)]
    first, second = (
        split_rows(rows, Splits(train=60, validation=20, test=20, seed=seed), Classification) for seed in (0, 1)
    )
    assert first.test != second.test


# -- duplicates and splits that a dataset brings -----------------------------------------------------------------------


def test_of_a_text_in_two_splits_the_test_s_copy_stays() -> None:
    rows = [
        Row(0, "a", "x", split="train"),
        Row(1, "b", "x", split="train"),
        Row(2, "c", "x", split="train"),
        Row(3, "A ", "y", split="validation"),
        Row(4, "d", "x", split="validation"),
        Row(5, " b", "y", split="test"),
        Row(6, "a", "x", split="test"),
    ]
    assert [row.index for row in without_duplicates(rows)] == [2, 4, 5, 6]


def test_own_splits_keep_their_records() -> None:
    rows = rows_of(*"ab" * 20, split="train") + rows_of(*"ab" * 5, split="test", start=40)
    assert default_splits(rows) == Splits(train=32, validation=8, test=10)
    drawn = split_rows(rows, Splits(train=20, validation=8, test=6, seed=1), Classification)
    assert indices(drawn.test) <= set(range(40, 50))
    assert indices(drawn.train) | indices(drawn.validation) <= set(range(40))
    assert Counter(row.label for row in drawn.test) == {"a": 3, "b": 3}
    assert not indices(drawn.train) & indices(drawn.validation)


def test_all_own_splits_are_taken_whole() -> None:
    rows = [
        *rows_of(*"ab" * 9, split="train"),
        *rows_of(*"ab" * 3, split="validation", start=18),
        *rows_of(*"abc", split="test", start=24),
    ]
    splits = default_splits(rows)
    assert splits == Splits(train=18, validation=6, test=3)
    drawn = split_rows(rows, splits, Classification)
    assert [indices(part) for part in (drawn.train, drawn.validation, drawn.test)] == [
        set(range(18)),
        set(range(18, 24)),
        set(range(24, 27)),
    ]


def test_an_own_split_that_is_too_small_is_named() -> None:
    rows = rows_of(*"ab" * 20, split="train") + rows_of(*"ab", split="test", start=40)
    with pytest.raises(InvalidDataset, match=r"need 3 items \(3 test\) and the dataset's own test split has 2 without"):
        split_rows(rows, Splits(train=10, validation=4, test=3), Classification)
    leaked = [Row(row.index, row.text, row.label, split="test") for row in rows_of("a", "b")]
    only_duplicates = without_duplicates([*rows_of("a", "b", split="train"), *leaked])
    with pytest.raises(InvalidDataset, match="own train split has 0 without duplicates"):
        split_rows(only_duplicates, default_splits(only_duplicates), Classification)


def test_a_fifth_is_held_out_for_each_split() -> None:
    assert default_splits(rows_of(*"ab" * 50)) == Splits(train=60, validation=20, test=20)
    assert default_splits(rows_of(*"aabbc")) == Splits(train=3, validation=1, test=1)


# -- groups ------------------------------------------------------------------------------------------------------------


def test_groups_stay_together() -> None:
    rows = grouped(3, 7, 2, 5, 4, 6, 3, 8, 2, 10)
    splits = default_splits(rows)
    drawn = split_rows(rows, splits, Classification)
    assert [len(drawn.train), len(drawn.validation), len(drawn.test)] == [splits.train, splits.validation, splits.test]
    found = defaultdict(set)
    for name, part in (("train", drawn.train), ("validation", drawn.validation), ("test", drawn.test)):
        for row in part:
            found[row.group].add(name)
    assert all(len(names) == 1 for names in found.values())


@given(sizes=st.lists(st.integers(1, 30), min_size=3, max_size=26))
def test_whole_groups_can_be_filled_again_as_the_default_says(sizes: list[int]) -> None:
    rows = grouped(*sizes)
    splits = default_splits(rows)
    drawn = split_rows(rows, splits, Classification)
    groups = [{row.group for row in part} for part in (drawn.train, drawn.validation, drawn.test)]
    assert all(groups)
    assert sum(map(len, groups)) == len(set.union(*groups))


def test_few_large_groups_make_three_splits() -> None:
    assert default_splits(grouped(25, 25, 25, 25)) == Splits(train=50, validation=25, test=25)


def test_what_groups_cannot_do_is_said() -> None:
    with pytest.raises(InvalidDataset, match=r"has 2 different value\(s\) to split and 3 are needed"):
        split_rows(grouped(10, 10), Splits(train=10, validation=5, test=5), Classification)
    with pytest.raises(InvalidDataset, match=r"fill 10 of the 12 test items. Ask for what they fill \(10 train, 10 v"):
        split_rows(grouped(10, 10, 10, 10), Splits(train=10, validation=10, test=12), Classification)
    with pytest.raises(InvalidDataset, match=r"fill 0 of the 5 test items. Ask for larger or smaller splits"):
        split_rows(grouped(10, 10, 10), Splits(train=20, validation=5, test=5), Classification)


def test_a_group_in_two_own_splits_is_refused() -> None:
    rows = [
        *(Row(place, f"text {place}", "x", group=f"g{place}", split="train") for place in range(9)),
        Row(9, "text 9", "x", group="g3", split="test"),
    ]
    with pytest.raises(InvalidDataset, match="Group 'g3' stands in the dataset's own train and test splits"):
        split_rows(rows, Splits(train=3, validation=1, test=1), Classification)


def test_the_seed_decides_which_groups() -> None:
    rows = grouped(*[2] * 20)

    def drawn(seed: int) -> SplitRows:
        return split_rows(rows, Splits(train=24, validation=8, test=8, seed=seed), Classification)

    assert drawn(4) == drawn(4)
    assert {row.group for row in drawn(4).test} != {row.group for row in drawn(5).test}


@pytest.mark.parametrize("wrong", [{"train": 0}, {"test": True}, {"validation": 1.5}, {"seed": -1}, {"seed": 2**32}])
def test_sizes_and_seeds_are_whole_numbers_in_bounds(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Splits.model_validate({"train": 3, "validation": 1, "test": 1} | wrong)
