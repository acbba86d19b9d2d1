"""How many numbers a run trains, holds and stores."""

from peft_core.analysis.cost_model.setting import Setting

BYTES_STORED = 4
"""Adapters are saved in float32."""
FILE_BYTES = 2_048
"""The configuration and the names of the tensors beside a saved adapter, roughly."""


def trainable_parameters(setting: Setting) -> int:
    """The method's own formula: everything with requires_grad during training, the task head left out."""
    return setting.method.trainable_parameters(setting.shape)


def head_parameters(setting: Setting) -> int:
    """Of what transformers puts beside the base for this kind of task; trained for every method but the untuned row."""
    anatomy, outputs = setting.anatomy, setting.task.outputs(setting.labels)
    styles = {"sequence": anatomy.sequence_head, "token": anatomy.token_head, "choice": anatomy.choice_head}
    style = styles.get(setting.task.head, "none")
    if style == "none":
        return 0
    width = anatomy.output_width or setting.base.hidden_size
    answer = width * outputs + (0 if style == "linear_without_bias" else outputs)
    dense = {"dense": width * width + width, "dense_without_bias_and_norm": width * width + width}
    return answer + dense.get(style, 0)


def trained_numbers(setting: Setting) -> int:
    """All that gets a gradient and optimizer state, the head included."""
    head = head_parameters(setting) if setting.method.trains_head else 0
    return trainable_parameters(setting) + head


def stored_parameters(setting: Setting) -> int:
    """The method's own formula: the numbers saved beyond the base, the task head left out."""
    return setting.method.stored_parameters(setting.shape)


def storage_bytes(setting: Setting) -> int:
    """What one more task takes on disk: adapter and head in float32, and the files' own text."""
    head = head_parameters(setting) if setting.method.trains_head else 0
    stored = stored_parameters(setting) + head
    return BYTES_STORED * stored + FILE_BYTES if stored else 0
