"""Prefix tuning over the length of its prefix."""

from peft_core.preset import Preset, PresetRow


class PrefixLengthSweep(Preset):
    title = "Prefix-length sweep"
    summary = "How many virtual tokens does a prefix need here?"
    position = 5

    @staticmethod
    def rows() -> tuple[PresetRow, ...]:
        return tuple(
            PresetRow(method="prefix_tuning", hyperparameters={"num_virtual_tokens": length})
            for length in (10, 20, 50, 100, 200)
        )
