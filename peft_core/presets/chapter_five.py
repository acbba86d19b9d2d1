"""The textbook chapter's comparison: full fine-tuning, LoRA, adapter, prefix tuning and P-Tuning v2."""

from peft_core.preset import Preset, PresetRow


class ChapterFive(Preset):
    title = "The chapter's five"
    summary = "How do LoRA, adapters and the two kinds of prefix compare with full fine-tuning?"
    position = 0

    @staticmethod
    def rows() -> tuple[PresetRow, ...]:
        names = ("full", "lora", "adapter", "prefix_tuning", "p_tuning_v2")
        return tuple(PresetRow(method=name) for name in names)
