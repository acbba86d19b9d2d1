"""Methods by metrics as pages show them."""

from app.matrix import HEAD_UNITS, QUALITY, SHORT_TITLES, Matrix, gap, head_unit

__all__ = ["HEAD_UNITS", "QUALITY", "SHORT_TITLES", "Matrix", "gap", "head_unit"]
