"""What a page's Code shows: the text that declares what is seen, or asks for it. Never with a key in it.

Each noun has a module, whose functions return the snippets of a page; `languages` has what they share.
"""

from vision_customization.engine.studio.snippets.languages import Snippet, cli, curl, python, yaml

__all__ = ["Snippet", "cli", "curl", "python", "yaml"]
