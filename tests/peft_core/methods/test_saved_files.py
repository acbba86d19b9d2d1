"""The files a method leaves: peft reads those of its own methods, and ours refuse a model they do not fit."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from peft_core.errors import NotOffered
from peft_core.method import build_method, methods
from peft_core.methods._peft import PeftMethod
from peft_core.model_shape import read_model_shape

KIND = "classification"

LoadClassifier = Callable[[Path], nn.Module]


@pytest.fixture
def base(small_base: Callable[[str], Path], load_classifier: LoadClassifier) -> Callable[[], nn.Module]:
    """Makes a fresh small BERT with its head."""
    folder = small_base("bert")
    return lambda: load_classifier(folder)


# RandLoRA's file holds what all layers share once: peft fills every layer from it, and says what it did not find.
@pytest.mark.filterwarnings("ignore:Found missing adapter keys:UserWarning")
# LN tuning's wraps norms: peft says that they are no linear layers.
@pytest.mark.filterwarnings("ignore:Unsupported layer type:UserWarning")
@pytest.mark.parametrize("name", [name for name, method in methods().items() if issubclass(method, PeftMethod)])
def test_peft_itself_loads_what_a_peft_method_saved(
    name: str, base: Callable[[], nn.Module], small_base: Callable[[str], Path], tmp_path: Path
) -> None:
    from peft import PeftConfig, PeftModel

    method = build_method(name, {})
    try:
        method.check(read_model_shape(small_base("bert")), task_kind=KIND, max_length=8)
    except NotOffered as reason:
        pytest.skip(f"not offered here: {reason}")
    model = method.attach(base(), task_kind=KIND, total_steps=1)
    method.save(model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert PeftConfig.from_pretrained(str(tmp_path)).task_type == "SEQ_CLS"
    loaded = PeftModel.from_pretrained(base(), str(tmp_path)).eval()
    tokens = torch.tensor([[2, 17, 30, 3]])
    with torch.no_grad():
        found, expected = loaded(input_ids=tokens).logits, model(input_ids=tokens).logits
    # What replaced the base's weights adds up in another order on the base as it was.
    assert torch.allclose(found, expected, atol=1e-5) if method.rewrites_base else torch.equal(found, expected)


def test_lora_s_configuration_is_the_same_text_in_every_process(base: Callable[[], nn.Module], tmp_path: Path) -> None:
    """A list of names would be written in the order of a set of strings, which every process hashes anew."""
    method = build_method("lora", {})
    method.save(method.attach(base(), task_kind=KIND, total_steps=1), tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    assert isinstance(config["target_modules"], str)


def test_an_untuned_model_leaves_no_file(base: Callable[[], nn.Module], tmp_path: Path) -> None:
    method = build_method("untuned", {})
    method.save(method.attach(base(), task_kind=KIND, total_steps=0), tmp_path / "adapter")
    assert list((tmp_path / "adapter").iterdir()) == []


def test_an_adapter_saved_for_other_positions_is_refused(base: Callable[[], nn.Module], tmp_path: Path) -> None:
    """Loaded in part, the adapters left out would keep their random start unnoticed."""
    saved = build_method("adapter", {"position": "after_ffn"})
    saved.save(saved.attach(base(), task_kind=KIND, total_steps=1), tmp_path)
    other = build_method("adapter", {"position": "both"})
    with pytest.raises(ValueError, match="not saved from this model and method"):
        other.load(base(), tmp_path, task_kind=KIND)
