"""What is different on a CUDA device: autocast, its memory counter, its clock, 4-bit weights. Skipped without one."""

from pathlib import Path

import pytest
import torch

from peft_core.device import peak_bytes, pick_device, reset_peak, synchronize
from peft_core.metric import metrics
from peft_core.precision import probe_precision
from peft_core.run import run
from peft_core.spec import Budget, Event, Measurement, PrecisionChosen, RunSpec, TaskSpec
from peft_core.tasks.classification import Classification

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

MIB = 2**20


def measured(
    method: str, minilm: Path, tweets: TaskSpec, folder: Path
) -> tuple[dict[str, Measurement], PrecisionChosen | None]:
    """What a cost probe of a method measures on the device, and the precision that it chose."""
    spec = RunSpec(
        run_id=1,
        purpose="probe",
        base_model=minilm,
        base_model_sha256="0" * 64,
        task=tweets,
        method=method,
        learning_rate=1e-3,
        seed=0,
        budget=Budget(steps=6, batch_size=8, max_length=64),
        metrics=tuple(metrics("classification")),
        folder=folder,
    )
    events: list[Event] = []
    result = run(spec, events.append)
    assert result.environment["device"] == "cuda"
    found = {event.metric: event for event in events if isinstance(event, Measurement)}
    return found, next((event for event in events if isinstance(event, PrecisionChosen)), None)


@pytest.mark.parametrize("method", ["full", "lora", "adapter", "prefix_tuning", "qlora"])
def test_a_probe_measures_on_the_device(method: str, minilm: Path, tweets: TaskSpec, tmp_path: Path) -> None:
    found, chosen = measured(method, minilm, tweets, tmp_path)
    assert chosen is not None
    for key in ("training_speed", "inference_latency", "peak_memory"):
        value = found[key].value
        assert value is not None
        assert value > 0, key
    assert found["peak_memory"].detail["counter"] == "allocated on the device"


def test_the_peak_is_what_was_allocated_since_the_reset() -> None:
    device = pick_device()
    held = torch.empty(64 * MIB, dtype=torch.uint8, device=device)
    before = torch.cuda.memory_allocated(device)
    del held
    assert reset_peak(device)
    more = torch.empty(16 * MIB, dtype=torch.uint8, device=device)
    synchronize(device)
    peak = peak_bytes(device)
    assert peak is not None
    assert before - 64 * MIB + 16 * MIB <= peak < before
    del more


def test_bf16_is_chosen_by_measuring_it(minilm: Path, tweets: TaskSpec) -> None:
    from peft_core.data import read_splits

    device = pick_device()
    model = Classification.load_model(tweets, str(minilm)).to(device).eval()
    from transformers import AutoTokenizer

    items = Classification.tokenise(
        read_splits(tweets, Classification).train, tweets, AutoTokenizer.from_pretrained(str(minilm)), 64
    )
    chosen = probe_precision(model, Classification, items, 32, 0, device)
    assert chosen.bf16_step_seconds is not None
    assert chosen.precision == ("bf16" if chosen.bf16_step_seconds < chosen.fp32_step_seconds else "fp32")


def test_a_4_bit_base_is_smaller_on_the_device(minilm: Path, tweets: TaskSpec) -> None:
    from peft_core.method import build_method

    qlora, device = build_method("qlora", {}), pick_device()
    sizes = []
    for options in ({}, qlora.load_options()):
        before = torch.cuda.memory_allocated(device)
        model = Classification.load_model(tweets, str(minilm), **options).to(device)
        sizes.append(torch.cuda.memory_allocated(device) - before)
        del model
    whole, in_4_bits = sizes
    assert in_4_bits < whole
