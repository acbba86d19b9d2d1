"""The catalogue of what the product says. `make strings` brings it up to date with the code."""
