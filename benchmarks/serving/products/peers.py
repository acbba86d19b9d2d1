"""Other products, in a virtual environment of their own: nothing of the project needs them."""

import subprocess
import sys
from pathlib import Path

WANTED = ("mlflow==3.17.*", "optuna-dashboard==0.21.*")


def install(folder: Path) -> Path:
    """The folder of their programs, installed from the package index where they are not there yet."""
    programs = folder.absolute() / "bin"
    if not (programs / "mlflow").exists() or not (programs / "optuna-dashboard").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(programs / "pip"), "install", "--quiet", *WANTED], check=True)
    return programs


def version_of(programs: Path, package: str) -> str:
    """The version that is installed there."""
    said = f"from importlib.metadata import version; print(version('{package}'))"
    found = subprocess.run([str(programs / "python"), "-c", said], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def fill(programs: Path, script: str, *words: str) -> None:
    """Run a filling script, which imports what is installed there and nothing of ours."""
    path = Path(__file__).with_name(script)
    # Isolated: beside the script lie modules with the names of those it imports.
    subprocess.run([str(programs / "python"), "-I", str(path), *words], check=True, stdout=subprocess.DEVNULL)
