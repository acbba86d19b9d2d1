"""How the layers of a model are put together, as far as their cost goes."""

from dataclasses import dataclass
from typing import Literal

Norm = Literal["layer_norm", "rms_norm", "gemma_rms_norm", "t5_rms_norm"]
Placing = Literal["before", "after", "around", "outputs"]
HeadStyle = Literal["linear", "linear_without_bias", "dense", "dense_without_bias_and_norm", "none"]


@dataclass(frozen=True)
class Anatomy:
    """How the layers of a model are put together, as far as their cost goes.

    `norms`: where a layer's norms stand: before each half, after each half's residual sum, around each half, or on each
    half's output. `head_style` by kind of head: what transformers puts beside the base.
    """

    norms: Placing
    norm: Norm
    activation: str
    gated: bool
    head_width: int
    key_value_heads: int
    hidden_dropout: float
    attention_dropout: float
    feed_forward_dropout: float = 0.0
    """On the activated feed-forward states (T5); the one on its output is `hidden_dropout`."""
    attention_output_dropout: bool = True
    """False where the attention's projection has no dropout behind it (DistilBERT)."""
    embedding_norm: bool = False
    final_norm: bool = False
    rotary: bool = False
    query_key_norm: bool = False
    softmax_float32: bool = False
    """The softmax is taken in float32 whatever the precision is."""
    score_cap: bool = False
    """Attention scores pass a tanh (Gemma 2)."""
    relative_span: int = 0
    """Relative positions that attention has vectors for (DeBERTa): rows of its table."""
    relative_terms: int = 0
    """Of content-to-position and position-to-content, how many are added to the scores."""
    decoder_layers: int = 0
    """Layers of a second stack that also attends to the first (T5)."""
    input_first: bool = False
    """Layers keep their weights as (d_in, d_out), the other way round than everywhere else (GPT-2)."""
    shared_layers: int = 1
    """How often each layer's tensors are used (ALBERT: all layers share one set)."""
    tied: bool = True
    """The language-model head is the token table."""
    output_width: int = 0
    """Width that the language-model head and the task head read; 0: the hidden size."""
    sequence_head: HeadStyle = "linear"
    token_head: HeadStyle = "linear"
    choice_head: HeadStyle = "none"
    file_bytes: int = 4
    """What a weight takes in the model's own files, by the type that the config names."""
    pooler: frozenset[str] = frozenset()
    """The kinds of head ("sequence", "token", "choice") whose model holds the base's pooler."""
