"""`vision`, since what a conversion says at its end is the command's."""

from tests.customization.cli.conftest import vision

__all__ = ["vision"]
