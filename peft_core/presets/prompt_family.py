"""The chapter's family of prompt methods."""

from peft_core.preset import Preset, PresetRow


class PromptFamily(Preset):
    title = "Prompt family"
    summary = "Where should learnt tokens stand: at the input or in every layer?"
    position = 2

    @staticmethod
    def rows() -> tuple[PresetRow, ...]:
        names = ("prefix_tuning", "p_tuning", "p_tuning_v2", "prompt_tuning")
        return tuple(PresetRow(method=name) for name in names)
