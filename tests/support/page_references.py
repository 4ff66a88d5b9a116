"""What a page makes a browser load: its scripts with the modules that they import, its styles, and its icons."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import urljoin

_IMPORT = re.compile(r"""^(?:import|export)\b[^;"']*["'](\.[^"']+)["'];?$""", re.MULTILINE)
_URL = re.compile(r"""url\(["']?(?!data:)([^"')]+)["']?\)""")
_LOADED = {("script", "src"), ("use", "href"), ("img", "src"), ("link", "href"), ("source", "src"), ("image", "href")}


class References(HTMLParser):
    """The addresses in a page: `loaded` by the browser at once, `followed` by a visitor, `asked` for by htmx."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: set[str] = set()
        self.followed: set[str] = set()
        self.asked: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (tag, name) in _LOADED:
                self.loaded.add(value.partition("#")[0])
            elif value and tag == "a" and name == "href" and not value.startswith("#"):
                self.followed.add(value.partition("#")[0])
            elif value and name == "hx-get":
                self.asked.add(value)


def static_files(page: str, read: Callable[[str], str]) -> dict[str, str]:
    """Text of each static file that a page loads, also through others, by address. `read` reads an address."""
    wanted = [address for address in References(page).loaded if address.startswith("/studio/static/")]
    found: dict[str, str] = {}
    while wanted:
        address = wanted.pop()
        if address not in found:
            found[address] = read(address)
            wanted.extend(urljoin(address, other) for other in inner_references(address, found[address]))
    return found


def inner_references(address: str, text: str) -> list[str]:
    """What a script or a style refers to, relative to its own address."""
    if address.endswith(".js"):
        return _IMPORT.findall(text)
    return _URL.findall(text) if address.endswith(".css") else []
