"""What a forward pass allocates, module by module: what autograd keeps for the backward pass, and what it lets go.

Every figure is an allocation of PyTorch's and transformers' own code, in bytes: the layers as transformers writes them,
in eager mode. Known value: with dropout, GELU and everything in 16 bits, one layer of a GPT-2-like model under full
fine-tuning keeps 34 s b h + 5 a s^2 b (Korthikanti et al. 2022, Reducing Activation Recomputation in Large Transformer
Models). A layer whose weight is frozen does not keep its input.
"""

from dataclasses import dataclass

from peft_core.analysis.cost_model.setting import Setting


@dataclass(frozen=True)
class Held:
    """Bytes that a part of the forward pass keeps for the backward pass, and bytes that it lets go on the way.

    Where one operation follows another on tensors of one size, each takes the place of the one before the last; only
    what the chain ends with counts.
    """

    kept: float = 0.0
    passing: float = 0.0

    def __add__(self, other: "Held") -> "Held":
        return Held(self.kept + other.kept, self.passing + other.passing)

    def __rmul__(self, times: float) -> "Held":
        return Held(times * self.kept, times * self.passing)

    @property
    def total(self) -> float:
        return self.kept + self.passing


@dataclass(frozen=True)
class Activation:
    """Numbers for each number of the input. `output`: whether it keeps what it gives, which the next layer reads."""

    inner: int
    passing: int
    output: bool = False


FUSED = Activation(inner=1, passing=0)
ACTIVATIONS: dict[str, Activation] = {
    **dict.fromkeys(("relu", "tanh", "sigmoid"), Activation(inner=0, passing=0, output=True)),
    "linear": Activation(inner=0, passing=0),
    "quick_gelu": Activation(inner=2, passing=1),
    # Written out in Python: x, tanh(...), x / 2 and 1 + tanh(...) are kept.
    **dict.fromkeys(("gelu_new", "gelu_accurate", "gelu_python_tanh"), Activation(inner=4, passing=4)),
    "gelu_fast": Activation(inner=6, passing=4),
    "gelu_python": Activation(inner=3, passing=2),
}
"""By name in transformers; every other one is a single operation that keeps its input."""


def attention_half(setting: Setting) -> Held:
    """A layer up to the residual sum behind attention, norms included, nothing of the method."""
    return attention(setting) + _output(setting, setting.anatomy.attention_output_dropout) + _norms_of_a_half(setting)


def feed_forward_half(setting: Setting) -> Held:
    """A layer from there on."""
    return feed_forward(setting) + _output(setting, dropout=True) + _norms_of_a_half(setting)


def attention(setting: Setting) -> Held:
    """From the projections of queries, keys and values to what the output projection reads."""
    anatomy, narrow = setting.anatomy, setting.narrow
    queries = setting.tokens * setting.query_width
    own_keys = setting.tokens * setting.base.key_value_width
    all_keys = setting.rows * setting.keys * setting.base.key_value_width
    # Grouped keys and values are repeated for every head that reads them.
    repeated = setting.rows * setting.keys * setting.query_width
    held = Held(kept=narrow * (queries + 2 * repeated), passing=narrow * (queries + 2 * own_keys))
    if anatomy.rotary:
        held += Held(passing=setting.wide * (queries + own_keys))
    if anatomy.query_key_norm:
        held += norm(setting, queries + own_keys)
    if setting.added.key_value_tokens:
        held += Held(passing=2 * narrow * all_keys)
    if setting.fused_attention:
        return held + Held(kept=narrow * queries)
    return held + scores(setting) + _relative(setting) + Held(passing=2 * narrow * queries)


def scores(setting: Setting) -> Held:
    """Softmax of the attention scores, its dropout, and what is multiplied with the values."""
    anatomy, narrow = setting.anatomy, setting.narrow
    count = setting.rows * setting.base.heads * setting.queries * setting.keys
    soft = 4 if anatomy.softmax_float32 or setting.precision == "bf16" else narrow
    held = Held(kept=soft * count)
    if anatomy.score_cap:
        held += Held(kept=narrow * count)
    if anatomy.attention_dropout:
        # transformers casts a float32 softmax back to the queries' type, which mixed precision leaves wide.
        held += mask(setting, count, narrow if setting.weight_bytes == 2 else soft)
    if anatomy.attention_dropout or soft != narrow:
        held += Held(kept=narrow * count)
    return held


def _relative(setting: Setting) -> Held:
    """DeBERTa's relative positions: their keys and queries, repeated for each row, and the scores with them."""
    span = setting.anatomy.relative_span
    positions = setting.rows * span * setting.query_width
    pairs = setting.rows * setting.base.heads * setting.queries
    once = Held(kept=setting.narrow * (positions + pairs * span), passing=setting.narrow * 2 * pairs * setting.keys)
    return setting.anatomy.relative_terms * once


def feed_forward(setting: Setting) -> Held:
    """From the widening projection to what the narrowing one reads, which is passing unless its weight trains."""
    inner = setting.narrow * setting.tokens * setting.base.intermediate_size
    kind = ACTIVATIONS.get(setting.anatomy.activation, FUSED)
    held = Held(kept=kind.inner * inner, passing=kind.passing * inner + (0 if kind.inner else inner))
    if setting.anatomy.gated:
        held += Held(kept=2 * inner, passing=inner)
    else:
        held += Held(kept=inner) if kind.output else Held(passing=inner)
    if setting.anatomy.feed_forward_dropout:
        held += mask(setting, inner / setting.narrow, setting.narrow) + Held(passing=inner)
    return held


def keeps_its_output(setting: Setting) -> bool:
    """Whether the activation keeps the very tensor that the narrowing projection reads (ReLU)."""
    kind = ACTIVATIONS.get(setting.anatomy.activation, FUSED)
    return kind.output and not setting.anatomy.gated and not setting.anatomy.feed_forward_dropout


def _output(setting: Setting, dropout: bool) -> Held:
    """A half's last projection, its dropout, and the sum with the residual stream."""
    numbers = setting.tokens * setting.base.hidden_size
    held = Held(passing=(setting.narrow + setting.wide) * numbers)
    if dropout and setting.anatomy.hidden_dropout:
        held += mask(setting, numbers, setting.narrow) + Held(passing=setting.narrow * numbers)
    return held


def _norms_of_a_half(setting: Setting) -> Held:
    count = 2 if setting.anatomy.norms == "around" else 1
    return count * norm(setting, setting.tokens * setting.base.hidden_size)


def norm(setting: Setting, numbers: float) -> Held:
    """A norm keeps its input, which was counted as passing where it was made. One by root mean square is written out
    in Python and, where its weight trains, also keeps the input brought to length one."""
    twice = setting.anatomy.norm != "layer_norm" and _norms_train(setting)
    return Held(kept=(2 if twice else 1) * setting.wide * numbers)


def _norms_train(setting: Setting) -> bool:
    return any(len(setting.shape.tensors.get(f"{path}.weight", ())) == 1 for path in setting.added.inputs_kept)


def mask(setting: Setting, numbers: float, width: int) -> Held:
    """What dropout keeps: a byte for each number on CUDA, on the CPU the drawn factors, of `width` bytes."""
    return Held(kept=numbers * (1 if setting.device == "cuda" else width))
