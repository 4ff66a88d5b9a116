"""A page with what was understood of labelled images: counts, a sample of pictures per tag with their boxes, what was left out.

It is one HTML file without scripts that loads nothing: it opens from disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from vision_customization.contract.coco.document import Box
from vision_customization.contract.texts import counted
from vision_customization.customization.convert.images.thumbnail import thumbnail

if TYPE_CHECKING:
    from vision_customization.customization.convert import LabelledImage, LabelledImages

PICTURES_PER_TAG = 12
UNLABELLED = "without labels"
MARK = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="generator" content="vision new">'
"""How a page begins: a file that does not is somebody else's."""

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --note: #c60; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .9rem .3rem 0; text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
section > ul { display: flex; flex-wrap: wrap; gap: .75rem; list-style: none; padding: 0; }
figure { margin: 0; width: min-content; }
figcaption { font-size: .8rem; overflow-wrap: anywhere; }
.picture { position: relative; width: max-content; }
.picture img { display: block; border-radius: 4px; }
.picture svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.picture rect { fill: none; stroke: #f40; stroke-width: 2; vector-effect: non-scaling-stroke; }
.picture rect.other { stroke: #08f; }
.legend span { color: #f40; } .legend span + span { color: #08f; }
.test::before { content: "test "; color: var(--note); font-weight: 600; }
.note { color: var(--note); }
"""

_LEGEND = '<p class="legend">Boxes: <span>the tag of the heading</span>, <span>other tags</span>.</p>'


@dataclass(frozen=True)
class Picture:
    """One thumbnail: the image, and which of its parts it is in."""

    image: LabelledImage
    part: str


def contact_sheet(
    title: str,
    facts: Sequence[str],
    parts: Mapping[str, LabelledImages],
    notes: Iterable[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> str:
    """The page's HTML.

    Args:
        facts: lines under the title, such as the format that was read.
        parts: the images by part: `train` and, if there is one, `test`.
        notes: what was left out, and warnings; a line each.
        on_progress: called with the pictures that are ready and their total.
    """
    shown = {tag: spread(pictures, PICTURES_PER_TAG) for tag, pictures in by_tag(parts).items()}
    total, done = sum(map(len, shown.values())), 0
    sections = []
    counts = {part: _count(images) for part, images in parts.items()}
    for tag, pictures in shown.items():
        figures = []
        for picture in pictures:
            figures.append(_figure(picture, tag))
            done += 1
            if on_progress:
                on_progress(done, total)
        there = sum(count[tag] for count in counts.values())
        of = counted(there, "image") if there <= len(pictures) else f"{len(pictures)} of {counted(there, 'image')}"
        sections.append(f"<section><h2>{escape(tag)}</h2><p>{of}</p><ul>{''.join(figures)}</ul></section>")
    lines = "".join(f"<p>{escape(fact)}</p>" for fact in facts)
    if any(box for images in parts.values() for image in images.images for _, box in image.labels):
        lines += _LEGEND
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    aside = f'<h2 class="note">Left out, or worth a look</h2><ul>{listed}</ul>' if listed else ""
    return (
        f"{MARK}<title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(title)}</h1>{lines}{_table(parts, counts, list(shown))}{aside}{''.join(sections)}</html>\n"
    )


def is_contact_sheet(path: Path) -> bool:
    """Whether a file is such a page, so that a new one may take its place."""
    with path.open("rb") as file:
        return file.read(len(MARK)) == MARK.encode()


def by_tag(parts: Mapping[str, LabelledImages]) -> dict[str, list[Picture]]:
    """The images of each tag, in the tags' order, those without labels last; an image with several tags is in each."""
    found: dict[str, list[Picture]] = {tag: [] for images in parts.values() for tag in images.tags}
    unlabelled = []
    for part, images in parts.items():
        for image in images.images:
            for tag in dict.fromkeys(tag for tag, _ in image.labels):
                found[tag].append(Picture(image, part))
            if not image.labels:
                unlabelled.append(Picture(image, part))
    return {**found, UNLABELLED: unlabelled} if unlabelled else found


def spread(pictures: Sequence[Picture], most: int) -> list[Picture]:
    """At most `most` of the pictures, evenly from first to last: neighbours in a folder are often alike."""
    if len(pictures) <= most:
        return list(pictures)
    return [pictures[index * len(pictures) // most] for index in range(most)]


def _count(images: LabelledImages) -> Counter[str]:
    tags: Counter[str] = Counter()
    for image in images.images:
        tags.update({tag for tag, _ in image.labels} or {UNLABELLED})
    return tags


def _table(parts: Mapping[str, LabelledImages], counts: Mapping[str, Counter[str]], tags: Sequence[str]) -> str:
    head = "".join(f'<th class="number">{escape(part)}</th>' for part in parts)
    rows = [_row(tag, [counts[part][tag] for part in parts]) for tag in tags]
    rows.append(_row("all images", [len(images.images) for images in parts.values()]))
    return f"<table><tr><th>images with the tag</th>{head}</tr>{''.join(rows)}</table>"


def _row(name: str, numbers: Sequence[int]) -> str:
    return f"<tr><td>{escape(name)}</td>" + "".join(f'<td class="number">{number:,}</td>' for number in numbers) + "</tr>"


def _figure(picture: Picture, tag: str) -> str:
    image = picture.image
    boxes = "".join(_rectangle(box, tag == name) for name, box in image.labels if box is not None)
    drawn = f'<svg viewBox="0 0 1 1" preserveAspectRatio="none">{boxes}</svg>' if boxes else ""
    tags = Counter(name for name, _ in image.labels)
    names = ", ".join(f"{count} × {name}" if count > 1 else name for name, count in tags.items()) or UNLABELLED
    width, height, source = thumbnail(image.path.read_bytes())
    caption = f'<figcaption class="{escape(picture.part)}">{escape(image.path.name)}</figcaption>'
    told = f'alt="{escape(f"{image.path.name}: {names}")}" title="{escape(f"{image.path}: {names}")}"'
    shown = f'<img width="{width}" height="{height}" {told} src="{source}">{drawn}'
    return f'<li><figure><div class="picture">{shown}</div>{caption}</figure></li>'


def _rectangle(box: Box, own: bool) -> str:
    left, top, width, height = box
    other = "" if own else ' class="other"'
    return f'<rect{other} x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}"/>'
