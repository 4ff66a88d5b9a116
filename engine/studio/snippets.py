"""What a page's Code shows: the text that declares what is seen, or asks for it. Never with a key in it."""

from vision_customization.contract.limits import API_VERSION

Snippet = tuple[str, str]
"""A language's name, and the text."""


def curl(origin: str, path: str, *options: str, **query: str) -> Snippet:
    """A call of the REST API. The key comes from the variable VISION_KEY, as `vision` reads it.

    Args:
        path: below `/computervision`.
        options: curl's, as they are written in a shell.
        query: besides the version; values must be names, which need no quoting.
    """
    parameters = "&".join(f"{name.replace('_', '-')}={value}" for name, value in {"api_version": API_VERSION, **query}.items())
    lines = [f'curl "{origin}/computervision/{path}?{parameters}"', '-H "Ocp-Apim-Subscription-Key: $VISION_KEY"', *options]
    return "curl", " \\\n  ".join(lines) + "\n"


def cli(*commands: str) -> Snippet:
    """Commands of `vision`."""
    return "CLI", "\n".join(commands) + "\n"


def python(text: str) -> Snippet:
    """A program with the client."""
    return "Python", text


def yaml(text: str) -> Snippet:
    """A part of a stack's file."""
    return "YAML", text
