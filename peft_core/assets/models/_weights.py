"""What every base model of a source is checked for."""

from pathlib import Path

from peft_core.errors import InvalidBaseModel, MissingAsset
from peft_core.model_shape import read_model_shape


def refuse_other_size(folder: Path, parameters: int, package: str) -> None:
    """Raises MissingAsset where the base model in `folder` does not have so many parameters."""
    try:
        found = read_model_shape(folder).parameters
    except InvalidBaseModel as error:
        raise MissingAsset(f"{package} holds no base model: {error}") from None
    if found != parameters:
        raise MissingAsset(
            f"{package} holds a base model of {found:,} parameters, not {parameters:,}: the download is not the"
            " expected one. Clear pip's cache and try again."
        )
