"""Where the tests find data that is not part of them."""

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
LABELLED_DATA = CHECKOUT.parent / "shared" / "data"
"""The labelled datasets; they are beside the checkout, or missing."""
