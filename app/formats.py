"""How a number looks: SI values in, the text that pages and reports print out."""

import math

from app.schemas import Number, Sentence

MINUS = "\u2212"
THIN = "\u202f"
"""A thin space that does not break, between a number and its unit."""

DECIMAL_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
COUNT_UNITS = (("B", 1e9), ("M", 1e6), ("k", 1e4))


def format_value(value: float, quantity: str) -> str:
    """The text of a raw SI value. Fractions print as percent, seconds in the unit that suits them."""
    if not math.isfinite(value):
        return "–"
    return FORMATS[quantity](value).replace("-", MINUS)


def format_number(number: Number) -> str:
    """The text of a number; memory prints in GiB or MiB, files in decimal units, estimates with ≈."""
    text = (
        _memory(number.value)
        if number.metric == "peak_memory" and number.quantity == "bytes"
        else format_value(number.value, number.quantity)
    )
    return f"≈{THIN}{text}" if number.source == "estimated" else text


def sentence_text(parts: Sentence) -> str:
    """A sentence of the API as bare text."""
    return "".join(part.text or part.label or (format_number(part.number) if part.number else "") for part in parts)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}{THIN}%"


def _points(value: float) -> str:
    """A difference of fractions, in percentage points with its sign."""
    return f"{100 * value:+.1f}"


def _count(value: float) -> str:
    for unit, size in COUNT_UNITS:
        if abs(value) >= size:
            return f"{_three(value / (1e3 if unit == 'k' else size))}{THIN}{unit}"
    return f"{value:,.0f}"


def _bytes(value: float) -> str:
    for unit, size in DECIMAL_UNITS:
        if abs(value) >= size:
            return f"{_three(value / size)}{THIN}{unit}"
    return f"{value:.0f}{THIN}B"


def _memory(value: float) -> str:
    if value >= 2**30:
        return f"{_three(value / 2**30)}{THIN}GiB"
    return f"{_three(value / 2**20)}{THIN}MiB"


def _seconds(value: float) -> str:
    if value == 0:
        return f"0{THIN}s"
    if value < 1:
        return f"{_three(1e3 * value)}{THIN}ms"
    if value < 60:
        return f"{_three(value)}{THIN}s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{THIN}h {minutes}{THIN}min"
    return f"{minutes}{THIN}min {seconds}{THIN}s" if seconds else f"{minutes}{THIN}min"


def _per_second(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else _three(value)


def _nats(value: float) -> str:
    return f"{value:.3f}{THIN}nats"


def _joules(value: float) -> str:
    return f"{_three(value)}{THIN}J"


def _coefficient(value: float) -> str:
    """A correlation, a perplexity: a number without a unit."""
    return f"{value:.3f}" if abs(value) < 10 else _three(value)


def _ratio(value: float) -> str:
    return f"{_three(value)}×"


def _probability(value: float) -> str:
    """Floored, and never certain: 0.598 is 59 %."""
    if value > 0.99:
        return f">{THIN}99{THIN}%"
    if value < 0.01:
        return f"<{THIN}1{THIN}%"
    return f"{math.floor(100 * value)}{THIN}%"


def _score(value: float) -> str:
    return f"{value:.2f}"


def _p_value(value: float) -> str:
    return f"<{THIN}0.001" if value < 0.001 else f"{value:.3f}"


def _learning_rate(value: float) -> str:
    if value >= 0.1:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _series(value: float) -> str:
    """A point of a curve, whose unit its title names."""
    mantissa, marker, exponent = f"{value:.4g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if marker else mantissa


def _three(value: float) -> str:
    """Three significant digits, thousands separated, no exponent."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


FORMATS = {
    "fraction": _percent,
    "points": _points,
    "count": _count,
    "bytes": _bytes,
    "seconds": _seconds,
    "per_second": _per_second,
    "nats": _nats,
    "joules": _joules,
    "coefficient": _coefficient,
    "ratio": _ratio,
    "probability": _probability,
    "score": _score,
    "learning_rate": _learning_rate,
    "series": _series,
    "p_value": _p_value,
}
