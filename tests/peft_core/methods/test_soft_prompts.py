"""Prompts in front of the text and of every layer's keys, against the same sums written out: where virtual tokens
stand, what the head and the loss see of them, how many numbers they are, and what is refused."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from peft_core.data import Item
from peft_core.errors import InvalidHyperparameter, NotOffered
from peft_core.method import build_method
from peft_core.model_shape import ModelShape, read_model_shape
from peft_core.task import task_kind
from peft_core.tasks._language import Continuation
from peft_core.training import split_head

N, WIDTH, POSITIONS = 3, 64, 128
TOKENS = torch.tensor([[2, 17, 30, 41, 3], [2, 8, 3, 1, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
BATCH = {"input_ids": TOKENS, "attention_mask": MASK}
SEEN = torch.cat([torch.ones(2, N, dtype=torch.long), MASK], dim=1)
INPUT_PROMPTS = ("prompt_tuning", "p_tuning")
PROMPTS = (*INPUT_PROMPTS, "prefix_tuning", "p_tuning_v2")


def load(kind: Any, folder: Path, **options: Any) -> Any:
    torch.manual_seed(1)
    model = kind.from_pretrained(str(folder), attn_implementation="eager", dtype=torch.float32, **options)
    return model.eval()


def prompted(name: str, base: nn.Module, task_kind: str, **hyperparameters: Any) -> Any:
    torch.manual_seed(0)
    method = build_method(name, {"num_virtual_tokens": N} | hyperparameters)
    return method.attach(base, task_kind=task_kind, total_steps=1).eval()


def read_by_hand(base: Any, model: Any) -> torch.Tensor:
    """The hidden states of the bare base transformer for prompt and text, virtual positions included."""
    embedded = base.get_input_embeddings()(TOKENS)
    rows = model.base_model.virtual_tokens.prompt.expand(2, -1, -1)
    hidden: torch.Tensor = base(inputs_embeds=torch.cat([rows, embedded], dim=1), attention_mask=SEEN).last_hidden_state
    return hidden


# -- where virtual tokens stand --------------------------------------------------------------------------------------


def test_virtual_tokens_take_the_first_positions_and_the_text_those_behind(small_base: Callable[[str], Path]) -> None:
    base = load(AutoModelForSequenceClassification, small_base("bert"))
    model = prompted("prompt_tuning", base, "classification")
    embeddings = model.bert.embeddings
    seen: list[torch.Tensor] = []
    embeddings.LayerNorm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(**BATCH, token_type_ids=torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0]]))
    words = torch.cat([model.bert.virtual_tokens.rows.expand(2, -1, -1), embeddings.word_embeddings.weight[TOKENS]], 1)
    segments = torch.tensor([[0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 0, 0]])
    places = embeddings.position_embeddings.weight[: N + 5]
    assert torch.allclose(seen[0], words + places + embeddings.token_type_embeddings.weight[segments], atol=1e-6)


@pytest.mark.parametrize("name", INPUT_PROMPTS)
def test_an_encoder_answers_from_cls_behind_the_prompt(name: str, small_base: Callable[[str], Path]) -> None:
    base = load(AutoModelForSequenceClassification, small_base("bert"))
    bare = copy.deepcopy(base.bert)
    model = prompted(name, base, "classification")
    first_of_text = read_by_hand(bare, model)[:, N]
    expected = model.classifier(bare.pooler.dense(first_of_text).tanh())
    assert torch.allclose(model(**BATCH).logits, expected, atol=1e-6)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_decoder_answers_from_the_last_token_and_not_from_padding(
    architecture: str, small_base: Callable[[str], Path]
) -> None:
    base = load(AutoModelForSequenceClassification, small_base(architecture))
    bare = copy.deepcopy(base.base_model)
    model = prompted("prompt_tuning", base, "classification")
    hidden = read_by_hand(bare, model)
    last = torch.stack([hidden[0, N + 4], hidden[1, N + 2]])
    assert torch.allclose(model(**BATCH).logits, model.score(last), atol=1e-6)


def test_tags_are_read_from_the_text_s_own_positions(small_base: Callable[[str], Path]) -> None:
    base = load(AutoModelForTokenClassification, small_base("bert"), num_labels=4)
    bare = copy.deepcopy(base.bert)
    model = prompted("prompt_tuning", base, "token_classification")
    logits = model(**BATCH).logits
    assert logits.shape == (2, 5, 4)
    assert torch.allclose(logits, model.classifier(read_by_hand(bare, model)[:, N:]), atol=1e-6)


def test_every_choice_is_read_behind_the_prompt(small_base: Callable[[str], Path]) -> None:
    base = load(AutoModelForMultipleChoice, small_base("bert"))
    bare = copy.deepcopy(base.bert)
    model = prompted("prompt_tuning", base, "multiple_choice")
    scores = model(input_ids=TOKENS[None], attention_mask=MASK[None]).logits
    first_of_text = read_by_hand(bare, model)[:, N]
    assert torch.allclose(scores, model.classifier(bare.pooler.dense(first_of_text).tanh()).T, atol=1e-6)


# -- language models: the loss and what is generated -----------------------------------------------------------------


@pytest.mark.parametrize("name", PROMPTS)
def test_virtual_tokens_are_no_part_of_the_loss(name: str, small_decoder: Path) -> None:
    """Two predicted tokens of one item and one of the other: the mean over three, whatever stands in front."""
    task = task_kind("instruction")
    items = [Item(0, (2, 17, 30, 41), Continuation(start=2)), Item(1, (2, 8, 3), Continuation(start=2))]
    model = prompted(name, load(AutoModelForCausalLM, small_decoder), "instruction")
    with torch.no_grad():
        alone = [model(input_ids=torch.tensor([item.tokens])).logits[0, -len(item.tokens) :] for item in items]
        losses = [
            functional.cross_entropy(alone[0][1:3], torch.tensor([30, 41]), reduction="sum"),
            functional.cross_entropy(alone[1][1:2], torch.tensor([3]), reduction="sum"),
        ]
        loss = task.loss(model, task.collate(items, 1))
    assert torch.allclose(loss, sum(losses, torch.zeros(())) / 3, atol=1e-6)


def test_a_prompt_changes_what_a_language_model_says(small_decoder: Path) -> None:
    base = load(AutoModelForCausalLM, small_decoder)
    bare = copy.deepcopy(base)
    model = prompted("prompt_tuning", base, "causal_lm")
    hidden = read_by_hand(bare.model, model)
    assert torch.allclose(model(**BATCH).logits, bare.lm_head(hidden[:, N:]), atol=1e-5)


@pytest.mark.parametrize("name", PROMPTS)
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.filterwarnings("ignore:Position ids are not supported")
def test_decoded_with_a_cache_it_writes_what_it_would_without(
    name: str, architecture: str, small_base: Callable[[str], Path]
) -> None:
    model = prompted(name, load(AutoModelForCausalLM, small_base(architecture)), "generation")
    prompts = torch.tensor([[2, 20, 30], [2, 9, 33]])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)  # Random weights this small would say one token for ever.
        written = model.generate(
            input_ids=prompts,
            attention_mask=torch.ones_like(prompts),
            do_sample=False,
            max_new_tokens=8,
            eos_token_id=None,
        )
        again = prompts
        for _ in range(8):
            logits = model(input_ids=again, attention_mask=torch.ones_like(again)).logits
            again = torch.cat([again, logits[:, -1].argmax(dim=-1, keepdim=True)], dim=1)
    assert written.tolist() == again.tolist()


# -- how a prompt begins and how it is made --------------------------------------------------------------------------


def test_a_prompt_begins_as_tokens_of_the_vocabulary(small_base: Callable[[str], Path]) -> None:
    base = load(AutoModelForSequenceClassification, small_base("bert"))
    table = base.get_input_embeddings().weight.detach().clone()
    model = prompted("prompt_tuning", base, "classification")
    assert all(any(torch.equal(row, token) for token in table) for row in model.bert.virtual_tokens.rows)


def test_a_prompt_begins_as_the_words_of_a_text(minilm: Path) -> None:
    """ "good movie" is tokens 2204 and 3185 of BERT's vocabulary, repeated to five."""
    base = load(AutoModelForSequenceClassification, minilm)
    model = prompted("prompt_tuning", base, "classification", num_virtual_tokens=5, init="text", init_text="good movie")
    expected = base.get_input_embeddings().weight[[2204, 3185, 2204, 3185, 2204]]
    assert torch.equal(model.bert.virtual_tokens.rows, expected)


def test_a_random_prompt_is_as_spread_as_the_base_s_own_embeddings(small_base: Callable[[str], Path]) -> None:
    """BERT draws its table from N(0, 0.02^2)."""
    base = load(AutoModelForSequenceClassification, small_base("bert"))
    model = prompted("prompt_tuning", base, "classification", num_virtual_tokens=100, init="random")
    assert model.bert.virtual_tokens.rows.std().item() == pytest.approx(0.02, rel=0.05)


def test_p_tuning_makes_its_prompt_by_an_mlp_and_stores_the_prompt_alone(
    small_base: Callable[[str], Path], tmp_path: Path
) -> None:
    """P = W_2 relu(W_1 E + b_1) + b_2 with one hidden layer."""
    from safetensors.torch import load_file

    base = load(AutoModelForSequenceClassification, small_base("bert"))
    model = prompted("p_tuning", base, "classification", encoder_hidden_size=5, encoder_layers=1)
    tokens = model.bert.virtual_tokens
    weights = {name: parameter.detach() for name, parameter in tokens.named_parameters()}
    hidden = (weights["rows"] @ weights["encoder.0.weight"].T + weights["encoder.0.bias"]).relu()
    expected = hidden @ weights["encoder.2.weight"].T + weights["encoder.2.bias"]
    build_method("p_tuning", {"num_virtual_tokens": N}).save(model, tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    assert saved.keys() == {"bert.virtual_tokens.rows", "classifier.weight", "classifier.bias"}
    assert torch.allclose(saved["bert.virtual_tokens.rows"], expected, atol=1e-6)


def test_p_tuning_s_lstm_reads_the_prompt_in_both_directions(small_base: Callable[[str], Path]) -> None:
    """One layer written out: gates i, f, g, o; c = f c + i g; h = o tanh(c); then the MLP of both directions' h."""
    base = load(AutoModelForSequenceClassification, small_base("bert"))
    model = prompted("p_tuning", base, "classification", encoder="lstm", encoder_hidden_size=4, encoder_layers=1)
    tokens = model.bert.virtual_tokens
    lstm, mlp, rows = tokens.encoder.lstm, tokens.encoder.mlp, tokens.rows

    def direction(ending: str, order: list[int]) -> torch.Tensor:
        w_ih, w_hh, b_ih, b_hh = (getattr(lstm, f"{name}_l0{ending}") for name in WEIGHTS_OF_A_DIRECTION)
        hidden, cell = torch.zeros(4), torch.zeros(4)
        found: dict[int, torch.Tensor] = {}
        for place in order:
            i, f, g, o = (w_ih @ rows[place] + b_ih + w_hh @ hidden + b_hh).chunk(4)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * cell.tanh()
            found[place] = hidden
        return torch.stack([found[place] for place in range(N)])

    both = torch.cat([direction("", [0, 1, 2]), direction("_reverse", [2, 1, 0])], dim=1)
    expected = (both @ mlp[0].weight.T + mlp[0].bias).relu() @ mlp[2].weight.T + mlp[2].bias
    assert torch.allclose(tokens.prompt, expected, atol=1e-6)


WEIGHTS_OF_A_DIRECTION = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


# -- prefixes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["prefix_tuning", "p_tuning_v2"])
def test_a_prefix_that_is_made_once_for_a_batch_trains_as_one_made_for_every_item(
    name: str, small_base: Callable[[str], Path]
) -> None:
    base = load(AutoModelForSequenceClassification, small_base("bert"), num_labels=2)
    once = prompted(name, base, "classification")
    for_each = copy.deepcopy(once)
    encoder = for_each.prompt_encoder["default"]
    encoder._forward_pre_hooks.clear()
    encoder._forward_hooks.clear()
    rows: list[int] = []
    once.prompt_encoder["default"].embedding.register_forward_hook(
        lambda _module, args, _out: rows.append(len(args[0]))
    )
    ours, theirs = (model(**BATCH).logits for model in (once, for_each))
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert rows == [1]
    for logits in (ours, theirs):
        functional.cross_entropy(logits, torch.tensor([0, 1])).backward()  # type: ignore[no-untyped-call]
    for (path, one), each in zip(once.named_parameters(), for_each.parameters(), strict=True):
        assert one.requires_grad == (one.grad is not None), path
        assert one.grad is None or torch.allclose(one.grad, each.grad, atol=1e-6), path


def test_a_prefix_is_as_wide_as_the_grouped_keys_and_values(small_base: Callable[[str], Path]) -> None:
    """Llama, 4 heads of 16 on 2 key/value heads. Written out: the text's queries and keys turn by their positions,
    which begin behind the prefix; the prefix does not turn; every pair of heads shares keys and values."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    base = load(AutoModelForSequenceClassification, small_base("llama"))
    model = prompted("p_tuning_v2", base, "classification")
    attention = base.model.layers[0].self_attn
    seen: list[torch.Tensor] = []
    attention.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs["hidden_states"]), with_kwargs=True)
    answered: list[torch.Tensor] = []
    attention.register_forward_hook(lambda _, args, output: answered.append(output[0]))
    length, head = 5, 16
    with torch.no_grad():
        model(input_ids=TOKENS[:1], attention_mask=MASK[:1])
        hidden = seen[0]
        learnt = model.get_parameter("prompt_encoder.default.embedding.weight").view(N, 2, 2, 2, head)
        query, key, value = (
            getattr(attention, f"{name}_proj")(hidden).view(1, length, -1, head).transpose(1, 2) for name in "qkv"
        )
        cos, sin = base.model.rotary_emb(hidden, torch.arange(N, N + length)[None])
        query, key = apply_rotary_pos_emb(query, key, cos, sin)
        key, value = (
            torch.cat([learnt[:, 0, which].transpose(0, 1)[None], own], dim=2).repeat_interleave(2, dim=1)
            for which, own in enumerate((key, value))
        )
        visible = torch.ones(length, N + length).tril(diagonal=N).bool()
        scores = (query @ key.transpose(-1, -2) / head**0.5).masked_fill(~visible, float("-inf"))
        mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(1, length, WIDTH)
        assert torch.allclose(answered[0], attention.o_proj(mixed), atol=1e-6)


@pytest.mark.parametrize(("architecture", "sizes"), [("qwen3", {"head_dim": 32}), ("gemma", {"head_dim": 24})])
def test_heads_wider_than_the_model_over_their_number_are_counted_right(
    architecture: str, sizes: dict[str, int], tmp_path: Path
) -> None:
    config = AutoConfig.for_model(
        architecture,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        intermediate_size=128,
        vocab_size=100,
        pad_token_id=1,
        **sizes,
    )
    model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model.save_pretrained(tmp_path)
    method = build_method("p_tuning_v2", {"num_virtual_tokens": N})
    adapter, _ = split_head(method.attach(model.eval(), task_kind="causal_lm", total_steps=1))
    trained = sum(parameter.numel() for parameter in adapter)
    assert trained == 2 * 2 * N * sizes["head_dim"] == method.stored_parameters(read_model_shape(tmp_path))


# -- counts ----------------------------------------------------------------------------------------------------------


def shape_of(width: int, layers: int, key_value_width: int, vocabulary: int, positions: int) -> ModelShape:
    return ModelShape(
        model_type="llama",
        hidden_size=width,
        layers=layers,
        heads=24,
        key_value_width=key_value_width,
        intermediate_size=8192,
        vocabulary_size=vocabulary,
        max_positions=positions,
        tensors={"embed_tokens.weight": (vocabulary, width)},
        special_tokens=(128000, 128001),
    )


LLAMA_3B = shape_of(width=3072, layers=28, key_value_width=1024, vocabulary=128256, positions=131072)


@pytest.mark.parametrize(
    ("name", "hyperparameters", "trainable", "stored"),
    [
        ("prompt_tuning", {"num_virtual_tokens": 200}, 614_400, 614_400),
        ("p_tuning", {"encoder_hidden_size": 3072}, 28_382_208, 61_440),
        ("p_tuning_v2", {"num_virtual_tokens": 200}, 11_468_800, 11_468_800),
        ("p_tuning_v2", {"num_virtual_tokens": 50}, 2_867_200, 2_867_200),
        ("trainable_tokens", {}, 6_144, 6_144),
    ],
)
def test_counts_that_hugging_face_published_for_llama_3b(
    name: str, hyperparameters: dict[str, Any], trainable: int, stored: int
) -> None:
    """peft's method comparison on MetaMathQA: prompt_tuning, ptuning, prefixtuning (two lengths), trainable_tokens."""
    method = build_method(name, hyperparameters)
    assert method.trainable_parameters(LLAMA_3B) == trainable
    assert method.stored_parameters(LLAMA_3B) == stored


def test_an_lstm_is_counted_by_hand() -> None:
    """d = 10, h = 4, two layers. Four gates, two directions, two biases: 8 (10*4 + 4*4 + 2*4) = 512 and, reading both
    directions, 8 (8*4 + 4*4 + 2*4) = 448; the MLP 8*8 + 8 and 8*10 + 10; 5 virtual tokens 50."""
    method = build_method(
        "p_tuning", {"num_virtual_tokens": 5, "encoder": "lstm", "encoder_hidden_size": 4, "encoder_layers": 2}
    )
    shape = shape_of(width=10, layers=1, key_value_width=10, vocabulary=100, positions=50)
    assert method.trainable_parameters(shape) == 50 + 512 + 448 + 72 + 90


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROMPTS)
def test_prompt_and_text_share_the_base_s_positions(name: str, small_base: Callable[[str], Path]) -> None:
    shape = read_model_shape(small_base("bert"))
    room = POSITIONS - 28
    build_method(name, {"num_virtual_tokens": room}).check(shape, task_kind="classification", max_length=28)
    with pytest.raises(InvalidHyperparameter, match="at most 100, for the base model has 128 positions"):
        build_method(name, {"num_virtual_tokens": room + 1}).check(shape, task_kind="classification", max_length=28)


def test_the_last_position_can_be_used(small_base: Callable[[str], Path]) -> None:
    """RoBERTa's table has two rows that serve no token: 126 positions for prompt and text."""
    folder = small_base("roberta")
    method = build_method("prompt_tuning", {"num_virtual_tokens": 126 - TOKENS.shape[1]})
    method.check(read_model_shape(folder), task_kind="classification", max_length=TOKENS.shape[1])
    base = load(AutoModelForSequenceClassification, folder)
    assert method.attach(base, task_kind="classification", total_steps=1)(**BATCH).logits.isfinite().all()
    with pytest.raises(InvalidHyperparameter, match="at most 121"):
        build_method("prompt_tuning", {"num_virtual_tokens": 122}).check(
            read_model_shape(folder), task_kind="classification", max_length=TOKENS.shape[1]
        )


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("prefix_tuning", "multiple_choice", "peft gives such models no prefix"),
        ("p_tuning_v2", "multiple_choice", "peft gives such models no prefix"),
        ("multitask_prompt_tuning", "classification", "at least two source tasks"),
        ("cpt", "classification", "a classification task has none"),
        ("cpt", "causal_lm", "a causal_lm task has none"),
    ],
)
def test_a_task_that_a_prompt_cannot_serve_is_refused(
    name: str, kind: str, reason: str, small_base: Callable[[str], Path]
) -> None:
    with pytest.raises(NotOffered, match=reason):
        build_method(name, {}).check(read_model_shape(small_base("bert")), task_kind=kind, max_length=16)


def test_a_prompt_that_starts_from_a_text_needs_one(small_base: Callable[[str], Path]) -> None:
    with pytest.raises(InvalidHyperparameter, match="init_text is empty"):
        build_method("prompt_tuning", {"init": "text"}).check(
            read_model_shape(small_base("bert")), task_kind="classification", max_length=16
        )
