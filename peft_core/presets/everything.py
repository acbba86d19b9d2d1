"""Every method of the catalogue, each with its recommended hyper-parameters."""

from peft_core.method import methods
from peft_core.preset import Preset, PresetRow


class Everything(Preset):
    title = "Everything that fits"
    summary = "Which of all methods deserve a closer look here? Many runs: see the estimate first."
    position = 6

    @staticmethod
    def rows() -> tuple[PresetRow, ...]:
        return tuple(PresetRow(method=name) for name, kind in methods().items() if kind.family != "reference")
