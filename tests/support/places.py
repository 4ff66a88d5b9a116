"""Where the tests find what is no part of them."""

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
LABELLED_DATA = CHECKOUT.parent / "shared" / "data"
"""The labelled datasets; they lie beside the checkout, or nowhere."""
