"""The adapter over its bottleneck."""

from peft_core.preset import Preset, PresetRow


class BottleneckSweep(Preset):
    title = "Bottleneck sweep"
    summary = "How wide must an adapter be here?"
    position = 4

    @staticmethod
    def rows() -> tuple[PresetRow, ...]:
        return tuple(
            PresetRow(method="adapter", hyperparameters={"bottleneck_size": size}) for size in (8, 16, 32, 64, 128)
        )
