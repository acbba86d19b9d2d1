"""The training step whose cost is asked about, and the sizes that follow from it."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from peft_core.added_cost import AddedCost
from peft_core.method import Method, build_method
from peft_core.model_config import Anatomy, read_config_of
from peft_core.model_shape import ModelShape
from peft_core.spec import Budget, Precision, RunSpec
from peft_core.task import Task, task_kind

DeviceKind = Literal["cpu", "cuda"]

TABLES = ("embeddings", "embed_tokens", "embed_positions", "wte", "wpe", "shared", "relative_attention_bias")
"""Last names of modules whose rows are looked up and not multiplied."""


@dataclass(frozen=True)
class Setting:
    """One run, as far as its cost goes. `base` is the base model as its config has it; `shape` what of it is loaded."""

    base: ModelShape
    anatomy: Anatomy
    method: Method
    task_kind: str
    labels: int
    """Classes of the task, or choices of an item."""
    budget: Budget
    precision: Precision = "fp32"
    """bf16: weights in float32, arithmetic in bfloat16 where autocast has it so."""
    device: DeviceKind = "cpu"
    length: int | None = None
    """Tokens of the longest text; None: the budget's `max_length`."""
    lengths: int | None = None
    """How many lengths the batches come in, each padded to its longest text; None: not known, see `lengths_met`."""
    weight_bytes: Literal[2, 4] = 4
    """What a weight of the base takes. Runs hold 4; 2 is training in 16 bits throughout."""

    @cached_property
    def task(self) -> type[Task]:
        return task_kind(self.task_kind)

    @cached_property
    def shape(self) -> ModelShape:
        """The base model as this kind of task loads it: without a pooler that its head does not read, and for token
        heads without the decoder of an encoder-decoder."""
        absent = [] if self.task.head in self.anatomy.pooler else ["pooler."]
        absent += ["decoder."] if self.second_stack < self.anatomy.decoder_layers else []
        tensors = {path: dims for path, dims in self.base.tensors.items() if not path.startswith(tuple(absent))}
        return replace(self.base, tensors=tensors)

    @cached_property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """Path of every layer that multiplies each token with a matrix -> (d_in, d_out).

        Left out are the pooler, which reads one token of a text, and the output layer over the vocabulary.
        """
        found = {}
        for path, dims in self.shape.tensors.items():
            layer, _, last = path.rpartition(".")
            if last == "weight" and len(dims) == 2 and not layer.startswith("pooler") and not layer.endswith(TABLES):
                found[layer] = (dims[0], dims[1]) if self.anatomy.input_first else (dims[1], dims[0])
        return found

    @property
    def language_head_parameters(self) -> int:
        """Of an output layer that is no copy of the token table, where the task uses it."""
        return self.base.language_head_parameters if self.task.language_model else 0

    @cached_property
    def added(self) -> AddedCost:
        return self.method.added_cost(self.shape)

    @property
    def rows(self) -> int:
        """Texts that pass the model at once."""
        return -(-self.budget.batch_size // self.budget.accumulation) * self.task.texts(self.labels)

    @property
    def text_length(self) -> int:
        return self.budget.max_length if self.length is None else min(self.length, self.budget.max_length)

    @property
    def lengths_met(self) -> int:
        """Where it is not known, half of the longest: 29 were met over movie snippets of 12 to 62 tokens."""
        return -(-self.text_length // 2) if self.lengths is None else self.lengths

    @property
    def queries(self) -> int:
        """Positions of a row that every layer works on."""
        return self.text_length + self.added.input_tokens

    @property
    def keys(self) -> int:
        """Positions of a row that attention reads."""
        return self.queries + self.added.key_value_tokens

    @property
    def tokens(self) -> int:
        """Positions that pass a layer at once."""
        return self.rows * self.queries

    @property
    def query_width(self) -> int:
        return self.base.heads * self.anatomy.head_width

    @property
    def second_stack(self) -> int:
        """Layers of an encoder-decoder's decoder, where it is loaded."""
        return 0 if self.task.head == "token" else self.anatomy.decoder_layers

    @property
    def attentions(self) -> int:
        """How often a pass attends: a second stack's layers do so twice."""
        return self.base.layers + 2 * self.second_stack

    @property
    def wide(self) -> int:
        """Bytes of a number in the residual stream and the norms."""
        return self.weight_bytes

    @property
    def narrow(self) -> int:
        """Bytes of a number that a matrix product gives."""
        return 2 if self.precision == "bf16" else self.weight_bytes

    @property
    def fused_attention(self) -> bool:
        """Whether attention keeps no scores. Kinds of task with a head load the base with eager attention."""
        return self.task.language_model and not self.anatomy.score_cap and not self.anatomy.attention_dropout

    @property
    def trained_layers(self) -> frozenset[str]:
        """Paths of the base's layers whose own weight trains."""
        return self.added.inputs_kept if self.method.trains_base else frozenset()


def setting_of(spec: RunSpec, *, precision: Precision, device: DeviceKind, length: int | None) -> Setting:
    """A run as the cost model sees it. Raises InvalidBaseModel where its architecture is not known."""
    base, anatomy = read_config_of(spec.base_model)
    return Setting(
        base=base,
        anatomy=anatomy,
        method=build_method(spec.method, spec.hyperparameters),
        task_kind=spec.task.kind,
        labels=len(spec.task.choices or spec.task.labels),
        budget=spec.budget,
        precision=precision,
        device=device,
        length=length,
    )
