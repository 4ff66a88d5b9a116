"""Files of icons become one sprite."""

import re
from xml.etree import ElementTree as ET

import pytest

from tests.support.places import CHECKOUT
from toolchain.errors import ToolchainError
from toolchain.programs.icon_sprite import ICONS, file_of, sprite_of

ICON = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" viewBox="0 0 20 20"><path d="M1 1h2z"/></svg>'
SVG = "{http://www.w3.org/2000/svg}"


def test_each_drawing_is_a_symbol() -> None:
    root = ET.fromstring(sprite_of({"tag": ICON, "add": ICON.replace("h2", "h3")}))
    symbols = [(symbol.attrib, [path.attrib for path in symbol]) for symbol in root.iter(f"{SVG}symbol")]
    square = {"viewBox": "0 0 20 20", "fill": "currentColor"}
    assert symbols == [
        ({"id": "add", **square}, [{"d": "M1 1h3z"}]),
        ({"id": "tag", **square}, [{"d": "M1 1h2z"}]),
    ]


@pytest.mark.parametrize(
    "other",
    [
        ICON.replace('"20"', '"24"'),
        ICON.replace("<path", '<path onload="x"'),
        ICON.replace("<path", "<script/><path"),
        ICON.replace("M1", '"/><image href="'),
        "",
    ],
)
def test_a_file_of_another_form_is_refused(other: str) -> None:
    with pytest.raises(ToolchainError, match=r"The icon tag \(icons/tag_20_regular\.svg\) is not one path"):
        sprite_of({"tag": other})


def test_no_two_icons_are_the_same_drawing() -> None:
    assert len({file_of(icon) for icon in ICONS}) == len(ICONS)


def test_each_icon_of_a_template_or_script_is_in_the_sprite() -> None:
    studio = CHECKOUT / "engine" / "studio"
    files = [*studio.glob("templates/**/*.html"), *studio.glob("static/*.js")]
    used = {
        name
        for file in files
        for name in re.findall(r"""icon\(["']([\w-]+)["']|icons\.svg#([\w-]+)""", file.read_text("utf-8"))
    }
    names = {one or other for one, other in used}
    assert "copy" in names, "the pattern finds what templates write"
    assert names - {"brand"} <= set(ICONS), "add it in toolchain/programs/icon_sprite.py"
