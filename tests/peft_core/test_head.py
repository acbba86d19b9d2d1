"""Which layers are the task head."""

import pytest

from peft_core.head import is_head


@pytest.mark.parametrize(
    "name",
    [
        "classifier.weight",
        "classifier.out_proj.bias",
        "score.weight",
        "pre_classifier.weight",
        "pooler.dense.weight",
        "head.norm.weight",
        "classification_head.dense.weight",
        "base_model.model.classifier.modules_to_save.default.weight",
        "base_model.classifier.original_module.weight",
        "base_model.model.score.weight",
    ],
)
def test_what_lies_beside_the_base_is_the_head(name: str) -> None:
    assert is_head(name)


@pytest.mark.parametrize(
    "name",
    [
        "bert.pooler.dense.weight",
        "base_model.model.bert.pooler.dense.weight",
        "bert.encoder.layer.0.output.dense.adapter.down.weight",
        "model.layers.0.self_attn.q_proj.weight",
        "base_model.model.model.layers.0.mlp.head.weight",
        "prompt_encoder.default.embedding.weight",
        "prompt_embeddings",
        "",
    ],
)
def test_what_lies_inside_the_base_or_the_adapter_is_not(name: str) -> None:
    assert not is_head(name)
