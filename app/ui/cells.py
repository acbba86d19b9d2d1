"""Methods by metrics as pages show them."""

from app.matrix import QUALITY, Matrix, gap

__all__ = ["QUALITY", "Matrix", "gap"]
