"""The random numbers of one run among several in a process."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class RandomStream:
    """What torch's own generators would give a run that is alone in its process, from where they stand now."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._main = torch.Generator()
        self.generator = self._main if device.type == "cpu" else torch.Generator(device)
        """Of the device that the run trains on."""
        self._take_over()

    @property
    def state(self) -> bytes:
        """Two streams of the same state give the same numbers."""
        return b"".join(bytes(generator.get_state().numpy()) for generator in self._generators)

    @state.setter
    def state(self, state: bytes) -> None:
        numbers = torch.frombuffer(bytearray(state), dtype=torch.uint8)
        for generator in self._generators:
            length = len(generator.get_state())
            generator.set_state(numbers[:length].clone())
            numbers = numbers[length:]

    @property
    def _generators(self) -> list[torch.Generator]:
        """A method may draw on the main processor what it decides there (DyLoRA its rank)."""
        return [self._main] if self.generator is self._main else [self._main, self.generator]

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """torch's own generators are this stream, for what draws from them: a method's hooks, a checkpoint."""
        before = torch.get_rng_state()
        torch.set_rng_state(self._main.get_state())
        if self.generator is not self._main:
            torch.cuda.set_rng_state(self.generator.get_state(), self._device)
        try:
            yield
        finally:
            self._take_over()
            torch.set_rng_state(before)

    def _take_over(self) -> None:
        self._main.set_state(torch.get_rng_state())
        if self.generator is not self._main:
            self.generator.set_state(torch.cuda.get_rng_state(self._device))
