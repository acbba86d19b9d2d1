"""What a study calls its rows."""

from pydantic import JsonValue

from peft_core.method import build_method, distinct_labels


def test_a_label_that_is_the_only_one_stays_short() -> None:
    chosen = [build_method("lora", {"rank": 8}), build_method("lora", {"rank": 16}), build_method("dora", {"rank": 8})]
    assert distinct_labels(chosen) == ["LoRA r8", "LoRA r16", "DoRA r8"]


def test_rows_that_would_read_the_same_say_what_tells_them_apart() -> None:
    """Only what differs among the three, and nothing for the one of another rank."""
    same_rank: list[dict[str, JsonValue]] = [{"alpha": 8.0}, {"alpha": 16.0}, {"alpha": 16.0, "dropout": 0.1}]
    chosen = [build_method("lora", {"rank": 8, **values}) for values in same_rank] + [build_method("lora", {"rank": 4})]
    assert distinct_labels(chosen) == [
        "LoRA r8, alpha 8.0, dropout 0.05",
        "LoRA r8, alpha 16.0, dropout 0.05",
        "LoRA r8, alpha 16.0, dropout 0.1",
        "LoRA r4",
    ]


def test_equal_rows_share_a_name() -> None:
    """They are tried at learning rates of their own."""
    chosen = [build_method("ia3", {}), build_method("ia3", {})]
    assert distinct_labels(chosen) == ["IA3", "IA3"]
