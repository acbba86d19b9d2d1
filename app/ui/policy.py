"""How a callback declares what it may do: `reading` and `writing` stand where Dash's own `callback` would.

A reading one's client is let in to look only, whoever its reader is: what shows something cannot change anything, even
by mistake. What a writing one may do is what its reader may. Layouts and everything undeclared read.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

import dash

declared: list[tuple[str, str]] = []
"""What was declared in this process: a callback's module and name, and its policy."""
_may_write: ContextVar[bool] = ContextVar("may_write", default=False)


def reading(*wiring: Any, **options: Any) -> Any:
    """A callback that shows something."""
    return _declaring("reading", wiring, options)


def writing(*wiring: Any, **options: Any) -> Any:
    """A callback that changes something for its reader."""
    return _declaring("writing", wiring, options)


def may_write() -> bool:
    """Whether the callback at hand has said that it changes something."""
    return _may_write.get()


def _declaring(policy: str, wiring: tuple[Any, ...], options: dict[str, Any]) -> Any:
    register = dash.callback(*wiring, **options)

    def declare(function: Callable[..., Any]) -> Any:
        declared.append((f"{function.__module__}.{function.__qualname__}", policy))
        return register(_within(policy == "writing", function))

    return declare


def _within(writes: bool, function: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def later(*values: Any, **named: Any) -> Any:
            with _writing(writes):
                return await function(*values, **named)

        return later

    @wraps(function)
    def now(*values: Any, **named: Any) -> Any:
        with _writing(writes):
            return function(*values, **named)

    return now


@contextmanager
def _writing(writes: bool) -> Iterator[None]:
    token = _may_write.set(writes)
    try:
        yield
    finally:
        _may_write.reset(token)
