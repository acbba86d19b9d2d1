"""The tree, and what its leaves' answers are put together from, by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peft_core.compare.recommend import Answer, Ranked, Verdict, Veto
from peft_core.compare.selection_guide import (
    LEAVES,
    QUESTIONS,
    ROOT,
    Combined,
    StudyAnswer,
    Textbook,
    agreement,
    combine,
    limits_of,
    path_to,
    regret,
    within,
)
from peft_core.method import methods
from peft_core.scenario import ConstraintName, scenarios

LORA_16_32 = Textbook("LoRA r16-32", "lora", "rank", 16, 32)


def answer(
    study: int, *, verdict: Verdict = "lean", vetoed: tuple[str, ...] = (), **rows: tuple[float, float]
) -> StudyAnswer:
    """rows: method -> (P(best), score)."""
    names = dict(enumerate([*rows, *vetoed]))
    ranked = [
        Ranked(key=key, score=rows[name][1], p_best=rows[name][0], p_top2=1.0, rank_interval=(1, 2), on_front=True)
        for key, name in names.items()
        if name in rows
    ]
    ruled_out = [Veto(key, None, "task_performance", 0.5, 0.9) for key, name in names.items() if name in vetoed]
    ordered = tuple(sorted(ranked, key=lambda row: -row.score))
    return StudyAnswer(study, Answer(verdict, ordered, tuple(ruled_out)), names)


UNANSWERED = StudyAnswer(9, Answer("not enough evidence", cause="references"), {})


def test_every_path_ends_at_a_leaf_and_every_leaf_has_a_path() -> None:
    goals = [goal for question in QUESTIONS.values() for goal in (question.yes, question.no)]
    assert sorted(goals) == sorted([*LEAVES, *(key for key in QUESTIONS if key != ROOT)])
    for leaf in LEAVES:
        path = path_to(leaf)
        assert path[0][0] == ROOT
        for (key, said), following in zip(path, [*(step for step, _ in path[1:]), leaf], strict=True):
            assert (QUESTIONS[key].yes if said else QUESTIONS[key].no) == following


def test_the_textbook_says_what_its_guide_says() -> None:
    told = {tuple(said for _, said in path_to(key)): leaf.textbook for key, leaf in LEAVES.items()}
    assert told[True, True] == LORA_16_32
    assert told[True, False].title == "Prefix Tuning"
    assert told[False, True].title == "Adapter + LoRA"
    assert told[False, False, True].title == "Full fine-tuning"
    assert told[False, False, False] == Textbook("LoRA r32-64", "lora", "rank", 32, 64)
    for textbook in told.values():
        assert textbook.method in methods()
        assert textbook.parameter is None or textbook.parameter in methods()[textbook.method].model_fields


@pytest.mark.parametrize("key", list(LEAVES))
def test_the_weights_of_every_leaf_sum_to_one(key: str) -> None:
    assert sum(LEAVES[key].weights().values()) == pytest.approx(1)


def test_a_path_weighs_what_its_answers_say() -> None:
    limited, best = (scenarios()[key].weights for key in ("resource_constrained", "high_performance"))
    found = LEAVES["limited_and_high_quality"].weights()
    assert found["quality"] == pytest.approx((limited["quality"] + best["quality"]) / 2) == 0.45
    assert LEAVES["top_quality"].question({}).constraints == {"quality_standard_errors": 1.0}


def test_a_limit_counts_on_the_paths_that_ask_for_it() -> None:
    both: dict[ConstraintName, float] = {"peak_memory_bytes": 1e9, "storage_bytes": 1e6}
    assert limits_of("limited_otherwise", both) == {"peak_memory_bytes": 1e9}
    assert limits_of("many_tasks", both) == {"storage_bytes": 1e6}
    assert limits_of("otherwise", both) == {}
    assert limits_of("many_tasks", {}) == {}


def test_one_study_keeps_its_own_verdict() -> None:
    verdicts: dict[Verdict, float] = {"clear": 0.99, "lean": 0.85, "no clear winner": 0.6}
    for verdict, share in verdicts.items():
        found = combine([answer(1, verdict=verdict, lora=(share, 0.8), full=(1 - share, 0.7))])
        assert (found.verdict, found.method, found.studies) == (verdict, "lora", 1)
        assert found.shares["lora"] == share


def test_two_configurations_of_a_method_share_its_probability() -> None:
    twins = answer(1, verdict="no clear winner", lora=(0.5, 0.8), adapter=(0.45, 0.79), full=(0.05, 0.5))
    twins = StudyAnswer(1, twins.answer, {0: "lora", 1: "lora", 2: "full"})
    assert combine([twins]).shares["lora"] == pytest.approx(0.95)
    assert combine([twins]).verdict == "lean", "which of its rows is another question"
    assert combine([twins, replace(twins, study=2)]).verdict == "lean"


def test_the_pick_of_one_study_is_its_own_whatever_other_methods_have_together() -> None:
    found = answer(1, verdict="no clear winner", full=(0.4, 0.8), lora=(0.35, 0.7), adapter=(0.25, 0.6))
    found = StudyAnswer(1, found.answer, {0: "full", 1: "lora", 2: "lora"})
    combined = combine([found])
    assert list(combined.shares.items()) == [("full", 0.4), ("lora", pytest.approx(0.6))]
    assert combined.method == "full"


def test_what_only_noise_ruled_out_keeps_its_chances() -> None:
    found = answer(1, verdict="no clear winner", full=(0.6, 0.8), adapter=(0.1, 0.7), vetoed=("lora",))
    [veto] = found.answer.vetoed
    rival = replace(found.answer, vetoed=(replace(veto, p_best=0.3),), rival=veto.key)
    combined = combine([replace(found, answer=rival)])
    assert list(combined.shares.items()) == [("full", 0.6), ("lora", 0.3), ("adapter", 0.1)]


def test_several_studies_are_clear_only_together() -> None:
    clear = [answer(k, verdict="clear", lora=(0.99, 0.8), full=(0.01, 0.5)) for k in (1, 2)]
    assert combine(clear).verdict == "clear"
    assert combine([*clear, answer(3, lora=(0.9, 0.8), full=(0.1, 0.7))]).verdict == "lean"
    against = answer(3, verdict="clear", lora=(0.0, 0.4), full=(1.0, 0.7))
    found = combine([*clear, against])
    assert (found.verdict, found.method) == ("no clear winner", "lora")
    assert found.shares["lora"] == pytest.approx(1.98 / 3)


def test_a_method_that_a_study_lacks_is_never_first_there_and_silence_does_not_count() -> None:
    found = combine([answer(1, lora=(0.4, 0.5), ia3=(0.6, 0.6)), answer(2, lora=(1.0, 0.5)), UNANSWERED])
    assert found.shares == {"lora": 0.7, "ia3": 0.3}
    assert found.studies == 2
    assert combine([UNANSWERED]) == Combined("not enough evidence", {}, 0)
    assert combine([]).method is None


@given(st.permutations([answer(1, lora=(0.4, 0.5), ia3=(0.6, 0.6)), answer(2, lora=(1.0, 0.5)), UNANSWERED]))
def test_the_order_of_the_studies_changes_nothing(answers: list[StudyAnswer]) -> None:
    assert list(combine(answers).shares.items()) == [("lora", 0.7), ("ia3", 0.3)]


EVERY = frozenset({"lora", "rslora", "full", "adapter", "prefix_tuning", "head_only", "own"})


@pytest.mark.parametrize(
    ("shares", "verdict", "textbook", "said"),
    [
        ({"lora": 0.9}, "lean", "lora", "agrees"),
        ({"rslora": 0.9, "lora": 0.1}, "lean", "lora", "same family"),
        ({"adapter": 0.9, "lora": 0.1}, "lean", "lora", "differs"),
        ({"adapter": 0.5, "lora": 0.4}, "no clear winner", "lora", "undecided"),
        ({"adapter": 0.5, "full": 0.4, "lora": 0.1}, "no clear winner", "lora", "differs"),
        ({"lora": 0.9}, "lean", "adapter_lora", "not measured"),
        ({"head_only": 0.9}, "lean", "full", "differs"),
        ({"own": 0.9}, "lean", "lora", "differs"),
        ({}, "not enough evidence", "lora", None),
    ],
)
def test_agreement_is_about_the_method(
    shares: dict[str, float], verdict: Verdict, textbook: str, said: str | None
) -> None:
    assert agreement(Combined(verdict, shares, 1), Textbook("?", textbook), EVERY) == said


def test_the_range_is_compared_apart() -> None:
    assert within([16], LORA_16_32) is True
    assert within([8, 16, 32], LORA_16_32) is True
    assert within([8, 32], LORA_16_32) is False
    assert within([], LORA_16_32) is None
    assert within([16], Textbook("Prefix Tuning", "prefix_tuning")) is None


def test_regret_by_hand() -> None:
    """In each study the adapter scores 0.8 and LoRA 0.6, and the others say adapter: nothing is lost by following them
    and 0.2 by always taking LoRA."""
    answers = [answer(k, adapter=(0.9, 0.8), lora=(0.1, 0.6)) for k in (1, 2, 3)]
    found = regret([answers])
    assert found is not None
    assert (found.guide, found.always) == pytest.approx((0.0, 0.2))
    assert (found.studies, found.cases) == (3, 3)
    assert found.wins


def test_a_guide_that_misleads_does_not_win() -> None:
    answers = [
        answer(1, adapter=(0.9, 0.8), lora=(0.1, 0.7)),
        answer(2, adapter=(0.9, 0.8), lora=(0.1, 0.7)),
        answer(3, lora=(1.0, 0.7), vetoed=("adapter",)),
    ]
    found = regret([answers])
    assert found is not None
    # The third study vetoes what the others say, so that following them is worth nothing there; with it, LoRA leads by
    # 0.55 to 0.45 when one of the first two is left out.
    assert found.guide == pytest.approx((0.1 + 0.1 + 0.7) / 3)
    assert found.always == pytest.approx((0.1 + 0.1 + 0.0) / 3)
    assert not found.wins


def test_the_next_method_is_taken_where_a_study_lacks_the_first() -> None:
    answers = [answer(k, ia3=(0.9, 0.8), full=(0.1, 0.7), lora=(0.0, 0.6)) for k in (1, 2)]
    answers += [answer(3, full=(0.9, 0.5), lora=(0.1, 0.3))]
    found = regret([answers])
    assert found is not None
    # The third has no IA3: full is followed there, and nothing is lost. With it, full leads by 0.5 to 0.45 elsewhere.
    assert found.guide == pytest.approx((0.1 + 0.1 + 0.0) / 3)


def test_below_three_studies_nothing_is_left_out() -> None:
    two = [answer(k, adapter=(0.9, 0.8), lora=(0.1, 0.6)) for k in (1, 2)]
    assert regret([two]) is None
    assert regret([[*two, UNANSWERED]]) is None
    assert regret([[*two, answer(3, adapter=(1.0, 0.8))]]) is None
    assert regret([]) is None


def test_what_every_study_rules_out_by_its_noise_is_a_runner_up_and_never_the_pick() -> None:
    found = Answer(
        "no clear winner",
        (Ranked(key=0, score=0.7, p_best=0.4, p_top2=1.0, rank_interval=(1, 2), on_front=True),),
        (Veto(1, None, "task_performance", 0.93, 0.94, p_best=0.6),),
        rival=1,
    )
    told = combine([StudyAnswer(study, found, {0: "full", 1: "lora"}) for study in (1, 2)])
    assert told.verdict == "no clear winner"
    assert list(told.shares) == ["full", "lora"]
    assert told.shares == {"full": pytest.approx(0.4), "lora": pytest.approx(0.6)}
