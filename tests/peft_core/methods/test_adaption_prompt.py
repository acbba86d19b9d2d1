"""Adaption prompt: a gated second attention beside a layer's own, in the top layers of a Llama."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from peft_core.errors import InvalidHyperparameter, NotOffered
from peft_core.method import build_method
from peft_core.model_shape import ModelShape, read_model_shape
from peft_core.training import split_head

LoadClassifier = Callable[[Path], nn.Module]
N, LAYERS, HEADS, WIDTH = 3, 2, 4, 64
TOKENS = torch.tensor([[2, 17, 30, 41, 3]])


@pytest.fixture
def model(small_base: Callable[[str], Path], load_classifier: LoadClassifier) -> Any:
    """Of two layers the top one has a prompt, its gate half open."""
    method = build_method("adaption_prompt", {"num_virtual_tokens": N, "layers": 1})
    torch.manual_seed(0)
    attached: Any = method.attach(load_classifier(small_base("llama")), task_kind="classification", total_steps=1)
    with torch.no_grad():
        attached.get_submodule("base_model.model.model.layers.1.self_attn").adaption_gate.fill_(0.5)
    return attached


def test_the_prompt_is_attended_to_beside_the_text_and_let_in_by_its_gate(model: Any) -> None:
    """The layer's own attention + W_o (gate * softmax(q k_p^T / sqrt(d_head)) v_p); prompts do not turn by position."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    adapted = model.get_submodule("base_model.model.model.layers.1.self_attn")
    own, prompt, head = adapted.model, adapted.adaption_prompt, WIDTH // HEADS
    seen: list[tuple[Any, Any]] = []
    adapted.register_forward_hook(lambda _, args, kwargs, output: seen.append((kwargs, output[0])), with_kwargs=True)
    with torch.no_grad():
        model(input_ids=TOKENS, use_cache=False)
        kwargs, answered = seen[0]
        hidden = kwargs["hidden_states"]
        query = own.q_proj(hidden).view(1, 5, HEADS, head).transpose(1, 2)
        query, _ = apply_rotary_pos_emb(query, query, *kwargs["position_embeddings"])
        key, value = (
            projection(prompt).view(1, N, 2, head).transpose(1, 2).repeat_interleave(2, dim=1)
            for projection in (own.k_proj, own.v_proj)
        )
        scores = 0.5 * (query @ key.transpose(-1, -2) / head**0.5).softmax(dim=-1)
        beside = own.o_proj((scores @ value).transpose(1, 2).reshape(1, 5, WIDTH))
        assert torch.allclose(answered, own(**kwargs)[0] + beside, atol=1e-6)


def test_only_the_top_layer_s_prompt_and_the_head_train(model: Any) -> None:
    adapter, head = split_head(model)
    assert sum(parameter.numel() for parameter in adapter) == N * WIDTH + 1
    assert sum(parameter.numel() for parameter in head) == 2 * WIDTH


def test_unloaded_every_layer_has_its_own_attention_again(
    model: Any, small_base: Callable[[str], Path], load_classifier: LoadClassifier
) -> None:
    base = load_classifier(small_base("llama"))
    given: Any = build_method("adaption_prompt", {"layers": 1}).unload(model)
    assert [type(module) for module in given.modules()] == [type(module) for module in base.modules()]
    assert torch.equal(given(input_ids=TOKENS).logits, base(input_ids=TOKENS).logits)


def test_the_count_is_that_which_hugging_face_published_for_llama_3b() -> None:
    """adaptionprompt--llama-3.2-3B: 100 vectors of 3,072 and a gate in each of 28 layers."""
    shape = ModelShape("llama", 3072, 28, 24, 1024, 8192, 128256, 131072, {})
    method = build_method("adaption_prompt", {"num_virtual_tokens": 100})
    assert method.trainable_parameters(shape) == 8_601_628


def test_it_is_refused_where_peft_does_not_know_the_attention(small_base: Callable[[str], Path]) -> None:
    with pytest.raises(NotOffered, match="not offered for bert models"):
        build_method("adaption_prompt", {}).check(
            read_model_shape(small_base("bert")), task_kind="classification", max_length=16
        )


def test_more_layers_than_the_base_has_are_refused(small_base: Callable[[str], Path]) -> None:
    with pytest.raises(InvalidHyperparameter, match="layers is 3: at most 2"):
        build_method("adaption_prompt", {"layers": LAYERS + 1}).check(
            read_model_shape(small_base("llama")), task_kind="classification", max_length=16
        )
