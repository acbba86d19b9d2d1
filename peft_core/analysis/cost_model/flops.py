"""Floating-point operations of a step, counted over the parameters that are used in matrix products.

Full fine-tuning takes 6 P_c for each token: 2 forward, 2 for the gradients of what a layer reads, 2 for its weight's.
Parameters beside a frozen base of which gradients come back to the first layer: 4 P_c + 6 p. A head alone: 2 P_c.
Checkpointing goes forward twice: 8 P_c. Attention adds 4 s d for each token and layer forward and twice that backward.
"""

import math
from collections.abc import Iterable

from peft_core.analysis.cost_model.parameters import head_parameters
from peft_core.analysis.cost_model.setting import Setting
from peft_core.model_shape import IN_LAYER


def matrix_parameters(setting: Setting) -> int:
    """P_c: the parameters that multiply each token, an output layer over the vocabulary included. Look-up tables are
    not; layers that are used several times count as often."""
    return _numbers(setting, setting.matrices) + output_parameters(setting)


def output_parameters(setting: Setting) -> int:
    """Of the output layer over the vocabulary, the token table itself or one like it; kinds with a head have none."""
    width = setting.anatomy.output_width or setting.base.hidden_size
    return width * setting.base.vocabulary_size if setting.task.language_model else 0


def forward_flops(setting: Setting) -> float:
    """Of one pass over a whole batch."""
    each = 2 * matrix_parameters(setting) + _attention(setting) + _method(setting)
    return _positions(setting) * each + _once(setting)


def training_flops(setting: Setting) -> float:
    """Of one step of the optimizer: forward, backward, and forward again where layers are checkpointed."""
    if not setting.added.through_base:
        return forward_flops(setting) + 2 * _once(setting)
    reached = 1 - setting.added.untouched_layers / setting.base.layers
    trained = setting.trained_layers & setting.matrices.keys()
    read = 2 * (reached * _numbers(setting, setting.matrices) + output_parameters(setting))
    weights = 2 * (_numbers(setting, trained) + (output_parameters(setting) if trained else 0))
    each = read + weights + 2 * reached * _attention(setting) + 2 * _method(setting)
    backward = _positions(setting) * each + 2 * _once(setting)
    passes = 2 if setting.budget.gradient_checkpointing else 1
    return passes * forward_flops(setting) + backward


def flops_per_token(setting: Setting) -> float:
    """Of training, for each token of the text: virtual ones cost, and are no text."""
    return training_flops(setting) / (_texts(setting) * setting.text_length)


def _numbers(setting: Setting, paths: Iterable[str]) -> int:
    """Parameters of these layers, as often as each is used in a pass."""
    return sum(
        math.prod(setting.matrices[path]) * (setting.anatomy.shared_layers if IN_LAYER.search(f"{path}.") else 1)
        for path in paths
    )


def _texts(setting: Setting) -> int:
    return setting.budget.batch_size * setting.task.texts(setting.labels)


def _positions(setting: Setting) -> int:
    """Of a whole batch, virtual tokens included."""
    return _texts(setting) * setting.queries


def _attention(setting: Setting) -> float:
    """4 s d for each position and layer: queries with keys, and weights with values."""
    return 4 * setting.attentions * setting.keys * setting.query_width


def _method(setting: Setting) -> float:
    return setting.added.flops_per_token * setting.anatomy.shared_layers


def _once(setting: Setting) -> float:
    """What does not grow with the length: each text's head, and what the method does once for a batch."""
    return 2 * _texts(setting) * head_parameters(setting) + setting.added.flops
