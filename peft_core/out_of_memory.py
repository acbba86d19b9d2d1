"""Telling that memory ran out, which torch says in several ways, and what to change then."""

import re

from peft_core.spec import RunSpec

OUT_OF_MEMORY = "Out of memory"
"""How the reason of such a run begins."""

CPU_ALLOCATOR = "DefaultCPUAllocator"
"""torch raises a plain RuntimeError that names it where the system gives no more main memory."""

ASKED = re.compile(r"tried to allocate ([\d.]+) (bytes|[KMG]iB)", re.IGNORECASE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether main or device memory ran out. Every other error of torch is something else and says so itself."""
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError) or CPU_ALLOCATOR in str(error)


def out_of_memory_reason(error: BaseException, spec: RunSpec) -> str:
    """What did not fit, and what to change in the study."""
    budget = spec.budget
    return (
        f"{OUT_OF_MEMORY}: {_asked(str(error))} did not fit, with batches of {budget.batch_size} items of up to"
        f" {budget.max_length} tokens. Use a smaller batch, work it off in parts (accumulation), turn gradient"
        " checkpointing on, or use a shorter length or a smaller model."
    )


def _asked(message: str) -> str:
    found = ASKED.search(message)
    if found is None:
        return "the next tensor"
    number, unit = found.groups()
    return f"another {float(number) / 2**30:.2f} GiB" if unit == "bytes" else f"another {number} {unit}"
