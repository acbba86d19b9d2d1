"""Runs that train together end as they would alone, and one run's end is no other's."""

import shutil
import weakref
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from peft_core.analysis import weight_change
from peft_core.analysis.update_spectrum import SPECTRUM, Spectrum
from peft_core.errors import RunFailed, RunPaused
from peft_core.fused import group
from peft_core.fused.group import Seat, run_together
from peft_core.fused.layout import CannotShare
from peft_core.fused.shared_pass import SharedPass
from peft_core.graft import Graft
from peft_core.run import run
from peft_core.spec import Budget, Log, Measurement, Point, Predictions, RunResult, RunSpec, TaskSpec

STEPS = 6


@dataclass
class Told:
    """What a run tells, and how it ends."""

    events: list[Any] = field(default_factory=list)
    end: RunResult | Exception | None = None

    def series(self, key: str) -> list[float | None]:
        return [event.value for event in self.events if isinstance(event, Point) and event.key == key]

    def steps(self, key: str) -> list[int]:
        return [event.step for event in self.events if isinstance(event, Point) and event.key == key]

    @property
    def result(self) -> RunResult:
        assert isinstance(self.end, RunResult), self.end
        return self.end

    @property
    def log(self) -> str:
        return "\n".join(event.message for event in self.events if isinstance(event, Log))

    def predictions(self) -> Predictions:
        return next(event for event in self.events if isinstance(event, Predictions))


class Study:
    """Runs of one small study, done alone or together."""

    def __init__(self, base: Path, task: TaskSpec, folder: Path) -> None:
        self._base, self._task, self._folder = base, task, folder

    def spec(self, run_id: int, method: str, **changes: Any) -> RunSpec:
        given: dict[str, Any] = {
            "run_id": run_id,
            "purpose": "tune",
            "base_model": self._base,
            "base_model_sha256": "",
            "task": self._task,
            "method": method,
            "learning_rate": 3e-3,
            "seed": 0,
            "budget": Budget(steps=STEPS, batch_size=4, max_length=32, evaluations=2),
            "precision": "fp32",
            "metrics": ("task_performance", "storage_bytes"),
            "folder": self._folder / f"{run_id}-{len(list(self._folder.iterdir()))}",
        }
        return RunSpec(**given | changes)

    def alone(self, spec: RunSpec) -> Told:
        told = Told()
        told.end = run(spec.model_copy(update={"folder": self.folder_alone(spec)}), told.events.append)
        return told

    def folder_alone(self, spec: RunSpec) -> Path:
        return self._folder / f"alone-{spec.run_id}"

    def together(self, *specs: RunSpec, pauses: dict[int, int] | None = None) -> list[Told]:
        """`pauses`: run id -> after how many steps it is asked to stop for now."""
        told = {spec.run_id: Told() for spec in specs}

        def seat(spec: RunSpec) -> Seat:
            mine, at = told[spec.run_id], (pauses or {}).get(spec.run_id)
            return Seat(spec, mine.events.append, lambda: at is not None and len(mine.series("train_loss")) >= at)

        def ended(seat: Seat, end: RunResult | Exception) -> None:
            assert told[seat.spec.run_id].end is None, "a run ends once"
            told[seat.spec.run_id].end = end

        run_together([seat(spec) for spec in specs], ended)
        return [told[spec.run_id] for spec in specs]


@pytest.fixture(scope="module")
def two_layers(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM with its last two layers: a third of the work."""
    folder = shutil.copytree(minilm, tmp_path_factory.mktemp("encoder") / "minilm")
    model = AutoModel.from_pretrained(str(minilm))
    model.encoder.layer = model.encoder.layer[-2:]
    model.config.num_hidden_layers = 2
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def study(two_layers: Path, tweets: TaskSpec, tmp_path: Path) -> Study:
    return Study(two_layers, tweets, tmp_path)


def same(together: Told, alone: Told) -> None:
    for key in ("train_loss", "gradient_norm", "learning_rate", "validation_score"):
        assert together.steps(key) == alone.steps(key)
        assert together.series(key) == pytest.approx(alone.series(key), rel=2e-3), key
    assert together.result.validation_score == pytest.approx(alone.result.validation_score)


def test_every_run_ends_as_it_would_alone(study: Study) -> None:
    specs = [
        study.spec(1, "lora", learning_rate=1e-3),
        study.spec(2, "lora", learning_rate=1e-2),
        study.spec(3, "ia3", purpose="report", seed=1),
        study.spec(4, "prompt_tuning", purpose="report", hyperparameters={"num_virtual_tokens": 5}),
        study.spec(5, "head_only", seed=2),
        study.spec(6, "prefix_tuning", seed=1),
        study.spec(7, "dylora", purpose="report"),
    ]
    for spec, told in zip(specs, study.together(*specs), strict=True):
        alone = study.alone(spec)
        assert "trains alone" not in told.log
        same(told, alone)
        if spec.purpose == "report":
            assert told.predictions().predicted == alone.predictions().predicted
        measured = [{e.metric: e.value for e in t.events if isinstance(e, Measurement)} for t in (told, alone)]
        assert measured[0] == pytest.approx(measured[1])


def test_the_time_of_a_shared_step_is_no_run_s(study: Study) -> None:
    told, other = study.together(study.spec(1, "lora"), study.spec(2, "ia3"))
    assert told.result.train_seconds is None
    assert told.result.environment["trained_together"] == 2
    for key in ("tokens_per_second", "peak_memory_bytes", "train_seconds"):
        assert told.series(key) == other.series(key) == []


def test_one_that_breaks_down_leaves_the_others_as_they_are(study: Study) -> None:
    good, bad = study.spec(1, "lora"), study.spec(2, "lora", learning_rate=1e30)
    told, broken = study.together(good, bad)
    assert isinstance(broken.end, RunFailed)
    assert "Lower the learning rate (it was 1e+30)" in str(broken.end)
    same(told, study.alone(good))


def test_one_that_is_paused_goes_on_alone_and_ends_with_the_same_numbers(study: Study) -> None:
    paused, other = study.spec(1, "lora"), study.spec(2, "bitfit")
    first, told = study.together(paused, other, pauses={1: 2})
    assert isinstance(first.end, RunPaused)
    same(told, study.alone(other))
    whole = study.alone(paused)
    again = Told()
    again.end = run(paused, again.events.append)
    assert again.series("train_loss") == pytest.approx(whole.series("train_loss"), rel=2e-3)
    assert again.result.train_seconds is None, "two of its steps were shared"
    assert again.result.environment["trained_together"] == 2


def test_one_that_was_paused_goes_on_together(study: Study) -> None:
    paused = study.spec(1, "lora")
    study.together(paused, study.spec(2, "ia3"), pauses={1: 3})
    again, _ = study.together(paused, study.spec(3, "adapter"))
    assert "resumed from the checkpoint of step 3" in again.log
    same(again, study.alone(paused))


def test_each_stops_early_by_itself(study: Study) -> None:
    budget = Budget(steps=12, batch_size=4, max_length=32, evaluations=6, patience=1)
    specs = [study.spec(1, "lora", budget=budget), study.spec(2, "head_only", budget=budget, learning_rate=1e-1)]
    for spec, told in zip(specs, study.together(*specs), strict=True):
        same(told, study.alone(spec))


def test_what_shares_no_passes_trains_alone_and_says_why(study: Study) -> None:
    full = study.spec(2, "full", learning_rate=1e-4)
    _, told = study.together(study.spec(1, "lora"), full)
    assert "trains alone: its method, budget or purpose does not share passes" in told.log
    assert "trained_together" not in told.result.environment
    assert told.result.train_seconds is not None
    same(told, study.alone(full))


def test_one_that_waits_to_train_alone_does_not_fall_silent(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "SIGN_OF_LIFE_SECONDS", 0.0)
    _, told = study.together(study.spec(1, "lora"), study.spec(2, "full", learning_rate=1e-4))
    assert "waits to train alone: 1 of its group still train" in told.log


def test_what_breaks_in_a_pass_sends_its_runs_their_own_ways(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    backward = SharedPass.backward
    passes = 0

    def breaking(self: SharedPass, turns: Any) -> list[float]:
        nonlocal passes
        passes += 1
        if passes == 3:
            raise RuntimeError("expected the unexpected")
        return backward(self, turns)

    monkeypatch.setattr(SharedPass, "backward", breaking)
    spec = study.spec(1, "lora")
    told, other = study.together(spec, study.spec(2, "ia3"))
    assert "trains alone: RuntimeError: expected the unexpected" in told.log
    assert other.result.validation_score is not None
    last = told.series("train_loss")[-STEPS:]
    assert last == pytest.approx(study.alone(spec).series("train_loss"))


def test_where_memory_runs_out_passes_get_smaller(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    backward = SharedPass.backward
    sizes: list[int] = []

    def in_little_memory(self: SharedPass, turns: Any) -> list[float]:
        sizes.append(len(turns))
        if len(turns) > 2:
            raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")
        return backward(self, turns)

    monkeypatch.setattr(SharedPass, "backward", in_little_memory)
    specs = [study.spec(place, "lora", learning_rate=1e-3 * place) for place in (1, 2, 3, 4)]
    told = study.together(*specs)
    assert sizes[:3] == [4, 2, 2]
    assert set(sizes[3:]) == {2}
    same(told[3], study.alone(specs[3]))


def test_what_a_pass_held_is_free_again_before_a_smaller_one_is_tried(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward = SharedPass.backward
    held: list[weakref.ref[torch.Tensor]] = []

    def in_little_memory(self: SharedPass, turns: Any) -> list[float]:
        assert all(activations() is None for activations in held)
        if len(turns) > 1:
            activations = torch.zeros(1_000)
            held.append(weakref.ref(activations))
            raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")
        return backward(self, turns)

    monkeypatch.setattr(SharedPass, "backward", in_little_memory)
    told = study.together(*(study.spec(place, "lora", learning_rate=1e-3 * place) for place in (1, 2, 3, 4)))
    assert all("trains alone" not in one.log for one in told)
    assert len(held) == 3, "four runs, then two and two"


def test_runs_that_do_not_fit_together_in_any_pass_go_on_alone(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: SharedPass, turns: Any) -> list[float]:
        raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")

    monkeypatch.setattr(SharedPass, "backward", none)
    told, _ = study.together(study.spec(1, "lora"), study.spec(2, "lora", seed=1))
    assert "trains alone: OutOfMemoryError" in told.log
    assert told.result.validation_score is not None


def test_a_run_that_ends_leaves_the_base_to_the_others_as_it_was(
    minilm: Path, tweets: TaskSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large model only some layers are looked at when a run has ended, and the others' tensors are everybody's."""
    monkeypatch.setattr(weight_change, "MOST_PARAMETERS", 1)
    study = Study(minilm, tweets, tmp_path)
    given: dict[str, Any] = {"purpose": "report", "hyperparameters": {"target_modules": "all_linear"}}
    specs = [study.spec(1, "lora", learning_rate=5e-2, **given), study.spec(2, "lora", learning_rate=3e-3, **given)]
    for spec, told in zip(specs, study.together(*specs), strict=True):
        assert "trains alone" not in told.log
        alone = study.alone(spec)
        assert told.predictions().scores == alone.predictions().scores
        measured = [(folder / SPECTRUM).read_text() for folder in (spec.folder, study.folder_alone(spec))]
        spectra = [Spectrum.model_validate_json(text) for text in measured]
        assert [layer.layer for layer in spectra[0].layers] == [layer.layer for layer in spectra[1].layers]
        assert spectra[0].looked_at.startswith("the first, the middle and the last")


def test_layers_that_each_seed_draws_anew_are_not_shared(two_layers: Path, tweets: TaskSpec, tmp_path: Path) -> None:
    """A checkpoint of a masked language model has no pooler."""
    base = shutil.copytree(two_layers, tmp_path / "no-pooler")
    AutoModel.from_pretrained(str(two_layers), add_pooling_layer=False).save_pretrained(base)
    (tmp_path / "runs").mkdir()
    study = Study(base, tweets, tmp_path / "runs")
    specs = [study.spec(1, "lora"), study.spec(2, "lora", seed=1)]
    first, second = study.together(*specs)
    assert "trains alone" not in first.log
    assert "is not in the base model's files, and each seed draws its own" in second.log
    for spec, told in zip(specs, (first, second), strict=True):
        same(told, study.alone(spec))


def test_a_base_that_drops_out_of_something_else_than_rows_of_texts_is_not_shared(
    two_layers: Path, tweets: TaskSpec, tmp_path: Path
) -> None:
    """OPT flattens rows and positions before it drops: masks would be no run's own, which a loss in bf16 does not
    show."""
    base = shutil.copytree(two_layers, tmp_path / "opt")
    (base / "model.safetensors").unlink()
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "ffn_dim": 128, "word_embed_proj_dim": 64, "num_hidden_layers": 2}
    given = {"num_attention_heads": 4, "vocab_size": 30_522, "max_position_embeddings": 128, "pad_token_id": 0}
    AutoModel.from_config(AutoConfig.for_model("opt", **shape, **given)).save_pretrained(base)  # type: ignore[no-untyped-call]
    (tmp_path / "runs").mkdir()
    study = Study(base, tweets, tmp_path / "runs")
    told = study.together(*(study.spec(seed, "lora", seed=seed, precision="bf16") for seed in (1, 2)))
    assert all("trains alone: this base model drops out of" in one.log for one in told)


def test_what_came_with_the_base_and_is_trained_is_each_run_s_own(study: Study) -> None:
    """BitFit trains biases of the base: its own copies of them."""
    specs = [study.spec(1, "bitfit"), study.spec(2, "lora"), study.spec(3, "bitfit", seed=1)]
    told = study.together(*specs)
    for spec, mine in zip(specs, told, strict=True):
        same(mine, study.alone(spec))


def test_a_configuration_whose_loss_would_be_another_trains_alone(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fuse that forgets something is found before the first step; the other configuration goes on in company."""
    from peft_core.methods.dora import Dora

    monkeypatch.setattr(Dora, "fuse", lambda _self, _models: Graft(outputs={"bert.encoder.layer.0.output.dense": less}))

    def less(_read: torch.Tensor, answered: torch.Tensor) -> torch.Tensor:
        return answered * 0.5

    wrong, right = study.spec(1, "dora"), study.spec(2, "lora")
    told, other = study.together(wrong, right)
    assert "trains alone: a loss would be" in told.log
    same(told, study.alone(wrong))
    assert other.result.environment["trained_together"] == 1
    same(other, study.alone(right))


def nothing(_read: torch.Tensor, answered: torch.Tensor) -> torch.Tensor:
    return answered * float("nan")


def steeper(_read: torch.Tensor, answered: torch.Tensor) -> torch.Tensor:
    """The same numbers, with twice the gradient."""
    return 2 * answered - answered.detach()


@pytest.mark.parametrize(
    ("change", "why"),
    [(nothing, "a loss would be nan together"), (steeper, "its gradients would be")],
    ids=["no numbers", "other gradients"],
)
def test_what_a_loss_alone_would_not_show_is_found_too(
    study: Study, monkeypatch: pytest.MonkeyPatch, change: Any, why: str
) -> None:
    from peft_core.methods.ia3 import IA3

    fuse = IA3.fuse
    path = "bert.encoder.layer.1.output.dense"

    def changed(self: IA3, models: Any) -> Graft:
        graft = fuse(self, models)
        return replace(graft, outputs={**graft.outputs, path: change})

    monkeypatch.setattr(IA3, "fuse", changed)
    wrong, right = study.spec(1, "ia3"), study.spec(2, "lora")
    told, other = study.together(wrong, right)
    assert f"trains alone: {why}" in told.log
    same(told, study.alone(wrong))
    same(other, study.alone(right))


def test_a_method_or_a_base_that_cannot_share_after_all_sends_runs_their_own_ways(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft_core.methods.ia3 import IA3

    def refuse(*_args: object) -> None:
        raise CannotShare("it lies beside the transformer")

    with monkeypatch.context() as patch:
        patch.setattr(IA3, "fuse", refuse)
        told, other = study.together(study.spec(1, "ia3"), study.spec(2, "lora"))
    assert "trains alone: it lies beside the transformer" in told.log
    assert "trains alone" not in other.log
    monkeypatch.setattr(SharedPass, "__init__", refuse)
    for one in study.together(study.spec(3, "ia3"), study.spec(4, "lora")):
        assert "trains alone: it lies beside the transformer" in one.log
        assert one.result.validation_score is not None
    (alone,) = study.together(study.spec(5, "full", learning_rate=1e-4))
    assert "does not share passes" in alone.log
