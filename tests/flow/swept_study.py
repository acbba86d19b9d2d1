"""The rows of a finished study of LoRA's rank, as `finished_study.insert` takes them."""

from tests.flow.finished_study import QUICKSTART, Row, probe

BY_METHOD = {row.method: row for row in QUICKSTART}


def ranked(rank: int, accuracy: tuple[float, ...], speed: float | None = 4_000) -> Row:
    """LoRA of one rank, alpha twice the rank; a rank costs 9,216 parameters."""
    return Row(
        "lora",
        f"LoRA r{rank}",
        "lora",
        accuracy,
        9_216 * rank,
        45_000 * rank,
        (1e-3, 3e-3, 9e-3),
        (0.927, 0.943, 0.940),
        probe(speed, 0.004, 1.9e8, 0.59),
        {
            "rank": rank,
            "alpha": 2.0 * rank,
            "dropout": 0.05,
            "target_modules": "query_value",
        },
    )


RANKS = (
    BY_METHOD["untuned"],
    BY_METHOD["full"],
    ranked(16, (0.9383, 0.9400, 0.9350), 4_100),
    ranked(1, (0.8300, 0.8217, 0.8350), 4_500),
    ranked(4, (0.9383, 0.9350, 0.9367), 4_400),
)
"""Rank 1 learns too little, rank 4 does what rank 16 does."""


def prefixed(length: int, accuracy: tuple[float, ...]) -> Row:
    """Prefix tuning of one length."""
    return Row(
        "prefix_tuning",
        f"Prefix tuning n{length}",
        "soft_prompt",
        accuracy,
        64_205 * length,
        37_345 * length,
        (6.7e-3, 2e-2, 6e-2),
        (0.857, 0.890, 0.877),
        probe(4_030, 0.00441, 1.77e8, 0.35),
        {"num_virtual_tokens": length},
    )
