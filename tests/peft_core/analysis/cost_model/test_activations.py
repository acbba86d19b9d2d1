"""What the formulas say that autograd keeps is what it keeps: by hand, and counted on real models."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from peft_core.analysis.cost_model.activations import attention_half, feed_forward_half
from peft_core.analysis.cost_model.forward_pass import forward_pass
from peft_core.analysis.cost_model.memory import LOGIT_BYTES, Memory
from peft_core.analysis.cost_model.setting import Setting
from peft_core.method import build_method
from peft_core.spec import Precision
from peft_core.task import task_kind
from peft_core.training import autocast

MakeSetting = Callable[..., Setting]

ROWS, LENGTH, VOCABULARY = 4, 48, 99
SMALL: dict[str, Any] = {
    "hidden_size": 96,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "intermediate_size": 160,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
GROUPED = SMALL | {"num_key_value_heads": 2, "head_dim": 32}
GPT2: dict[str, Any] = {"n_embd": 96, "n_layer": 6, "n_head": 4, "n_positions": 64, "vocab_size": VOCABULARY}
T5: dict[str, Any] = {"d_model": 96, "d_kv": 24, "d_ff": 160, "num_layers": 6, "num_heads": 4, "vocab_size": VOCABULARY}
MODELS: dict[str, dict[str, Any]] = {
    **{name: {"model_type": name} | SMALL for name in ("bert", "roberta", "mpnet", "modernbert", "opt")},
    "electra": {"model_type": "electra", "embedding_size": 96} | SMALL,
    "albert": {"model_type": "albert", "embedding_size": 96} | SMALL,
    "distilbert": {"model_type": "distilbert", "dim": 96, "n_layers": 6, "n_heads": 4, "hidden_dim": 160}
    | {"vocab_size": VOCABULARY, "pad_token_id": 0},
    "deberta-v2": {"model_type": "deberta-v2", "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
    | {"position_buckets": 16}
    | SMALL,
    **{name: {"model_type": name} | GROUPED for name in ("llama", "mistral", "qwen3", "gemma", "gemma2")},
    **{name: {"model_type": name, "num_key_value_heads": 2} | SMALL for name in ("qwen2", "phi3", "olmo2")},
    "gpt2": {"model_type": "gpt2", "pad_token_id": 0} | GPT2,
    "gpt2 with fused gelu": {"model_type": "gpt2", "pad_token_id": 0, "activation_function": "gelu"} | GPT2,
    "t5": {"model_type": "t5", "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0} | T5,
}
KINDS: dict[str, Any] = {
    "classification": AutoModelForSequenceClassification,
    "token_classification": AutoModelForTokenClassification,
    "causal_lm": AutoModelForCausalLM,
}


def built(config: dict[str, Any], kind: str) -> nn.Module:
    torch.manual_seed(0)
    # Kinds of task with a head load their base with eager attention.
    options = {} if kind == "causal_lm" else {"attn_implementation": "eager"}
    model: nn.Module = KINDS[kind].from_config(AutoConfig.for_model(**config), **options)
    return model


def batch(config: dict[str, Any], kind: str, vocabulary: int) -> dict[str, torch.Tensor]:
    """Texts of one length, the last token of the first one padding, so that there is a mask."""
    tokens = torch.randint(5, vocabulary, (ROWS, LENGTH))
    mask = torch.ones_like(tokens)
    mask[0, -1], tokens[0, -1] = 0, 0
    if "eos_token_id" in config:
        tokens[:, -2] = config["eos_token_id"]
    labels = torch.zeros(ROWS, dtype=torch.long) if kind == "classification" else tokens.masked_fill(mask == 0, -100)
    return {
        "input_ids": tokens,
        "attention_mask": mask,
        "labels": labels.clamp(max=1) if kind == "token_classification" else labels,
    }


def kept_bytes(model: nn.Module, kind: str, inputs: dict[str, torch.Tensor], precision: Precision) -> int:
    """What autograd holds after a forward pass beside the parameters, each storage once."""
    own = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
    seen: dict[int, int] = {}
    held = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        held.append(tensor)
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        autocast(torch.device("cpu"), precision),
    ):
        loss = task_kind(kind).loss(model, inputs)
    assert loss.requires_grad
    return sum(seen.values())


def compared(
    setting: MakeSetting, config: dict[str, Any], method: str, kind: str, precision: Precision
) -> tuple[float, int]:
    """Predicted and counted bytes of one pass."""
    model = build_method(method, {}).attach(built(config, kind).eval(), task_kind=kind, total_steps=10).train()
    counted = kept_bytes(model, kind, batch(config, kind, config["vocab_size"]), precision)
    budget = {"batch_size": ROWS, "max_length": LENGTH}
    asked = setting(method, config, budget=budget, task_kind=kind, precision=precision)
    logits = Memory(asked).logits / LOGIT_BYTES * 4
    return forward_pass(asked).kept + logits, counted


def test_a_gpt2_like_layer_in_16_bits_keeps_34_sbh_and_5_as2b(setting: MakeSetting) -> None:
    # Korthikanti et al. 2022, equation 1: dropout, fused GELU, everything in 16 bits, four times the width inside.
    config = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "activation_function": "gelu"}
    rows, length, width, heads = 4, 512, 768, 12
    asked = setting(
        "full",
        config,
        budget={"batch_size": rows, "max_length": length},
        weight_bytes=2,
        device="cuda",
    )
    layers = forward_pass(asked).kept - top_and_embeddings(asked)
    assert layers / 12 == 34 * length * rows * width + 5 * heads * length**2 * rows


def top_and_embeddings(asked: Setting) -> float:
    """Of GPT-2's classifier: the last norm's input and what the head reads, and the dropout of the embeddings."""
    return asked.tokens * asked.base.hidden_size * (2 + 2 + 1)


def test_a_frozen_layer_keeps_no_inputs_of_its_linear_layers(setting: MakeSetting) -> None:
    # BERT in float32 on a CPU, per token: queries, keys, values 3 d, what the two dropouts draw 2 d, what two norms
    # read 2 d, what GELU reads 4 d; per score: softmax, what dropout draws, and what comes out of it.
    asked = setting("bitfit")
    width, tokens, scores = 384, 8 * 64, 8 * 12 * 64 * 64
    layer = attention_half(asked) + feed_forward_half(asked)
    assert layer.kept == 4 * (11 * width * tokens + 3 * scores)
    # With trained weights also what they are multiplied with: two norms' outputs, attention's and GELU's.
    trained = setting("full")
    own = forward_pass(trained).kept - 4 * 2 * width * tokens  # the embeddings' norm and dropout
    assert own == 6 * (layer.kept + 4 * 7 * width * tokens)


@pytest.mark.parametrize("name", MODELS)
def test_full_fine_tuning_keeps_what_is_counted(setting: MakeSetting, name: str) -> None:
    predicted, counted = compared(setting, MODELS[name], "full", "classification", "fp32")
    assert predicted == pytest.approx(counted, rel=0.025)


@pytest.mark.parametrize("name", ["bert", "distilbert", "modernbert", "llama", "gemma2", "qwen2", "opt", "t5"])
def test_mixed_precision_keeps_casts_beside_what_stays_wide(setting: MakeSetting, name: str) -> None:
    predicted, counted = compared(setting, MODELS[name], "full", "classification", "bf16")
    assert predicted == pytest.approx(counted, rel=0.025)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "causal_lm") for name in ("llama", "qwen2", "gpt2", "gemma2")),
        *((name, "token_classification") for name in ("bert", "modernbert", "t5")),
    ],
)
def test_language_models_and_token_heads(setting: MakeSetting, name: str, kind: str) -> None:
    predicted, counted = compared(setting, MODELS[name], "full", kind, "fp32")
    assert predicted == pytest.approx(counted, rel=0.04)


@pytest.mark.parametrize(
    ("method", "tolerance"),
    [
        *((name, 0.08) for name in ("lora", "adalora", "dora", "lora_fa", "pissa", "adapter", "adapter_lora")),
        *((name, 0.08) for name in ("prefix_tuning", "p_tuning_v2", "prompt_tuning", "p_tuning", "ia3", "bitfit")),
        *((name, 0.08) for name in ("ln_tuning", "vera", "loha", "hra", "road", "fourierft")),
        # Its butterfly factors are built by products of which the model counts the last.
        ("boft", 0.12),
    ],
)
def test_every_family_of_methods_keeps_what_is_counted(setting: MakeSetting, method: str, tolerance: float) -> None:
    # As wide and deep as MiniLM, so that whole matrices weigh against tokens as they do there.
    config = {"model_type": "bert", "pad_token_id": 0} | SMALL | {"hidden_size": 384, "intermediate_size": 1536}
    config |= {"num_attention_heads": 12, "max_position_embeddings": 512}
    predicted, counted = compared(setting, config, method, "classification", "fp32")
    assert predicted == pytest.approx(counted, rel=tolerance)


@pytest.mark.parametrize("name", ["bert", "llama", "phi3", "t5"])
def test_lora_on_other_architectures(setting: MakeSetting, name: str) -> None:
    # The first layer keeps a little less, for nothing before it trains; six layers are few.
    predicted, counted = compared(setting, MODELS[name], "lora", "classification", "fp32")
    assert predicted == pytest.approx(counted, rel=0.05)
