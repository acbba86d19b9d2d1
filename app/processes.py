"""Processes that end together."""

import ctypes
import signal
import sys

LINUX_SET_PARENT_DEATH_SIGNAL = 1


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """On Linux the system sends this process `number` when its parent ends, so that nothing is left running."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(LINUX_SET_PARENT_DEATH_SIGNAL, number)
