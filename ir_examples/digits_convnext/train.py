"""Train the small ConvNeXt on handwritten digits."""

from pathlib import Path

from ir_examples import digits


def main() -> None:
    """Train with the options of the command line and write the results."""
    digits.main("convnext", Path(__file__).parent)


if __name__ == "__main__":
    main()
