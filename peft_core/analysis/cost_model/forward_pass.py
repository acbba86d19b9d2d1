"""A whole forward pass: embeddings, layers, head or output layer, and what the method puts beside them."""

from peft_core.analysis.cost_model.activations import (
    Held,
    attention_half,
    feed_forward_half,
    keeps_its_output,
    mask,
    norm,
)
from peft_core.analysis.cost_model.setting import TABLES, Setting
from peft_core.model_shape import Role, linear_role

READ_TOGETHER: dict[Role | None, str] = {
    "query": "attention",
    "key": "attention",
    "value": "attention",
    "qkv": "attention",
    "ffn_gate": "feed-forward",
    "ffn_up": "feed-forward",
}
"""The linear layers that read what a norm gives, together with those of the same half."""


def forward_pass(setting: Setting) -> Held:
    """What the pass keeps and lets go where a gradient comes back through it; logits over a vocabulary are apart.

    Where no gradient passes through the base, each layer takes the place of the one before.
    """
    if not setting.added.through_base:
        return Held(passing=one_layer(setting).total)
    held = _layers(setting) + _method(setting) + _top(setting) + _casts(setting)
    return held + _embeddings(setting) if _reaches_embeddings(setting) else held


def checkpointed_pass(setting: Setting) -> Held:
    """The same where layers are worked out again on the way back: the input of each, and one whole layer.

    It is let go on the way forth, and again when the layer before it is worked out.
    """
    if not setting.added.through_base:
        return forward_pass(setting)
    layers = setting.base.layers + setting.second_stack
    inputs = Held(kept=layers * setting.wide * setting.tokens * setting.base.hidden_size)
    again = one_layer(setting) + (1 / layers) * (_method(setting) + _casts(setting))
    return inputs + again + Held(passing=2 * again.total) + _top(setting)


def one_layer(setting: Setting) -> Held:
    """A layer of the first stack, nothing of the method included."""
    return attention_half(setting) + feed_forward_half(setting)


def _layers(setting: Setting) -> Held:
    """All layers of the base that a gradient comes back to. A second stack's also attend to the first."""
    first = (setting.base.layers - setting.added.untouched_layers) * one_layer(setting)
    return first + setting.second_stack * (one_layer(setting) + attention_half(setting))


def _method(setting: Setting) -> Held:
    """What the method's own modules keep and let go, the inputs that they read from the base included."""
    added, tokens = setting.added, setting.tokens * setting.anatomy.shared_layers
    numbers = added.kept_per_token * tokens + added.kept_per_item * setting.rows
    held = Held(setting.narrow * numbers + 4 * added.kept, setting.narrow * added.passing_per_token * tokens)
    return held + mask(setting, added.dropped_per_token * tokens, setting.wide) + _inputs(setting)


def _inputs(setting: Setting) -> Held:
    """The inputs of the base's layers that are kept because something that trains is multiplied with them.

    Layers that read the same tensor keep it once; in mixed precision each keeps its own cast of it.
    """
    widths: dict[str, int] = {}
    for path in setting.added.inputs_kept & setting.matrices.keys():
        d_in, d_out = setting.matrices[path]
        role = linear_role(path, d_in, d_out, setting.base.hidden_size)
        if role == "ffn_down" and keeps_its_output(setting):
            continue
        together = setting.narrow == setting.wide and role in READ_TOGETHER
        times = setting.anatomy.shared_layers if role else 1
        widths[f"{path.rpartition('.')[0]} {READ_TOGETHER[role]}" if together else path] = times * d_in
    size = setting.narrow * setting.tokens * sum(widths.values())
    # Whatever gives them was counted as letting them go.
    return Held(kept=size, passing=-size)


def _casts(setting: Setting) -> Held:
    """The bfloat16 copies of weights that a mixed-precision pass keeps for its way back. Weights in 4 bits are brought
    back to 16 one after the other."""
    if setting.precision != "bf16" or setting.method.linear_bytes < 4:
        return Held()
    return Held(kept=2 * sum(d_in * d_out for d_in, d_out in setting.matrices.values()))


def _embeddings(setting: Setting) -> Held:
    """Norm and dropout of the embedded text."""
    numbers = setting.tokens * setting.base.hidden_size
    held = norm(setting, numbers) if setting.anatomy.embedding_norm else Held()
    return held + (mask(setting, numbers, setting.wide) if setting.anatomy.hidden_dropout else Held())


def _reaches_embeddings(setting: Setting) -> bool:
    """Whether something trains in front of the first layer: the embeddings themselves, or virtual tokens."""
    tables = (path for path in setting.added.inputs_kept if path.endswith(TABLES) or "embeddings." in path)
    return bool(setting.added.input_tokens) or any(tables)


def _top(setting: Setting) -> Held:
    """The last norm, and the head or output layer."""
    numbers = setting.tokens * setting.base.hidden_size
    held = norm(setting, numbers) if setting.anatomy.final_norm else Held()
    if setting.task.head == "none":
        # The output layer keeps its own input where its weight trains.
        return held + Held(kept=setting.narrow * numbers) if setting.trained_layers else held
    if setting.task.head == "token":
        dropped = mask(setting, numbers, setting.wide) if setting.anatomy.hidden_dropout else Held()
        return held + dropped + Held(kept=setting.narrow * numbers)
    # A decoder's classifier answers at every position, an encoder's head at the first one alone.
    return held + Held(kept=setting.narrow * numbers) if setting.base.causal else held
