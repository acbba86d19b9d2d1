"""The claims of the chapter: their verdicts with and without evidence, and mathematics where it decides."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db.session import system_session
from app.db.tables import MeasurementRow, Run
from app.language import speaking
from app.schemas import Claims, ClaimView, CostsRequest, Sentence
from app.services.callers import LOCAL
from app.services.chapter_costs import costs
from app.services.claim import Judged, claims, verdict_of
from app.services.claim_verdicts import judge_claims
from app.settings import Settings
from peft_core.preset import presets
from tests.flow.finished_study import QUICKSTART, Row, insert, probe
from tests.flow.swept_study import RANKS, ranked

NAMED = ("lora_forward_flops", "rank_one_speed", "prefix_inference")


def judged(engine: Engine, settings: Settings, *rows: tuple[Row, ...]) -> Claims:
    with system_session(engine) as session:
        for place, chosen in enumerate(rows):
            insert(session, team_id=1, rows=chosen, name=f"Study {place}")
    return judge_claims(engine, LOCAL)


def claim(found: Claims, key: str) -> ClaimView:
    return next(item for item in found.items if item.key == key)


def values(sentence: Sentence) -> list[float]:
    return [part.number.value for part in sentence if part.number is not None]


def test_without_evidence_mathematics_decides_and_all_else_is_not_measured(engine: Engine, settings: Settings) -> None:
    found = judged(engine, settings)
    assert {item.key for item in found.items} == set(claims())
    assert found.studies == 0
    verdicts = {item.key: item.verdict for item in found.items}
    assert verdicts["lora_forward_flops"] == "false by formula"
    assert verdicts["prefix_inference"] == "false by formula"
    assert verdicts["lora_parameters"] == "holds by formula"
    assert verdicts["lora_merged_latency"] == "holds by formula"
    decided = {key for key, kind in claims().items() if kind.by_mathematics is not None}
    assert {verdicts[key] for key in verdicts.keys() - decided} == {"not measured yet"}
    assert all(item.preset in presets() for item in found.items)
    assert [item.key for item in found.items[:3]] == list(NAMED)


def test_rank_one_is_judged_by_the_speeds_of_a_rank_sweep(engine: Engine, settings: Settings) -> None:
    found = claim(judged(engine, settings, RANKS), "rank_one_speed")
    assert found.verdict == "does not hold"
    [finding] = found.findings
    # Over full fine-tuning (2,611 tokens/s) and over rank 16 (4,100).
    assert values(finding.sentence) == pytest.approx([4_500 / 2_611, 4_500 / 4_100])
    assert values(found.summary) == [1, 0, 1]
    numbers = [part.number for part in finding.sentence if part.number is not None]
    assert all(number.run_ids and number.reference_run_ids for number in numbers)


def test_rank_one_holds_where_it_is_eight_times_as_fast(engine: Engine, settings: Settings) -> None:
    fast = (*(row for row in RANKS if row.hyperparameters.get("rank") != 1), ranked(1, (0.83, 0.82, 0.83), 21_000))
    assert claim(judged(engine, settings, fast), "rank_one_speed").verdict == "holds"


def test_one_study_that_disagrees_refutes_a_claim(engine: Engine, settings: Settings) -> None:
    fast = (*(row for row in RANKS if row.hyperparameters.get("rank") != 1), ranked(1, (0.83, 0.82, 0.83), 21_000))
    found = claim(judged(engine, settings, fast, RANKS), "rank_one_speed")
    assert found.verdict == "does not hold"
    assert sorted(str(finding.agrees) for finding in found.findings) == ["False", "True"]


def test_a_prefix_is_timed_against_the_base_model(engine: Engine, settings: Settings) -> None:
    found = claim(judged(engine, settings, QUICKSTART), "prefix_inference")
    assert found.verdict == "false by formula"
    [finding] = found.findings
    assert values(finding.sentence) == pytest.approx([0.00441 / 0.00391, 0.00437 / 0.00391])
    assert finding.agrees is False


def test_unmerged_lora_is_timed_where_a_study_has_it(engine: Engine, settings: Settings) -> None:
    with system_session(engine) as session:
        study = insert(session, team_id=1)
        for run in session.query(Run).filter(Run.study_id == study.id, Run.purpose == "probe"):
            _add(session, run, {"untuned": 0.004, "lora": 0.005}.get(run.configuration.method))
    found = claim(judge_claims(engine, LOCAL), "lora_forward_flops")
    [finding] = found.findings
    assert values(finding.sentence) == pytest.approx([1.25])
    assert (finding.agrees, found.verdict) == (False, "false by formula")


def _add(session: Session, run: Run, value: float | None) -> None:
    if value is not None:
        metric = "inference_latency_unmerged"
        session.add(MeasurementRow(team_id=1, run_id=run.id, metric=metric, value=value, detail={}))


def test_costs_of_the_chapters_methods_are_read_off_a_study(engine: Engine, settings: Settings) -> None:
    found = judged(engine, settings, QUICKSTART)
    memory = claim(found, "training_memory")
    assert memory.verdict == "holds"
    assert values(memory.findings[0].sentence)[0] == pytest.approx(188_700_000 / 462_300_000)
    assert claim(found, "storage_per_task").verdict == "holds"
    assert claim(found, "qlora_memory").verdict == "not measured yet"
    # P-Tuning v2 keeps 93 % of the score.
    assert claim(found, "quality_kept").verdict == "does not hold"


def test_a_sweep_says_whether_the_chapters_value_is_the_best(engine: Engine, settings: Settings) -> None:
    four = claim(judged(engine, settings, RANKS), "lora_rank_sixteen")
    # Rank 4 has the largest composite, and no difference to rank 16 is shown.
    assert four.verdict == "undecided"
    assert any(part.label == "LoRA r4" for part in four.findings[0].sentence)


def test_scenarios_are_judged_by_their_picks(engine: Engine, settings: Settings) -> None:
    found = claim(judged(engine, settings, QUICKSTART), "scenario_picks")
    assert found.verdict in ("holds", "does not hold", "undecided")
    labels = {part.label for part in found.findings[0].sentence}
    assert {"Rapid prototyping", "Production deployment", "LoRA r32-64"} <= labels


def test_what_mathematics_says_follows_the_case(engine: Engine, settings: Settings) -> None:
    asked = CostsRequest.model_validate({"sizes": {"width": 1024, "layers": 24}, "rank": 4, "prefix_length": 50})
    said = costs(engine, settings, LOCAL, asked).formulas
    assert values(said["lora_forward_flops"]) == pytest.approx([1024, 4, 128, 1 / 128, 128])
    assert values(said["prefix_inference"]) == pytest.approx([50, 24, 1024, 4 * 24 * 50 * 1024, 2 * 24 * 50 * 1024])
    assert values(said["rank_one_speed"]) == pytest.approx([1.5, 1 / 128, 4])
    assert values(said["lora_parameters"]) == [1024, 4, 8192, 1024**2, 128]


@pytest.mark.parametrize(
    ("agreements", "verdict"),
    [
        ([], "not measured yet"),
        ([None], "undecided"),
        ([True, None], "holds"),
        ([True, False], "does not hold"),
    ],
)
def test_the_rule_of_the_verdict(agreements: list[bool | None], verdict: str) -> None:
    measured = claims()["training_memory"]
    assert verdict_of(measured, [Judged(agrees, []) for agrees in agreements]) == verdict


def test_a_study_without_the_rows_says_nothing(engine: Engine, settings: Settings) -> None:
    alone = tuple(replace(row, probe=probe(None, 0.004, None, None)) for row in QUICKSTART if row.method == "lora")
    found = judged(engine, settings, alone)
    assert found.studies == 1
    assert all(not item.findings for item in found.items if item.key != "scenario_picks")


def test_claims_are_said_in_the_readers_language(engine: Engine, settings: Settings) -> None:
    with speaking("zh"):
        found = judge_claims(engine, LOCAL)
    assert len(found.items) == len(claims())


def necked(size: int, accuracy: tuple[float, ...]) -> Row:
    """An adapter of one bottleneck on MiniLM, whose width is 384."""
    found = next(row for row in QUICKSTART if row.method == "adapter")
    values = {"bottleneck_size": size, "activation": "gelu", "dropout": 0.1, "position": "after_ffn"}
    parameters = 6 * (2 * 384 * size + size + 384)
    return replace(found, label=f"Adapter b{size}", accuracy=accuracy, parameters=parameters, hyperparameters=values)


def test_an_eighth_is_of_the_width_of_the_studys_own_base(engine: Engine, settings: Settings) -> None:
    """48 of 384: the swept size nearest to it is 64."""
    ends = tuple(row for row in QUICKSTART if row.method in ("untuned", "full"))
    good, bad = (0.9417, 0.9400, 0.9383), (0.7400, 0.7283, 0.7350)
    sweep = (*ends, necked(8, bad), necked(64, good), necked(256, bad))
    found = claim(judged(engine, settings, sweep), "adapter_best_eighth")
    assert found.verdict == "holds"
    assert any(part.label == "Adapter b64" for part in found.findings[0].sentence)
