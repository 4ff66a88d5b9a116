"""Limits of the contract, each of them once."""

API_VERSIONS = ("2023-02-01-preview", "2023-04-01-preview")


API_VERSION = API_VERSIONS[-1]


NAME_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$"


NAME_MAX_LENGTH = 255


PAGE_DEFAULT = 10


PAGE_MAX = 30


SKIP_MAX = 2**31 - 1


IMAGE_BYTES_MAX_ANALYZE = 20_971_520


IMAGE_SIDE_ANALYZE_PX = (50, 16_000)
"""Least and greatest side of an image to analyze, in pixels."""
