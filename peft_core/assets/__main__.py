"""`python -m peft_core.assets`: fetch the base models and data of `make setup`, or those that are named."""

import argparse
import sys

from peft_core import assets
from peft_core.errors import PeftCoreError


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m peft_core.assets", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(assets.names())}")
    parser.add_argument("--all", action="store_true", help="everything there is")
    arguments = parser.parse_args()
    try:
        assets.fetch(assets.names() if arguments.all else arguments.names or None)
    except PeftCoreError as error:
        sys.exit(f"peft-atlas: {error}")


if __name__ == "__main__":
    main()
