"""How wide a base model's token embeddings are: the width of a virtual token, and of a trained row of the table."""

from peft_core.model_shape import IN_LAYER, ModelShape


def embedding_width(shape: ModelShape) -> int:
    """The width of the look-up table of tokens, which some models (ELECTRA, ALBERT) make narrower than their layers."""
    tables = (dims for path, dims in shape.tensors.items() if len(dims) == 2 and not IN_LAYER.search(path))
    return next(width for rows, width in tables if rows == shape.vocabulary_size)
