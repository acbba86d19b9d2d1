"""Peak memory of loading and of training, from counts; every figure is in bytes.

On CUDA it is what the allocator has given out at its most, and phases do not add: activations are at their most when
the backward pass begins, gradients when it ends. On the CPU it is what the process holds: the C library's heap does not
shrink within a step, so that they do add, and it finds few of the places again that a forward pass lets go.
"""

import math
from dataclasses import dataclass
from functools import cached_property

from peft_core.analysis.cost_model.activations import Held
from peft_core.analysis.cost_model.forward_pass import checkpointed_pass, forward_pass
from peft_core.analysis.cost_model.parameters import head_parameters, trained_numbers
from peft_core.analysis.cost_model.setting import Setting

ADAM_STATES = 2
"""AdamW keeps two averages for each trained number, as wide as the number."""
LOGIT_BYTES = 12
"""For each number of an output layer over the vocabulary: the answers, those asked for in float32 and their
log-softmax; on the way back the log-softmax and two gradients."""
HEAP_BLOCK_BYTES = 32 * 2**20
"""glibc gives larger blocks back at once (M_MMAP_THRESHOLD at its dynamic most); smaller ones stay in its heap."""
LOST_SHARE = 0.85
"""Of what a forward pass lets go, the part whose place in the heap is not found again before the step ends: 0.7 to 1.0
measured on MiniLM over LoRA, adapter, prefix tuning, BitFit and IA3 at 512 to 2,048 tokens. With glibc's
MALLOC_MMAP_THRESHOLD_ fixed at 128 KiB, so that every block is given back, it is gone."""
RUNTIME_BYTES = 33_000_000
"""Code and buffers of PyTorch, transformers and peft that a first step brings in, in a process that has imported them:
what is left of MiniLM's peaks when all else is taken off."""
LOADING_BYTES = 19_000_000
"""Code that reading a base model brings in, measured as above before a first step: 19.2 to 20.3 MB."""
KERNEL_BYTES_FORWARD, KERNEL_BYTES_BACKWARD = 2_800_000, 10_000_000
"""What products in bfloat16 keep in a process on the CPU for every length of batch that was met, where no way back goes
through the base and where one does: compiled kernels, and the heap between their buffers. Medians of what was missing
without it on MiniLM: 2.3 and 3.4 MB; 8.1 (P-Tuning v2) to 13 MB (LoRA), over 8 and 29 lengths. With oneDNN's
ONEDNN_PRIMITIVE_CACHE_CAPACITY at 1, LoRA's peak falls from 611 to 416 MB; in float32 from 318 to 282."""
MOST_LENGTHS = 32
"""oneDNN keeps 1,024 kernels, the last ones used; more than 29 lengths were not measured."""
ERROR = 0.3
"""What an estimate of activations may be off by, by our own target."""


@dataclass(frozen=True)
class Memory:
    """The parts of a run's peak memory, and the two peaks made of them."""

    setting: Setting

    @cached_property
    def weights(self) -> float:
        """The base with its head, and what the method holds beside it, trained or not."""
        setting, linears = self.setting, self._linear_parameters
        rest = setting.shape.parameters - linears + setting.language_head_parameters
        head = head_parameters(setting) if setting.method.trains_base else 0
        return self._linear_bytes * linears + setting.weight_bytes * (rest + head) + 4 * self._beside

    @cached_property
    def _linear_parameters(self) -> int:
        return sum(d_in * d_out for d_in, d_out in self.setting.shape.linears.values())

    @property
    def _linear_bytes(self) -> float:
        return min(self.setting.method.linear_bytes, self.setting.weight_bytes)

    @property
    def _beside(self) -> int:
        """Numbers beside the base, the head included where the base's own do not train."""
        trained = 0 if self.setting.method.trains_base else self.trained_numbers
        return self.setting.added.frozen_parameters + trained

    @cached_property
    def trained_numbers(self) -> int:
        return trained_numbers(self.setting)

    @property
    def trained_bytes(self) -> int:
        """Of one trained number: float32 beside any base; the base's own width where its weights train."""
        return self.setting.weight_bytes if self.setting.method.trains_base else 4

    @property
    def optimizer(self) -> float:
        return ADAM_STATES * self.trained_bytes * self.trained_numbers

    @property
    def gradients(self) -> float:
        """Where a gradient is a sum (over the parts of a batch, or of a token table that is also the output layer), the
        largest one is there twice for a moment."""
        summed = self.setting.budget.accumulation > 1 or self.setting.task.language_model
        shapes = [self.setting.shape.tensors.get(f"{path}.weight", ()) for path in self.setting.trained_layers]
        largest = max((math.prod(dims) for dims in shapes), default=0) if summed else 0
        return self.trained_bytes * (self.trained_numbers + largest)

    @cached_property
    def activations(self) -> Held:
        """Of one part of a batch."""
        return (checkpointed_pass if self.setting.budget.gradient_checkpointing else forward_pass)(self.setting)

    @property
    def logits(self) -> float:
        setting = self.setting
        if not setting.task.language_model:
            return 0
        return LOGIT_BYTES * setting.rows * setting.text_length * setting.base.vocabulary_size

    @property
    def load_peak(self) -> float:
        """On CUDA the weights, and where they are narrowed on the way the largest of them as it is read. On the CPU the
        file's own bytes of all that is made wider or narrower; weights that stay as they are, are read when a pass asks
        for them."""
        setting, narrowed = self.setting, self._linear_bytes < self.setting.weight_bytes
        if setting.device == "cuda":
            largest = max(math.prod(dims) for dims in setting.shape.tensors.values())
            return self.weights + (4 * largest if narrowed else 0)
        if setting.anatomy.file_bytes != setting.weight_bytes:
            return LOADING_BYTES + self.weights + setting.anatomy.file_bytes * setting.shape.parameters
        return LOADING_BYTES + (self.weights + 4 * self._linear_parameters if narrowed else 4 * self._beside)

    @property
    def training_peak(self) -> float:
        held = self.weights + self.optimizer
        return held + (self._on_cuda if self.setting.device == "cuda" else self._on_cpu)

    @property
    def peak(self) -> float:
        """What the run needs at its most, loading included."""
        return max(self.load_peak, self.training_peak)

    @property
    def least(self) -> float:
        """What the run cannot do with less: weights, optimizer and gradients to the byte, activations as far as they
        are sure; logits may be few, and on a CPU the look-up tables of a frozen base may stay in their file."""
        setting = self.setting
        in_file = setting.device == "cpu" and not setting.method.trains_base
        tables = setting.weight_bytes * setting.shape.embedding_parameters if in_file else 0
        return self.weights - tables + self.optimizer + max(self.gradients, self.activations.kept / (1 + ERROR))

    @property
    def _on_cuda(self) -> float:
        # Several parts to a batch: the gradients of the first ones are there while the next one goes forward.
        kept = self.activations.kept + self.logits + working_bytes(self.setting)
        return kept + self.gradients if self.setting.budget.accumulation > 1 else max(kept, self.gradients)

    @property
    def _on_cpu(self) -> float:
        return self.activations.kept + self.lost + self.logits + self.gradients + RUNTIME_BYTES + self._kernels

    @property
    def _kernels(self) -> int:
        if self.setting.precision != "bf16":
            return 0
        each = KERNEL_BYTES_BACKWARD if self.setting.added.through_base else KERNEL_BYTES_FORWARD
        return each * min(self.setting.lengths_met, MOST_LENGTHS)

    @property
    def lost(self) -> float:
        """Of the CPU's heap: places that are not found again, while the blocks are small enough to be in it."""
        setting = self.setting
        block = setting.narrow * setting.tokens * setting.base.hidden_size
        return LOST_SHARE * self.activations.passing if block < HEAP_BLOCK_BYTES else working_bytes(setting)


def working_bytes(setting: Setting) -> float:
    """What is alive for a moment only: in a backward pass two tensors of the feed-forward layer's width or three of the
    scores' size, whichever is more; in a forward pass that keeps nothing also its layer's queries, keys and values."""
    scores = 0 if setting.fused_attention else setting.base.heads * setting.keys
    width = max(2 * setting.base.intermediate_size, 3 * scores)
    if not setting.added.through_base:
        width += 3 * setting.query_width
    return setting.narrow * setting.tokens * (width + setting.base.hidden_size)


def size(count: float) -> str:
    """A number of bytes as a sentence has it."""
    unit, scale = next((pair for pair in (("GB", 1e9), ("MB", 1e6)) if count >= pair[1]), ("kB", 1e3))
    return f"{count / scale:.3g} {unit}"
