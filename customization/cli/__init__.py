"""`vision`: datasets, models and predictions from a terminal or a script.

What a command does lives in the modules beside this package; here is how it is asked for, and how it is told.
"""

from vision_customization.customization.cli.program import main

__all__ = ["main"]
