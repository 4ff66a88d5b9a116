"""`vision`: datasets, models and predictions from a terminal or a script.

The modules beside this package do the work; this one parses command lines and prints results.
"""

from vision_customization.customization.cli.program import main

__all__ = ["main"]
