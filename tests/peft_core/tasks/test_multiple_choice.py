"""Multiple choice: a score for each answer, read with the question, and labels in three spellings."""

import math
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from peft_core.data import Item, Row, read_rows
from peft_core.errors import InvalidDataset, NotOffered
from peft_core.model_shape import ModelShape
from peft_core.spec import Columns
from peft_core.splits import without_duplicates
from peft_core.tasks.multiple_choice import Choice, MultipleChoice
from tests.peft_core.tasks.conftest import CAT, CLS, DOG, PAD, RAN, SAT, SEP, THE, Answers, MakeTask, S

COLUMNS = Columns(text="question", choices=("first", "second", "third"), label="answer")
HEADER = "question,first,second,third,answer\n"
CONTENT = HEADER + "".join(f"the {index},cat,dogs,ran,{'ABC'[index % 3]}\n" for index in range(15))
ITEMS = [
    Item(0, (CLS, CAT, SEP, CLS, DOG, S, SEP), Choice(right=1, lengths=(3, 4))),
    Item(1, (CLS, SAT, SEP, CLS, RAN, SEP), Choice(right=0, lengths=(3, 3))),
]


def read(path: Path, *labels: str, columns: Columns = COLUMNS) -> list[Row]:
    path.write_text(",".join(["question", *columns.choices, "answer"]) + "\n", encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        for index, label in enumerate(labels):
            file.write(
                ",".join([f"question {index}", *(f"answer {choice}" for choice in columns.choices), label]) + "\n"
            )
    return read_rows(path, kind=MultipleChoice, columns=columns)


def test_a_letter_a_place_and_a_column_name_the_right_answer(tmp_path: Path) -> None:
    rows = read(tmp_path / "data.csv", "B", "b", "1", "second", "01", "A", "0", "2")
    assert [row.label for row in rows] == ["1", "1", "1", "1", "1", "0", "0", "2"]
    assert rows[0].choices == ("answer first", "answer second", "answer third")


@pytest.mark.parametrize("label", ["D", "3", "-1", "1.5", "fourth", "AB", "①"])
def test_a_label_that_names_no_answer_is_told_with_its_line(tmp_path: Path, label: str) -> None:
    with pytest.raises(
        InvalidDataset, match=r"line 3: .* is no choice. Write a letter from A to C, a number from 0 to 2"
    ):
        read(tmp_path / "data.csv", "A", label)


def test_a_label_that_may_mean_two_answers_is_refused(tmp_path: Path) -> None:
    columns = Columns(text="question", choices=("1", "2", "3"), label="answer")
    with pytest.raises(InvalidDataset, match=r"'1', which may mean '1' or '2'. Rename the choice columns"):
        read(tmp_path / "data.csv", "1", columns=columns)
    assert [row.label for row in read(tmp_path / "data.csv", "0", "A", "3", columns=columns)] == ["0", "0", "2"]


def test_numbers_in_json_are_places(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"question": "q", "first": 10, "second": 20, "third": 30, "answer": 2}\n')
    (row,) = read_rows(path, kind=MultipleChoice, columns=COLUMNS)
    assert (row.label, row.choices) == ("2", ("10", "20", "30"))


@pytest.mark.parametrize("count", [0, 1, 27])
def test_two_to_twenty_six_answers(tmp_path: Path, count: int) -> None:
    columns = Columns(text="question", choices=tuple(f"c{index}" for index in range(count)), label="answer")
    said = "needs a choices column" if count == 0 else f"2 to 26 columns of answers, not {count}"
    with pytest.raises(InvalidDataset, match=said):
        read_rows(tmp_path, kind=MultipleChoice, columns=columns)


def test_the_same_question_with_other_answers_is_another_item() -> None:
    rows = [
        Row(0, "q", "0", choices=("a", "b")),
        Row(1, "q", "1", choices=("a", "c")),
        Row(2, "Q", "1", choices=("a", "b")),
    ]
    assert [row.index for row in without_duplicates(rows)] == [0, 1]


def test_the_question_is_read_with_each_answer(make_task: MakeTask, word_pieces: PreTrainedTokenizerBase) -> None:
    task = make_task("multiple_choice", CONTENT, COLUMNS)
    row = Row(7, "the cat sat", "1", choices=("ran", "dogs", "a"))
    (whole,), (cut,) = (MultipleChoice.tokenise([row], task, word_pieces, length) for length in (16, 5))
    assert whole.target == Choice(right=1, lengths=(7, 8, 7))
    assert whole.tokens[:7] == (CLS, THE, CAT, SAT, SEP, RAN, SEP)
    assert whole.segments[:7] == (0, 0, 0, 0, 0, 1, 1)
    assert cut.target.lengths == (5, 5, 5)
    assert cut.tokens[:5] == (CLS, THE, SEP, RAN, SEP)


def test_a_batch_has_a_row_for_every_answer() -> None:
    batch = MultipleChoice.collate(ITEMS, PAD)
    assert batch["input_ids"].tolist() == [
        [[CLS, CAT, SEP, PAD], [CLS, DOG, S, SEP]],
        [[CLS, SAT, SEP, PAD], [CLS, RAN, SEP, PAD]],
    ]
    assert batch["attention_mask"].sum(dim=2).tolist() == [[3, 4], [3, 3]]
    assert batch["labels"].tolist() == [1, 0]
    assert MultipleChoice.loss_weight(batch) == 2


def test_the_loss_and_the_answers_go_by_the_scores_of_the_answers() -> None:
    # Softmax of (0, ln 3) is (1/4, 3/4), of (0, ln 4) it is (1/5, 4/5).
    model, batch = Answers([[0, math.log(3)], [0, math.log(4)]]), MultipleChoice.collate(ITEMS, PAD)
    assert MultipleChoice.loss(model, batch).item() == pytest.approx((math.log(4 / 3) + math.log(5)) / 2)
    assert MultipleChoice.answers(model, batch) == [1, 1]
    assert MultipleChoice.scores(ITEMS, [1, 1]) == (1.0, 0.0)
    assert MultipleChoice.decisions(ITEMS, [1, 1]) == [(1, 1), (0, 1)]


def test_the_untuned_answer_is_the_place_that_is_most_often_right() -> None:
    train = [Item(index, (), Choice(right, (1, 1, 1))) for index, right in enumerate((2, 0, 2, 0, 1))]
    assert MultipleChoice.untuned_answers(train, ITEMS) == [0, 0]


def test_an_answer_is_shown_as_its_column(make_task: MakeTask) -> None:
    assert MultipleChoice.show(1, make_task("multiple_choice", CONTENT, COLUMNS)) == "second"


def test_a_base_without_the_head_is_refused(bert_shape: ModelShape, llama_shape: ModelShape) -> None:
    MultipleChoice.check(bert_shape)
    with pytest.raises(NotOffered, match=r"not offered for llama models.*or ask a decoder as generation"):
        MultipleChoice.check(llama_shape)
