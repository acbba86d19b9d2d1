"""Tokenizers whose tokens can be counted by hand, models whose answers are known, and a real small decoder."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, BertTokenizer, PreTrainedTokenizerBase
from transformers import PreTrainedTokenizerFast as FastTokenizer

from peft_core.data import inspect_dataset
from peft_core.model_shape import ModelShape, read_model_shape
from peft_core.spec import Columns, Splits, TaskSpec
from peft_core.task import task_kind

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "a", "cat", "dog", "sat", "ran", "##s", "##ting")
PAD, UNK, CLS, SEP, THE, A, CAT, DOG, SAT, RAN, S, TING = range(len(PIECES))
"""The ids of the word pieces."""

MakeTask = Callable[..., TaskSpec]


def text_of(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int], *, special: bool = True) -> str:
    """Tokens as text, special tokens written out or left out."""
    return str(tokenizer.decode(list(tokens), skip_special_tokens=not special))


@pytest.fixture(scope="session")
def word_pieces() -> PreTrainedTokenizerBase:
    """BERT's tokenizer with the vocabulary PIECES: "cats" is two pieces."""
    return BertTokenizer(vocab={piece: number for number, piece in enumerate(PIECES)})


def byte_tokenizer(**special: str) -> PreTrainedTokenizerBase:
    """A decoder's tokenizer that makes a token of every byte. Padding is 0, <s> is 1, </s> is 2, <turn> is 3."""
    names = ("<pad>", "<s>", "</s>", "<turn>")
    vocabulary = [*names, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(vocabulary)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return FastTokenizer(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", additional_special_tokens=["<turn>"], **special
    )


@pytest.fixture(scope="session")
def bytewise() -> PreTrainedTokenizerBase:
    """`byte_tokenizer` with a token for the beginning of a text."""
    return byte_tokenizer(bos_token="<s>")


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory, bytewise: PreTrainedTokenizerBase) -> Path:
    """The folder of a small Llama with random weights and the byte tokenizer."""
    folder = tmp_path_factory.mktemp("decoder") / "llama"
    config = AutoConfig.for_model(
        "llama",
        vocab_size=len(bytewise),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    bytewise.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def bert_shape(minilm: Path) -> ModelShape:
    return read_model_shape(minilm)


@pytest.fixture(scope="session")
def llama_shape(decoder: Path) -> ModelShape:
    return read_model_shape(decoder)


@pytest.fixture
def make_task(tmp_path: Path) -> MakeTask:
    """The task of a dataset with this content, split as asked."""

    def make(
        kind: str, content: str, columns: Columns, splits: Splits | None = None, name: str = "data.csv"
    ) -> TaskSpec:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        summary = inspect_dataset(path, kind=task_kind(kind), columns=columns, splits=splits)
        return TaskSpec(
            name="own",
            kind=kind,
            dataset=path,
            dataset_sha256=summary.sha256,
            **columns.model_dump(),
            labels=summary.labels,
            splits=summary.splits,
        )

    return make


class Answers(nn.Module):
    """A model that gives the same logits whatever it reads."""

    def __init__(self, logits: Sequence[Sequence[float]] | torch.Tensor, pad_token_id: int | None = 0) -> None:
        super().__init__()
        self.given = torch.as_tensor(logits)
        self.config = SimpleNamespace(pad_token_id=pad_token_id)
        self.read: dict[str, torch.Tensor] = {}

    def forward(self, **inputs: torch.Tensor) -> SimpleNamespace:
        self.read = inputs
        return SimpleNamespace(logits=self.given)


class Following(nn.Module):
    """A language model that goes by the last token alone: row t of `table` has the logits after token t.

    `virtual` positions of nonsense stand in front, as a method's virtual tokens make them.
    """

    def __init__(self, table: Sequence[Sequence[float]], virtual: int = 0) -> None:
        super().__init__()
        self.table, self.virtual = torch.tensor(table), virtual
        self.config = SimpleNamespace(vocab_size=len(table))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, logits_to_keep: torch.Tensor | None = None
    ) -> SimpleNamespace:
        logits = self.table[input_ids]
        nonsense = torch.full((len(input_ids), self.virtual, self.table.shape[1]), -1e4)
        nonsense[..., 0] = 1e4
        logits = torch.cat([nonsense, logits], dim=1)
        return SimpleNamespace(logits=logits if logits_to_keep is None else logits[:, logits_to_keep])
