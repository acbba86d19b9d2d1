"""Methods that change a layer's weight matrix: each against its formula written out, its bounds, published counts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from peft_core.errors import InvalidHyperparameter
from peft_core.method import build_method
from peft_core.methods._butterfly import BlockDiagonal
from peft_core.model_shape import ModelShape, read_model_shape
from peft_core.training import split_head
from tests.peft_core.methods.one_layer import (
    KIND,
    LENGTH,
    Hyperparameters,
    LoadClassifier,
    attach,
    base_weight,
    close,
    effective_weight,
    layer_of,
    logits,
    value,
)

PUBLISHED = Path(__file__).parents[4] / "shared/data/hf-peft-method-comparison/MetaMathQA/results"


@pytest.fixture
def base(small_base: Callable[[str], Path], load_classifier: LoadClassifier) -> nn.Module:
    """A small BERT, 64 wide with 128 inside its feed-forward layers."""
    return load_classifier(small_base("bert"))


def block_diagonal(*blocks: torch.Tensor) -> torch.Tensor:
    matrix: torch.Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    return matrix


# -- formulas ------------------------------------------------------------------------------------------------------


def test_vera_scales_one_frozen_random_pair_for_all_layers(base: nn.Module) -> None:
    """W + diag(b) B diag(d) A, the pair cut to the widths of each layer."""
    model = attach("vera", {"rank": 8, "target_modules": "all_linear"}, base)
    up, down = layer_of(model, "0.intermediate.dense"), layer_of(model, "1.output.dense")
    a, b = value(up, "vera_A.default"), value(up, "vera_B.default")
    assert a.shape == (8, 128)
    assert b.shape == (128, 8)
    for layer, d_in, d_out in ((up, 64, 128), (down, 128, 64)):
        assert value(layer, "vera_A.default").data_ptr() == a.data_ptr()
        vector_d, vector_b = value(layer, "vera_lambda_d.default"), value(layer, "vera_lambda_b.default")
        update = vector_b[:, None] * b[:d_out] @ (vector_d[:, None] * a[:, :d_in])
        assert close(effective_weight(layer), base_weight(layer) + update)


def test_pvera_draws_while_training_and_answers_by_its_mean(base: nn.Module) -> None:
    model = attach("pvera", {"rank": 8}, base)
    layer = layer_of(model)
    mean_d, mean_a = value(layer, "pvera_lambda_d.default")[:8], value(layer, "pvera_A.default")[:8]
    vector_b, b = value(layer, "pvera_lambda_b.default"), value(layer, "pvera_B.default")
    update = vector_b[:, None] * b @ (mean_d[:, None] * mean_a)
    assert close(effective_weight(layer), base_weight(layer) + update)
    hidden = torch.randn(1, 3, 64)
    model.train()
    assert not torch.equal(layer(hidden), layer(hidden))


def test_randlora_sums_scaled_random_pairs_to_a_full_rank(base: nn.Module) -> None:
    """W + alpha / r sum_ij b_ij l_ij (A_i * g_j)^T, with r random rows A_i, d / r trained vectors g_j and a random
    column b_ij for each of the d terms."""
    layer = layer_of(attach("randlora", {"rank": 16, "alpha": 32}, base))
    rows, columns = value(layer, "randlora_A.default")[:, 0], value(layer, "randlora_B.default").flatten(1)
    scale, gamma = value(layer, "randlora_lambda.default"), value(layer, "randlora_gamma.default")
    assert scale.shape == (16, 4)
    assert gamma.shape == (4, 64)
    terms = [scale[i, j] * torch.outer(columns[:, 4 * i + j], rows[i] * gamma[j]) for i in range(16) for j in range(4)]
    found = effective_weight(layer) - base_weight(layer)
    assert close(found, 32 / 16 * torch.stack(terms).sum(0))
    assert torch.linalg.matrix_rank(found) == 64


def test_vblora_mixes_its_matrices_from_the_bank(base: nn.Module) -> None:
    """Each piece of A and B is the softmax-weighted sum of the bank's k vectors with the largest logits."""
    model = attach("vblora", {"rank": 2, "num_vectors": 10, "vector_length": 16, "topk": 3}, base)
    layer = layer_of(model)
    bank = value(layer, "vblora_vector_bank.default")
    assert bank.shape == (10, 16)

    def piece(logits: torch.Tensor) -> torch.Tensor:
        largest = logits.argsort(descending=True)[:3]
        return torch.as_tensor(sum(logits[largest].softmax(0)[i] * bank[largest[i]] for i in range(3)))

    logits_a, logits_b = value(layer, "vblora_logits_A.default"), value(layer, "vblora_logits_B.default")
    a = torch.stack([torch.cat([piece(logits_a[row, part]) for part in range(4)]) for row in range(2)])
    b = torch.stack([torch.cat([piece(logits_b[part, column]) for part in range(4)]) for column in range(2)], dim=1)
    assert close(effective_weight(layer), base_weight(layer) + b @ a)


def test_vblora_s_logits_learn_faster_than_its_bank(base: nn.Module) -> None:
    method = build_method("vblora", {"logit_rate_ratio": 5.0})
    model = method.attach(base, task_kind=KIND, total_steps=1)
    bank, logits, head = method.parameter_groups(model, 0.01, 0.02)
    assert [parameter.shape for parameter in bank["params"]] == [(256, 64)]
    assert len(logits["params"]) == 2 * 4
    assert len(head["params"]) == 2
    assert [group["lr"] for group in (bank, logits, head)] == [0.01, 0.05, 0.02]


def test_vblora_s_vectors_divide_every_width(base: nn.Module) -> None:
    """48 at most, and of 64 and 128 that leaves 32."""
    model = attach("vblora", {"vector_length": 48, "target_modules": "all_linear"}, base)
    assert value(layer_of(model), "vblora_vector_bank.default").shape == (256, 32)


def test_loha_is_a_hadamard_product_of_two_low_rank_products(base: nn.Module) -> None:
    """W + alpha / r (B1 A1) * (B2 A2), of a rank above r."""
    layer = layer_of(attach("loha", {"rank": 3, "alpha": 6}, base))
    first = value(layer, "hada_w1_a.default") @ value(layer, "hada_w1_b.default")
    second = value(layer, "hada_w2_a.default") @ value(layer, "hada_w2_b.default")
    assert close(effective_weight(layer), base_weight(layer) + 2 * first * second)
    assert torch.linalg.matrix_rank(first * second) == 9


@pytest.mark.parametrize("rank", [2, 32])
def test_lokr_is_a_kronecker_product(base: nn.Module, rank: int) -> None:
    """W + alpha / r C kron D, D whole where two factors of this rank would be no smaller."""
    layer = layer_of(attach("lokr", {"rank": rank, "alpha": 8, "factor": 4}, base))
    small = value(layer, "lokr_w1.default")
    large = (
        value(layer, "lokr_w2_a.default") @ value(layer, "lokr_w2_b.default")
        if rank == 2
        else value(layer, "lokr_w2.default")
    )
    assert small.shape == (4, 4)
    assert large.shape == (16, 16)
    expected = torch.stack([small[i // 16, j // 16] * large[i % 16, j % 16] for i in range(64) for j in range(64)])
    assert close(effective_weight(layer), base_weight(layer) + 8 / rank * expected.view(64, 64))


def skew(upper: torch.Tensor, size: int) -> torch.Tensor:
    matrix = torch.zeros(size, size)
    rows, columns = torch.triu_indices(size, size, 1)
    matrix[rows, columns] = upper
    return matrix - matrix.T


def test_oft_rotates_blocks_of_inputs(base: nn.Module) -> None:
    """W R^T, each block of R the Cayley transform (I - Q) (I + Q)^-1 of a skew-symmetric Q: R^T R = I."""
    layer = layer_of(attach("oft", {"block_size": 8, "cayley": "exact"}, base))
    eye = torch.eye(8)
    blocks = [skew(upper, 8) for upper in value(layer, "oft_R.default.weight")]
    rotation = block_diagonal(*[(eye - block) @ torch.linalg.inv(eye + block) for block in blocks])
    assert close(rotation.T @ rotation, torch.eye(64))
    assert close(effective_weight(layer), base_weight(layer) @ rotation.T)


def test_oft_s_series_is_nearly_a_rotation(base: nn.Module) -> None:
    """I + 2 Q + 2 Q^2 + 2 Q^3 + Q^4, the first terms of (I + Q) (I - Q)^-1."""
    layer = layer_of(attach("oft", {"block_size": 4}, base))
    blocks = [skew(upper, 4) for upper in value(layer, "oft_R.default.weight")]
    power = torch.linalg.matrix_power
    rotation = block_diagonal(*[torch.eye(4) + 2 * q + 2 * q @ q + 2 * power(q, 3) + power(q, 4) for q in blocks])
    assert close(effective_weight(layer), base_weight(layer) @ rotation.T)
    assert torch.allclose(rotation.T @ rotation, torch.eye(64), atol=0.05)


@pytest.mark.parametrize(("factors", "together"), [(1, 4), (2, 8), (3, 16)])
def test_boft_rotates_more_inputs_together_with_every_factor(base: nn.Module, factors: int, together: int) -> None:
    """diag(s) W R^T, R orthogonal with 4, 8, 16 numbers other than zero in each row."""
    layer = layer_of(attach("boft", {"block_size": 4, "factors": factors}, base))
    scale = value(layer, "boft_s.default")
    rotation = torch.linalg.solve(base_weight(layer), effective_weight(layer) / scale).T
    assert torch.allclose(rotation.T @ rotation, torch.eye(64), atol=1e-3)
    assert ((rotation.abs() > 1e-3).sum(dim=1) <= together).all()
    assert (rotation.abs() > 1e-3).sum(dim=1).float().mean() > together / 2


def test_blocks_go_on_the_diagonal_and_their_gradient_comes_back() -> None:
    blocks = torch.randn(2, 3, 4, 4)
    (matrices,) = BlockDiagonal.forward(blocks)
    assert torch.equal(matrices, torch.stack([block_diagonal(*factor) for factor in blocks]))
    weights = torch.randn_like(matrices)
    leaf = blocks.clone().requires_grad_()
    (torch.stack([block_diagonal(*factor) for factor in leaf]) * weights).sum().backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert torch.equal(BlockDiagonal.backward(weights, blocks)[0], leaf.grad)


def test_hra_is_a_chain_of_householder_reflections(base: nn.Module) -> None:
    """W H_1 H_2 H_3 H_4, H = I - 2 u u^T / |u|^2, orthogonal."""
    layer = layer_of(attach("hra", {"rank": 4}, base))
    chain = torch.eye(64)
    for u in value(layer, "hra_u.default").T:
        chain = chain @ (torch.eye(64) - 2 * torch.outer(u, u) / (u @ u))
    assert close(chain.T @ chain, torch.eye(64))
    assert close(effective_weight(layer), base_weight(layer) @ chain)


def test_hra_starts_at_the_base_but_for_rounding(base: nn.Module) -> None:
    model = build_method("hra", {"rank": 8}).attach(base, task_kind=KIND, total_steps=1)
    layer = layer_of(model)
    assert torch.allclose(effective_weight(layer), base_weight(layer), atol=1e-6)


@pytest.mark.parametrize("variant", ["road_1", "road_2", "road_4"])
def test_road_turns_and_stretches_pairs_of_outputs(base: nn.Module, variant: str) -> None:
    """y_i = a cos(t) x_i - b sin(u) x_j, y_j = a' cos(t') x_j + b' sin(u') x_i, j half a group of 8 after i."""
    layer = layer_of(attach("road", {"variant": variant, "group_size": 8}, base))
    hidden = torch.randn(1, 3, 64)
    with torch.no_grad():
        before = layer.get_submodule("base_layer")(hidden)
        found = layer(hidden)
    angle, scale = value(layer, "road_theta.default"), value(layer, "road_alpha.default")

    def of(output: int) -> tuple[int, int]:
        """Where the numbers of an output's own weight and of its partner's weight stand."""
        group, place = divmod(output, 8)
        return {
            "road_1": (group * 4 + place % 4, group * 4 + place % 4),
            "road_2": (output, output),
            "road_4": (group * 16 + place, group * 16 + 8 + place),
        }[variant]

    expected = torch.empty_like(before)
    for output in range(64):
        partner, sign = (output + 4, -1) if output % 8 < 4 else (output - 4, 1)
        own, other = of(output)
        stretched = scale[own] * angle[own].cos() * before[..., output]
        expected[..., output] = stretched + sign * scale[other] * angle[other].sin() * before[..., partner]
    assert close(found, expected)


def test_miss_shares_one_matrix_among_pieces_of_the_input(base: nn.Module) -> None:
    """W + [D^T D^T ... D^T], the last piece cut where r does not divide the width."""
    layer = layer_of(attach("miss", {"rank": 24}, base))
    shared = value(layer, "miss_block.default").T
    assert close(effective_weight(layer), base_weight(layer) + torch.cat([shared] * 3, dim=1)[:, :64])


def test_miss_bat_multiplies_the_weight_by_the_shared_matrix(base: nn.Module) -> None:
    """W_ij + W_ij D_i + D_i for every block of r x r weights."""
    layer = layer_of(attach("miss", {"rank": 16, "variant": "bat"}, base))
    weight, shared = base_weight(layer), value(layer, "miss_block.default")
    expected = weight.clone()
    for i in range(4):
        for j in range(4):
            rows, columns = slice(16 * i, 16 * i + 16), slice(16 * j, 16 * j + 16)
            expected[rows, columns] += weight[rows, columns] @ shared[i] + shared[i]
    assert close(effective_weight(layer), expected)


def test_miss_mini_shares_its_matrix_among_outputs_too(base: nn.Module) -> None:
    layer = layer_of(attach("miss", {"rank": 16, "variant": "mini", "mini_rank": 8}, base))
    shared = value(layer, "miss_block.default").T
    assert shared.shape == (8, 16)
    assert close(effective_weight(layer), base_weight(layer) + shared.repeat(8, 4))


def test_delora_bounds_the_strength_of_its_update(base: nn.Module) -> None:
    """W + lambda / r sum_i (b_i / |b_i|) (a_i / |a_i|)^T diag(|w|): at most lambda in units of the columns' norms."""
    layer = layer_of(attach("delora", {"rank": 4, "delora_lambda": 3.0}, base))
    a, b = value(layer, "delora_A.default"), value(layer, "delora_B.default")
    strength, columns = value(layer, "delora_lambda.default"), base_weight(layer).norm(dim=0)
    directions = torch.as_tensor(
        sum(torch.outer(b[:, i] / b[:, i].norm(), a[i] / a[i].norm()) for i in range(4)),
    )
    assert close(effective_weight(layer), base_weight(layer) + strength / 4 * directions * columns)
    with torch.no_grad():
        layer.get_parameter("delora_A.default").mul_(1e3)
        layer.get_parameter("delora_B.default").mul_(1e3)
    update = (effective_weight(layer) - base_weight(layer)) / columns
    assert update.norm() <= strength.item() + 1e-3


def test_gralora_updates_every_block_of_the_grid_on_its_own(base: nn.Module) -> None:
    """Block (i, j): alpha / r times a product of rank r / k of its own."""
    layer = layer_of(attach("gralora", {"rank": 8, "blocks": 4, "alpha": 16}, base))
    a, b = value(layer, "gralora_A.default"), value(layer, "gralora_B.default")
    expected = base_weight(layer).clone()
    for i in range(4):
        for j in range(4):
            product = a[j][:, 2 * i : 2 * i + 2] @ b[i][2 * j : 2 * j + 2]
            expected[16 * i : 16 * i + 16, 16 * j : 16 * j + 16] += 2 * product.T
    assert close(effective_weight(layer), expected)


def test_hira_scales_every_weight(base: nn.Module) -> None:
    """W + W * (B A), of a rank far above r."""
    layer = layer_of(attach("hira", {"rank": 2}, base))
    scale = value(layer, "hira_B.default") @ value(layer, "hira_A.default")
    update = base_weight(layer) * scale
    assert close(effective_weight(layer), base_weight(layer) + update)
    assert torch.linalg.matrix_rank(update) == 64


def test_tinylora_steers_the_first_singular_directions(base: nn.Module) -> None:
    """W + U (sum_i v_i P_i) V, U V the best approximation of W of rank r."""
    layer = layer_of(attach("tinylora", {"rank": 2, "u": 5}, base))
    v, p = value(layer, "tinylora_v.default.0"), value(layer, "tinylora_P.default")
    left, right = value(layer, "tinylora_B.default"), value(layer, "tinylora_A.default")
    weight = base_weight(layer)
    u, s, vh = torch.linalg.svd(weight)
    assert close(left @ right, u[:, :2] * s[:2] @ vh[:2])
    steering = torch.as_tensor(sum(v[i] * p[i] for i in range(5)))
    assert close(effective_weight(layer), weight + left @ steering @ right)


def test_unilora_fills_all_matrices_from_one_vector_isometrically(base: nn.Module) -> None:
    """LoRA's entries are P theta with P^T P = I: one theta in each row of P, and columns of norm 1."""
    model = attach("unilora", {"rank": 2, "theta_d_length": 50}, base)
    layer = layer_of(model)
    theta = value(layer, "unilora_theta_d.default")
    a, b = (
        theta[value(layer, f"unilora_indices_{side}.default")] * value(layer, f"unilora_scales_{side}.default")
        for side in "AB"
    )
    assert close(effective_weight(layer), base_weight(layer) + b @ a)
    squares = torch.zeros(50)
    for path in (
        "0.attention.self.query",
        "0.attention.self.value",
        "1.attention.self.query",
        "1.attention.self.value",
    ):
        for side in "AB":
            places = value(layer_of(model, path), f"unilora_indices_{side}.default").flatten()
            scales = value(layer_of(model, path), f"unilora_scales_{side}.default").flatten()
            squares.index_add_(0, places, scales**2)
    assert close(squares, torch.ones(50))


# -- counts and files ----------------------------------------------------------------------------------------------

VARIANTS: list[tuple[str, Hyperparameters]] = [
    ("vera", {"rank": 5}),
    ("pvera", {"rank": 5}),
    ("randlora", {"rank": 7}),
    ("vblora", {"num_vectors": 7, "vector_length": 20}),
    ("lokr", {"rank": 2, "factor": 8}),
    ("lokr", {"rank": 16, "factor": 4}),
    ("oft", {"cayley": "exact", "block_size": 8}),
    ("boft", {"factors": 1}),
    ("boft", {"factors": 3}),
    ("road", {"variant": "road_2"}),
    ("road", {"variant": "road_4"}),
    ("miss", {"rank": 24}),
    ("miss", {"rank": 32, "variant": "bat"}),
    ("miss", {"rank": 32, "variant": "mini"}),
    ("gralora", {"rank": 16, "blocks": 4}),
    ("tinylora", {"rank": 3, "u": 4}),
    ("tinylora", {"weight_tying": 0.3}),
    ("tinylora", {"weight_tying": 0.75}),
    ("tinylora", {"weight_tying": 1.0}),
    ("unilora", {"theta_d_length": 999}),
]


@pytest.mark.parametrize("targets", ["attention", "all_linear"])
@pytest.mark.parametrize(("name", "hyperparameters"), VARIANTS)
def test_a_variant_counts_and_restores_on_layers_of_several_widths(
    name: str,
    hyperparameters: Hyperparameters,
    targets: str,
    small_base: Callable[[str], Path],
    load_classifier: LoadClassifier,
    tmp_path: Path,
) -> None:
    """A decoder whose keys and values are narrower than its queries, and its feed-forward layers wider."""
    from safetensors.torch import load_file

    from peft_core.head import is_head

    folder = small_base("llama")
    shape = read_model_shape(folder)
    chosen = hyperparameters | {"target_modules": targets}
    method = build_method(name, chosen)
    method.check(shape, task_kind=KIND, max_length=LENGTH)
    model = attach(name, chosen, load_classifier(folder)).eval()
    adapter, _ = split_head(model)
    assert sum(parameter.numel() for parameter in adapter) == method.trainable_parameters(shape)

    method.save(model, tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    stored = sum(tensor.numel() for path, tensor in saved.items() if not is_head(path))
    assert stored == method.stored_parameters(shape)

    answer = logits(model)
    restored = method.load(load_classifier(folder), tmp_path, task_kind=KIND)
    assert torch.equal(logits(restored), answer)
    unloaded = method.unload(restored)
    assert unloaded is not None
    assert torch.equal(logits(method.load(unloaded, tmp_path, task_kind=KIND)), answer)
    merged = method.merge(model)
    assert merged is not None
    assert torch.allclose(logits(merged), answer, atol=5e-5)


def test_randlora_s_file_holds_its_random_matrices_once(
    base: nn.Module, small_base: Callable[[str], Path], load_classifier: LoadClassifier, tmp_path: Path
) -> None:
    """peft reads such a file: it speaks of the entries that are left out, and fills all layers from the one."""
    from peft import PeftModel
    from safetensors.torch import load_file

    model = attach("randlora", {}, base)
    build_method("randlora", {}).save(model, tmp_path)
    names = [name for name in load_file(tmp_path / "adapter_model.safetensors") if "randlora_A" in name]
    assert len(names) == 1
    with pytest.warns(UserWarning, match="Found missing adapter keys"):
        loaded = PeftModel.from_pretrained(load_classifier(small_base("bert")), str(tmp_path))
    assert torch.equal(logits(loaded), logits(model))


def llama_3_2_3b() -> ModelShape:
    """Of the base model that Hugging Face compares methods on."""
    width, inner, key_value = 3072, 8192, 1024
    linears = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (key_value, width),
        "self_attn.v_proj": (key_value, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    tensors: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (128256, width), "norm.weight": (width,)}
    for layer in range(28):
        tensors |= {f"layers.{layer}.{name}.weight": dims for name, dims in linears.items()}
        tensors |= {
            f"layers.{layer}.{name}.weight": (width,) for name in ("input_layernorm", "post_attention_layernorm")
        }
    return ModelShape(
        model_type="llama",
        hidden_size=width,
        layers=28,
        heads=24,
        key_value_width=key_value,
        intermediate_size=inner,
        vocabulary_size=128256,
        max_positions=131072,
        tensors=tensors,
    )


def test_the_shape_of_llama_3_2_3b_has_its_published_size() -> None:
    assert llama_3_2_3b().parameters == 3_212_749_824


Translate = Callable[[dict[str, Any]], Hyperparameters]

PUBLISHED_RUNS: dict[str, tuple[str, Translate]] = {
    "vera--llama-3.2-3B-default": ("vera", lambda c: {"rank": c["r"], "d_initial": c["d_initial"]}),
    "pvera--llama-3.2-3B-default": ("pvera", lambda c: {"rank": c["r"]}),
    "pvera--llama-3.2-3B-rank64": ("pvera", lambda c: {"rank": c["r"]}),
    "randlora--llama-3.2-3B-default": ("randlora", lambda c: {"rank": c["r"], "alpha": c["randlora_alpha"]}),
    "vblora--llama-3.2-3B-default": (
        "vblora",
        lambda c: {"rank": c["r"]} | {key: c[key] for key in ("num_vectors", "vector_length", "topk")},
    ),
    "loha--llama-3.2-3B-rank32": ("loha", lambda c: {"rank": c["r"], "alpha": c["alpha"]}),
    "lokr--llama-3.2-3B-rank32-factor4-lr0.003": (
        "lokr",
        lambda c: {"rank": c["r"], "alpha": c["alpha"], "factor": c["decompose_factor"]},
    ),
    "oft--llama-3.2-3B-rank32": ("oft", lambda c: {"block_size": 3072 // c["r"]}),
    "boft--llama-3.2-3B-default": (
        "boft",
        lambda c: {"block_size": c["boft_block_size"], "factors": c["boft_n_butterfly_factor"]},
    ),
    "road--llama-3.2-3B-lr_0.001": ("road", lambda c: {key: c[key] for key in ("variant", "group_size")}),
    "miss--llama-3.2-3B-default": ("miss", lambda c: {"rank": c["r"]}),
    "miss--llama-3.2-3B-bat": ("miss", lambda c: {"rank": c["r"], "variant": c["init_weights"]}),
    "miss--llama-3.2-3B-mini": (
        "miss",
        lambda c: {"rank": c["r"], "variant": c["init_weights"], "mini_rank": c["mini_r"]},
    ),
    "delora--llama-3.2-3B-rank32": ("delora", lambda c: {"rank": c["r"], "delora_lambda": c["delora_lambda"]}),
    "gralora--llama-3.2-3B-rank32": ("gralora", lambda c: {"rank": c["r"], "blocks": c["gralora_k"]}),
    "hira--llama-3.2-3B-rank32-lr4.5e-3": ("hira", lambda c: {"rank": c["r"]}),
    "tinylora--llama-3.2-3B-default": (
        "tinylora",
        lambda c: {"rank": c["r"], "u": c["u"], "weight_tying": c["weight_tying"]},
    ),
    "tinylora--llama-3.2-3B-weight-tying": (
        "tinylora",
        lambda c: {"rank": c["r"], "u": c["u"], "weight_tying": c["weight_tying"]},
    ),
    "unilora--llama-3.2-3B-default": (
        "unilora",
        lambda c: {"rank": c["r"], "theta_d_length": c["theta_d_length"]},
    ),
}


@pytest.mark.parametrize("run", PUBLISHED_RUNS)
def test_counts_are_those_that_hugging_face_published(run: str) -> None:
    path = PUBLISHED / f"{run}.json"
    if not path.is_file():
        pytest.skip(f"the published result {path.name} is not here")
    published = json.loads(path.read_text(encoding="utf-8"))
    config = published["run_info"]["peft_config"]
    assert set(config["target_modules"]) == {"q_proj", "v_proj"}
    name, translate = PUBLISHED_RUNS[run]
    method = build_method(name, translate(config))
    shape = llama_3_2_3b()
    method.check(shape, task_kind="causal_lm", max_length=768)
    assert method.trainable_parameters(shape) == published["train_info"]["num_trainable_params"]


# -- bounds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hyperparameters", "field", "says"),
    [
        ("vera", {"rank": 0}, "rank", "greater than or equal to 1"),
        ("vera", {"d_initial": 0}, "d_initial", "greater than or equal to"),
        ("randlora", {"rank": 385}, "rank", "at most 384"),
        ("vblora", {"rank": 385}, "rank", "at most 384"),
        ("vblora", {"num_vectors": 3, "topk": 4}, "topk", "at most 3"),
        ("loha", {"rank": 385}, "rank", "at most 384"),
        ("lokr", {"factor": 5}, "factor", r"divide the width .* \(384\). 4 does"),
        ("lokr", {"factor": 1}, "factor", "greater than or equal to 2"),
        ("oft", {"block_size": 100}, "block_size", r"\(384\). 96 does"),
        ("oft", {"cayley": "inverse"}, "cayley", "neumann"),
        ("boft", {"block_size": 7}, "block_size", r"\(384\). 6 does"),
        ("boft", {"block_size": 3, "factors": 2}, "block_size", "even"),
        ("boft", {"block_size": 4, "factors": 7}, "factors", "at most 6"),
        ("boft", {"factors": 0}, "factors", "greater than or equal to 1"),
        ("hra", {"rank": 7}, "rank", "8 is"),
        ("hra", {"rank": 386}, "rank", "at most 384"),
        ("road", {"group_size": 3}, "group_size", "even"),
        ("road", {"group_size": 100}, "group_size", r"\(384\). 96 does"),
        ("miss", {"rank": 385}, "rank", "at most 384"),
        ("miss", {"rank": 100, "variant": "bat"}, "rank", "96 does"),
        ("miss", {"variant": "mini", "mini_rank": 10}, "mini_rank", "8 does"),
        ("delora", {"rank": 385}, "rank", "at most 384"),
        ("delora", {"delora_lambda": 0}, "delora_lambda", "greater than or equal to"),
        ("gralora", {"rank": 9, "blocks": 2}, "rank", "multiple of the 2 blocks"),
        ("gralora", {"rank": 10, "blocks": 5}, "blocks", "4 does"),
        ("gralora", {"rank": 386}, "rank", "at most 384"),
        ("hira", {"rank": 385}, "rank", "at most 384"),
        ("tinylora", {"rank": 385}, "rank", "at most 384"),
        ("tinylora", {"weight_tying": 1.5}, "weight_tying", "less than or equal to 1"),
        ("unilora", {"rank": 1, "theta_d_length": 9217}, "theta_d_length", "at most 9216"),
    ],
)
def test_a_bound_refuses_with_what_to_choose(
    minilm: Path, name: str, hyperparameters: Hyperparameters, field: str, says: str
) -> None:
    with pytest.raises(InvalidHyperparameter, match=says) as refusal:
        build_method(name, hyperparameters).check(read_model_shape(minilm), task_kind=KIND, max_length=LENGTH)
    assert refusal.value.field == field
    assert str(refusal.value).startswith(f"{name}: {field} is")


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("vera", {"rank": 5000}),
        ("randlora", {"rank": 384}),
        ("vblora", {"num_vectors": 2, "topk": 2, "vector_length": 1}),
        ("lokr", {"factor": 384}),
        ("lokr", {"rank": 500}),
        ("oft", {"block_size": 384}),
        ("boft", {"block_size": 4, "factors": 6}),
        ("hra", {"rank": 384}),
        ("road", {"group_size": 384}),
        ("miss", {"rank": 383}),
        ("unilora", {"rank": 1, "theta_d_length": 9216}),
    ],
)
def test_up_to_its_bound_a_method_works(
    minilm: Path, load_classifier: LoadClassifier, name: str, hyperparameters: Hyperparameters
) -> None:
    shape = read_model_shape(minilm)
    method = build_method(name, hyperparameters)
    method.check(shape, task_kind=KIND, max_length=LENGTH)
    model = attach(name, hyperparameters, load_classifier(minilm))
    adapter, _ = split_head(model)
    assert sum(parameter.numel() for parameter in adapter) == method.trainable_parameters(shape)
    assert logits(model).isfinite().all()


@pytest.mark.parametrize(
    "name",
    [
        *("vera", "pvera", "randlora", "vblora", "loha", "lokr", "oft", "boft", "hra", "road", "miss", "delora"),
        *("gralora", "hira", "tinylora", "unilora"),
    ],
)
def test_defaults_fit_a_large_decoder(name: str) -> None:
    for targets in ("query_value", "attention", "feed_forward", "all_linear"):
        chosen: Hyperparameters = {"target_modules": targets}
        build_method(name, chosen).check(llama_3_2_3b(), task_kind="causal_lm", max_length=LENGTH)
