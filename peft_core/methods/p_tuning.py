"""P-Tuning: virtual tokens in front of the text, made by an LSTM or MLP while training."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from peft_core.method import LearningRate, Paper, hyperparameter
from peft_core.methods._embedding import embedding_width
from peft_core.methods._input_prompt import InputPromptMethod
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from peft_core.methods._virtual_tokens import VirtualTokens


class PTuning(InputPromptMethod):
    title: ClassVar[str] = "P-Tuning"
    summary: ClassVar[str] = "Virtual tokens in front, through an encoder"
    trains: ClassVar[str] = "Embeddings of n virtual tokens and the LSTM or MLP that makes what the base reads of them."
    paper: ClassVar[Paper | None] = Paper(
        title="GPT Understands, Too", authors="Liu et al.", year=2021, url="https://arxiv.org/abs/2103.10385"
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=3e-3,
        encoder=1e-3,
        llm=1e-3,
        source=(
            "small: chosen on validation, MiniLM on tweets, one seed: after 150 steps no rate stands out, after 500"
            " 1e-3 gives .800, 3e-3 .877 and 1e-2 .880; others: the protocol's starting points"
        ),
    )
    place: ClassVar[int] = 32

    num_virtual_tokens: int = hyperparameter(
        20,
        title="Prompt length",
        ge=1,
        le=4096,
        recommended=(10, 100),
        effect="Virtual tokens in front of the text. Longer prompts cost time and memory like longer texts.",
    )
    encoder: Literal["mlp", "lstm"] = hyperparameter(
        "mlp",
        title="Encoder",
        effect="What makes the virtual tokens while training: an MLP for each by itself, or the paper's bidirectional"
        " LSTM over all of them. Dropped when the adapter is saved.",
    )
    encoder_hidden_size: int = hyperparameter(
        256,
        title="Encoder width",
        ge=1,
        le=8192,
        recommended=(128, 512),
        effect="Width of the encoder: parameters while training, none in the saved adapter.",
    )
    encoder_layers: int = hyperparameter(
        2,
        title="Encoder layers",
        ge=1,
        le=8,
        recommended=(1, 3),
        effect="Hidden layers of the MLP, or layers of the LSTM. More of them train more slowly.",
    )

    def trainable_parameters(self, shape: ModelShape) -> int:
        """n d, and the encoder's own."""
        encoder = {"mlp": self._mlp_parameters, "lstm": self._lstm_parameters}[self.encoder]
        return self.stored_parameters(shape) + encoder(embedding_width(shape))

    def _mlp_parameters(self, width: int) -> int:
        """d h + h, then h^2 + h for each further layer, then h d + d."""
        hidden = self.encoder_hidden_size
        first, last = width * hidden + hidden, hidden * width + width
        return first + (self.encoder_layers - 1) * (hidden * hidden + hidden) + last

    def _lstm_parameters(self, width: int) -> int:
        """Four gates in two directions, 8 (d h + h^2 + 2 h); 8 (2 h^2 + h^2 + 2 h) for each further layer, which reads
        both directions; then 4 h^2 + 2 h and 2 h d + d of the MLP."""
        hidden = self.encoder_hidden_size
        first, further = (8 * (read * hidden + hidden * hidden + 2 * hidden) for read in (width, 2 * hidden))
        return first + (self.encoder_layers - 1) * further + 4 * hidden**2 + 2 * hidden + 2 * hidden * width + width

    def label(self) -> str:
        return f"P-Tuning {self.num_virtual_tokens}" + (", LSTM" if self.encoder == "lstm" else "")

    def virtual_tokens(self, model: Any) -> "VirtualTokens":
        import torch

        from peft_core.methods._prompt_encoder import ENCODERS
        from peft_core.methods._virtual_tokens import VirtualTokens

        width = model.get_input_embeddings().embedding_dim
        encoder = ENCODERS[self.encoder](width, self.encoder_hidden_size, self.encoder_layers)
        return VirtualTokens(torch.randn(self.num_virtual_tokens, width), encoder)
