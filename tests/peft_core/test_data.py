"""Reading and batching: what makes a comparison fair before anything is trained."""

from pathlib import Path

import pytest

from peft_core.data import (
    Item,
    Row,
    evaluation_batches,
    inspect_dataset,
    read_rows,
    read_splits,
    real_tokens,
    small_splits,
    training_batches,
)
from peft_core.errors import InvalidDataset
from peft_core.spec import Budget, Columns, Splits, TaskSpec
from peft_core.tasks.classification import Classification
from peft_core.tasks.regression import Regression

COLUMNS = Columns(text="text", label="label")


def write(folder: Path, text: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(*labels: str) -> str:
    return "text,label\n" + "".join(f"sentence {i},{label}\n" for i, label in enumerate(labels))


def test_a_csv_is_read_with_quotes_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbftext,label\n"one, with comma",a\n"two\nlines",b\n')
    assert read_rows(path, kind=Classification, columns=COLUMNS) == [
        Row(0, "one, with comma", "a"),
        Row(1, "two\nlines", "b"),
    ]


def test_a_tsv_is_read_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, "label\ttext\na\tone\nb\ttwo\n", "data.tsv")
    assert [row.text for row in read_rows(path, kind=Classification, columns=COLUMNS)] == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("text,label\n", "no data"),
        (table("a", "a", "a"), "one class, 'a'"),
        ("text,klass\none,a\n", "no column 'label'. Its columns are 'text', 'klass'"),
        ("text,label\none,a\ntwo,b,c\n", "line 3: 3 fields where the header has 2"),
        ("text,label\none,a\ntwo,\n", "line 3: column 'label' is empty"),
        ("text,label\n ,a\ntwo,b\n", "line 2: column 'text' is empty"),
        ("text,label\none\0,a\ntwo,b\n", "NUL"),
        (b"text,label\n\xff\xfe\x00one,a\n", "not UTF-8"),
        ("text,label\n" + "x" * 200_000 + ",a\n", "field larger than"),
        (table(*(str(i) for i in range(1_001))), "1001 different values"),
    ],
)
def test_a_bad_dataset_is_refused_with_what_is_wrong(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(InvalidDataset, match=said):
        read_rows(write(tmp_path, content), kind=Classification, columns=COLUMNS)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InvalidDataset, match="no dataset file"):
            read_rows(path, kind=Classification, columns=COLUMNS)


def test_inspecting_counts_what_a_study_would_use(tmp_path: Path) -> None:
    path = write(tmp_path, table(*"ab" * 10) + "Sentence  0,a\n")
    summary = inspect_dataset(path, kind=Classification, columns=COLUMNS, splits=None)
    assert (summary.labels, summary.items, summary.duplicates_removed) == (("a", "b"), 20, 1)
    assert summary.splits == Splits(train=12, validation=4, test=4, seed=0)


def test_too_few_items_are_refused_with_the_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, table(*"ab" * 10))
    with pytest.raises(InvalidDataset, match=r"need 24 items .* has 20"):
        inspect_dataset(path, kind=Classification, columns=COLUMNS, splits=Splits(train=20, validation=2, test=2))


def test_a_class_too_rare_for_three_splits_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, table(*"a" * 20, "b", "b"))
    with pytest.raises(InvalidDataset, match="Class 'b' has 2"):
        inspect_dataset(path, kind=Classification, columns=COLUMNS, splits=None)


def items(count: int) -> list[Item]:
    return [Item(index, tuple(range(1 + index % 17)), index % 2) for index in range(count)]


def test_an_epoch_visits_every_item_once() -> None:
    seen = [item.index for batch in training_batches(items(50), Budget(epochs=1, batch_size=8), 0) for item in batch]
    assert sorted(seen) == list(range(50))


def test_the_number_of_steps_is_the_budgets() -> None:
    assert len(list(training_batches(items(50), Budget(epochs=3, batch_size=8), 0))) == 21
    assert len(list(training_batches(items(50), Budget(steps=9, batch_size=8), 0))) == 9
    assert Budget(epochs=3, batch_size=8).total_steps(400) == 150


def test_only_the_seed_decides_the_order() -> None:
    budget = Budget(epochs=2, batch_size=8)
    orders = [list(training_batches(items(50), budget, seed)) for seed in (3, 3, 4)]
    assert orders[0] == orders[1] != orders[2]


def test_batches_of_one_bucket_pad_less_than_random_ones() -> None:
    data = [Item(index, tuple(range(1 + (index * 7919) % 60)), 0) for index in range(640)]
    padded = sum(
        max(len(item.tokens) for item in batch) * len(batch)
        for batch in training_batches(data, Budget(epochs=1, batch_size=8), 0)
    )
    assert padded < 1.2 * real_tokens(data)


def test_batches_of_other_seeds_are_other_ones_and_of_like_lengths_at_the_same_step() -> None:
    data = [Item(index, tuple(range(1 + (index * 7919) % 60)), 0) for index in range(400)]
    epochs = [list(training_batches(data, Budget(epochs=2, batch_size=8), seed)) for seed in range(5)]
    assert all(one != other for one, other in zip(epochs[0], epochs[1], strict=True))
    longest = [[max(len(item.tokens) for item in batch) for batch in epoch] for epoch in epochs]
    together = sum(max(step) * 8 * len(step) for step in zip(*longest, strict=True))
    assert together < 1.3 * sum(real_tokens(batch) for epoch in epochs for batch in epoch)
    assert longest[0][:50] != longest[0][50:]


def test_evaluation_reads_every_item_once_longest_first() -> None:
    batches = list(evaluation_batches(items(20), 8))
    assert sorted(item.index for batch in batches for item in batch) == list(range(20))
    lengths = [len(item.tokens) for batch in batches for item in batch]
    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize(
    ("items", "points"),
    # 100 z / (2 sqrt(n + z^2)), z = 1.96: 97.9982 / sqrt(103.8415) and / sqrt(13.8415) ...
    [((99, 199), ["9.7", "6.9"]), ((10, 200), ["26.3"]), ((100, 50), ["13.4"]), ((100, 200), [])],
)
def test_small_splits_are_told_with_what_they_cannot_tell(items: tuple[int, int], points: list[str]) -> None:
    told = small_splits(Splits(train=100, validation=items[0], test=items[1]), Classification)
    assert [f"{small.points:.1f}" for small in told] == points


def test_a_score_that_is_no_share_is_told_by_how_much_wider_its_interval_is() -> None:
    (small,) = small_splits(Splits(train=100, validation=25, test=200), Regression)
    assert (small.name, small.items, small.wanted, small.times_as_wide) == ("validation", 25, 100, 2.0)
    (small,) = small_splits(Splits(train=100, validation=100, test=1), Regression)
    assert small.times_as_wide == pytest.approx(14.142, abs=1e-3)


def test_a_dataset_that_changed_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path, table(*"ab" * 10))
    summary = inspect_dataset(path, kind=Classification, columns=COLUMNS, splits=None)
    task = TaskSpec(
        name="own",
        kind="classification",
        dataset=path,
        dataset_sha256=summary.sha256,
        **COLUMNS.model_dump(),
        labels=summary.labels,
        splits=summary.splits,
    )
    first, second = read_splits(task, Classification), read_splits(task, Classification)
    assert first == second
    assert len(first.test) == summary.splits.test
    path.write_text(table(*"ab" * 11))
    with pytest.raises(InvalidDataset, match="has changed since the study was made"):
        read_splits(task, Classification)
    path.unlink()
    with pytest.raises(InvalidDataset, match="There is no dataset file"):
        read_splits(task, Classification)


def test_chinese_texts_and_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "评论,标签\n" + "".join(f"这是第{place}句话。,{'好坏'[place % 2]}\n" for place in range(20)))
    columns = Columns(text="评论", label="标签")
    summary = inspect_dataset(path, kind=Classification, columns=columns, splits=None)
    assert (summary.labels, summary.items) == (("坏", "好"), 20)
