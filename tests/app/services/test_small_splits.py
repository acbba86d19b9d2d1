"""What small splits cannot tell, in words."""

import pytest

from app.services.small_splits import split_warnings
from peft_core.spec import Splits
from peft_core.task import Task
from peft_core.tasks.classification import Classification
from peft_core.tasks.regression import Regression


@pytest.mark.parametrize(
    ("splits", "kind", "told"),
    [
        (
            Splits(train=100, validation=10, test=200),
            Classification,
            "The validation split has 10 items: accuracy on them is known to ±26.3 points at worst (95 % interval at"
            " 50 %). 100 or more are better.",
        ),
        (
            Splits(train=100, validation=100, test=1),
            Regression,
            "The test split has 1 item: the interval of R² is 14.1 times as wide as with 200. 200 or more are better.",
        ),
    ],
)
def test_a_small_split_is_told_with_its_figure(splits: Splits, kind: type[Task], told: str) -> None:
    assert split_warnings(splits, kind) == [told]


def test_large_splits_need_no_word() -> None:
    assert split_warnings(Splits(train=100, validation=100, test=200), Classification) == []
