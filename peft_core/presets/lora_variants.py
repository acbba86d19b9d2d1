"""The chapter's variants of LoRA."""

from peft_core.preset import Preset, PresetRow


class LoraVariants(Preset):
    title = "LoRA variants"
    summary = "What do adaptive ranks, 4-bit bases, split learning rates and nested ranks change?"
    position = 1

    @staticmethod
    def rows() -> tuple[PresetRow, ...]:
        names = ("lora", "adalora", "qlora", "lora_plus", "dylora")
        return tuple(PresetRow(method=name) for name in names)
