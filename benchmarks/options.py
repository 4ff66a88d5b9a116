"""Options that several benchmarks have."""

import argparse
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def add_data_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=CHECKOUT.parent / "shared" / "data", help="folder of the labelled datasets"
    )
