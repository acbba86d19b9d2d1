"""LoRA over its rank, alpha kept at twice the rank."""

from peft_core.preset import Preset, PresetRow


class RankSweep(Preset):
    title = "Rank sweep"
    summary = "How much rank does LoRA need here?"
    position = 3

    @staticmethod
    def rows() -> tuple[PresetRow, ...]:
        return tuple(
            PresetRow(method="lora", hyperparameters={"rank": rank, "alpha": 2.0 * rank})
            for rank in (1, 2, 4, 8, 16, 32, 64)
        )
