"""Regression: numbers as targets, standardised for training and given back in the dataset's own units."""

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from peft_core.data import Item, Row, read_rows
from peft_core.errors import InvalidDataset
from peft_core.spec import Columns, Splits
from peft_core.splits import SplitRows, split_rows
from peft_core.tasks.regression import Regression, Target
from tests.peft_core.tasks.conftest import CLS, DOG, PAD, SEP, Answers, MakeTask

COLUMNS = Columns(text="text", label="stars")
ITEMS = [Item(0, (CLS, DOG, SEP), Target(3.0, 1.0, 2.0)), Item(1, (CLS, SEP), Target(-1.0, 1.0, 2.0))]
"""Standardised: 1 and -1."""


def numbered(*targets: float) -> list[Row]:
    return [Row(index, f"text {index}", str(target)) for index, target in enumerate(targets)]


@pytest.mark.parametrize("target", ["1,5", "many", "nan", "inf", "-1e101", "1_0", "0x1", "5%"])
def test_a_target_that_is_no_number_is_named(tmp_path: Path, target: str) -> None:
    path = tmp_path / "data.tsv"
    path.write_text(f"text\tstars\none\t1.5\ntwo\t{target}\n")
    with pytest.raises(InvalidDataset, match=r"line 3: column 'stars' holds .*no number. Write it as 12.5"):
        read_rows(path, kind=Regression, columns=COLUMNS)


def test_numbers_are_read_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,stars\none, 1.5 \ntwo,-3e2\nthree,+7\nfour,１２\n", encoding="utf-8")
    assert [float(row.label) for row in read_rows(path, kind=Regression, columns=COLUMNS)] == [1.5, -300, 7, 12]


def test_one_number_for_all_is_no_task(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,stars\none,1\ntwo,1.0\n")
    with pytest.raises(InvalidDataset, match="'stars' holds one number only"):
        read_rows(path, kind=Regression, columns=COLUMNS)


def test_every_split_has_its_share_of_every_tenth() -> None:
    rows = numbered(*(index * 0.1 for index in range(100)))
    drawn = split_rows(rows, Splits(train=60, validation=20, test=20, seed=3), Regression)
    tenths = dict(zip((row.index for row in rows), Regression.strata(rows), strict=True))
    assert Counter(tenths[row.index] for row in drawn.test) == {str(tenth): 2 for tenth in range(10)}
    assert Counter(tenths[row.index] for row in drawn.train) == {str(tenth): 6 for tenth in range(10)}


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=60))
def test_equal_targets_share_a_tenth_and_larger_ones_never_have_a_lower(targets: list[int]) -> None:
    pairs = sorted(zip(targets, map(int, Regression.strata(numbered(*targets))), strict=True))
    assert all(0 <= tenth < 10 for _, tenth in pairs)
    assert [tenth for _, tenth in pairs] == sorted(tenth for _, tenth in pairs)
    assert len(set(pairs)) == len(set(targets))


def test_a_split_without_spread_is_refused() -> None:
    rows = SplitRows(train=numbered(1, 2), validation=numbered(1, 2), test=numbered(5, 5))
    with pytest.raises(InvalidDataset, match="All targets of the test split are the same"):
        Regression.check_splits(rows)
    Regression.check_splits(SplitRows(train=numbered(1, 2), validation=numbered(1, 2), test=numbered(5, 6)))


def test_targets_are_standardised_by_the_training_split(
    make_task: MakeTask, word_pieces: PreTrainedTokenizerBase
) -> None:
    content = "text,stars\n" + "".join(f"the cat {index},{index}\n" for index in range(20))
    task = make_task("regression", content, COLUMNS)
    facts = Regression.facts(numbered(2, 4, 4, 6), task, word_pieces, 8)
    assert facts == {"target_mean": 4.0, "target_deviation": math.sqrt(2)}
    told = task.model_copy(update={"facts": facts})
    (item,) = Regression.tokenise([Row(0, "dog", "6")], told, word_pieces, 8)
    assert item.tokens == (CLS, DOG, SEP)
    assert item.target.standardised == pytest.approx(math.sqrt(2))
    (untold,) = Regression.tokenise([Row(0, "dog", "6")], task, word_pieces, 8)
    assert untold.target == Target(6.0, 0.0, 1.0)


def test_the_loss_is_the_mean_squared_error_of_standardised_targets() -> None:
    batch = Regression.collate(ITEMS, PAD)
    assert batch["labels"].tolist() == [[1, 1, 2], [-1, 1, 2]]
    # (0.5 - 1)^2 = .25 and (0 + 1)^2 = 1.
    assert Regression.loss(Answers([[0.5], [0.0]]), batch).item() == pytest.approx(0.625)
    assert Regression.loss_weight(batch) == 2


def test_answers_are_in_the_dataset_s_units() -> None:
    answers = Regression.answers(Answers([[0.5], [0.0]]), Regression.collate(ITEMS, PAD))
    assert answers == [2.0, 1.0]


def test_large_targets_keep_their_digits() -> None:
    item = Item(0, (CLS, SEP), Target(20_240_101.0, 20_240_000.0, 1.0))
    answers = Regression.answers(Answers([[101.0]]), Regression.collate([item], PAD))
    assert answers == [20_240_101.0]


def test_the_mean_score_is_the_explained_share_of_variance() -> None:
    # Targets 1, 2, 3: mean 2, mean squared deviation 2/3. Errors 0, 1, 0: R^2 = 1 - (1/3) / (2/3) = .5.
    items = [Item(index, (CLS,), Target(value, 0, 1)) for index, value in enumerate((1.0, 2.0, 3.0))]
    scores = Regression.scores(items, [1.0, 3.0, 3.0])
    assert scores == pytest.approx((1.0, -0.5, 1.0))
    assert sum(scores) / 3 == pytest.approx(0.5)
    assert sum(Regression.scores(items, [2.0, 2.0, 2.0])) == pytest.approx(0)
    assert Regression.decisions(items, [1.0, 3.0, 3.0]) == [(1.0, 1.0), (2.0, 3.0), (3.0, 3.0)]


def test_the_untuned_answer_is_the_mean_of_the_training_targets() -> None:
    train = [Item(index, (CLS,), Target(value, 0, 1)) for index, value in enumerate((1.0, 2.0, 6.0))]
    assert Regression.untuned_answers(train, ITEMS) == [3.0, 3.0]


def test_an_answer_is_shown_with_six_digits(make_task: MakeTask) -> None:
    task = make_task(
        "regression", "text,stars\n" + "".join(f"the cat {index},{index}\n" for index in range(20)), COLUMNS
    )
    assert [Regression.show(answer, task) for answer in (2.0, 1 / 3, -1.5e7)] == ["2", "0.333333", "-1.5e+07"]
