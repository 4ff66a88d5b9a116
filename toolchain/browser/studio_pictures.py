"""`make screenshots`: pictures of every page of the Studio of a local stack that is up, light and dark, wide and narrow."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from toolchain.browser.chromium import NOT_INSTALLED, find_chromium, running_chromium
from toolchain.browser.screenshots import VARIANTS, WIDTHS, Scheme, screenshots
from toolchain.browser.studio_service import OTHER, Service, busy, save_version, train_other
from toolchain.browser.studio_views import OBJECTS, SLOW_MS, VIEWS, Subjects, View
from toolchain.commands import run, say
from toolchain.errors import ToolchainError
from toolchain.places import Places, find_places
from toolchain.stacks.local_state import is_local, stack_file
from toolchain.stacks.show import PROJECT, image_to_try, published_name

COMMITTED = "detection"
"""The stack whose pictures are committed: its images are drawn. Those of any other may show photographs."""

HEIGHT_MAX = {"wide": 900, "narrow": 1000}
FLAT_COLOURS, OTHER_COLOURS, BAR_PIXELS = 40, 32, 100
STATE: tuple[tuple[str, Scheme], ...] = (("wide", "light"), ("narrow", "dark"))
"""The variants of a view that is not the first of its page."""

SETTLED_MS = 350
MARGIN = 12
MISSING_IMAGES = "() => [...document.images].filter((image) => image.hasAttribute('src') && !image.naturalWidth).length"


def folder_of(places: Places, stack: str) -> Path:
    """Where a stack's pictures go."""
    return places.checkout / "docs" / "studio" if stack == COMMITTED else places.state / "screenshots" / stack


def planogram_of(document: dict[str, Any], file_name: str) -> str:
    """A planogram of the objects that are labelled in one image of a COCO file with relative boxes, with three differences:

    the first object is not planned, two of different tags have changed places, and one more is planned in the upper left.
    """
    [image] = [each for each in document["images"] if str(file_name).endswith(str(each["file_name"]))]
    names = {each["id"]: each["name"] for each in document["categories"]}
    objects = [
        (names[each["category_id"]], *_pixels(each["bbox"], image["width"], image["height"]))
        for each in document["annotations"]
        if each["image_id"] == image["id"]
    ]
    sizes: dict[str, tuple[int, int]] = {}
    for name, _, _, width, height in objects:
        sizes.setdefault(name, (width, height))
    places = [(name, x, y) for name, x, y, *_ in objects[1:]]
    for index, (name, x, y) in enumerate(places):
        if name != places[0][0]:
            places[index], places[0] = (places[0][0], x, y), (name, *places[0][1:])
            break
    places.append((objects[0][0], 0, 0))
    plan = {
        "width": image["width"],
        "height": image["height"],
        "products": [{"id": name, "name": name, "w": width, "h": height} for name, (width, height) in sizes.items()],
        "fixtures": [{"id": "board", "w": image["width"], "h": 2, "x": 0, "y": image["height"] - 2}],
        "positions": [
            {"id": f"{number}", "productId": name, "fixtureId": "board", "x": x, "y": y}
            for number, (name, x, y) in enumerate(places, 1)
        ],
    }
    return json.dumps(plan, indent=1)


def _pixels(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    return round(box[0] * width), round(box[1] * height), round(box[2] * width), round(box[3] * height)


def subjects_of(places: Places, stack: str, outputs: dict[str, Any]) -> Subjects:
    """What the pictures of a stack show, by its file and its outputs.

    Raises:
        ToolchainError: the stack has no model that was evaluated on a dataset in the checkout and has a published name.
    """
    config = yaml.safe_load(stack_file(places, stack).read_text("utf-8"))["config"]
    datasets, models = config[f"{PROJECT}:datasets"], config[f"{PROJECT}:models"]
    for declared, model in outputs.get("models", {}).items():
        picture = image_to_try(places, stack, declared)
        if picture is None or not model.get("publishedName"):
            continue
        train, test = (models[declared][each] for each in ("trainingDataset", "evaluationDataset"))
        names = {name: str(each.get("name", name)) for name, each in outputs["datasets"].items()}
        kind, source = datasets[test]["annotationKind"], places.checkout / datasets[test]["source"]
        document = json.loads((source / datasets[test]["annotationFiles"][0]).read_text("utf-8"))
        tags = {each["id"]: str(each["name"]) for each in document["categories"]}
        [(tag, _)] = Counter(tags[each["category_id"]] for each in document["annotations"]).most_common(1)
        return Subjects(
            train=names[train],
            test=names[test],
            model=str(model["name"]),
            published=published_name(model),
            other=OTHER,
            tag=tag,
            kind=kind,
            picture=places.checkout / picture,
            planogram=planogram_of(document, str(picture)) if kind == OBJECTS else "",
        )
    raise ToolchainError(
        f"The stack {stack} has no model that is evaluated on a dataset of this checkout and published.\n"
        "Run `make up` successfully first, or choose another one: make screenshots EXAMPLE=detection."
    )


def settle(page: Page) -> None:
    """Go to the top of the page, and wait until nothing is asked of the engine and all images are loaded, also those below
    the window. Raises ToolchainError if an image does not come."""
    page.evaluate("() => { for (const image of document.images) image.loading = 'eager'; scrollTo(0, 0); }")
    ends = time.monotonic() + SLOW_MS / 1000
    while True:
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(SETTLED_MS)
        if not page.evaluate(MISSING_IMAGES):
            return
        if time.monotonic() > ends:
            raise ToolchainError(f"{page.evaluate(MISSING_IMAGES)} images have not come")


def shrink(file: Path, top: int = 0) -> None:
    """Cut a picture to the height that is kept of it, from `top` on, and store it with a palette of its own."""
    with Image.open(file) as opened:
        height = min(opened.height - top, HEIGHT_MAX[file.stem.rpartition("-")[2]])
        cut = opened.convert("RGB").crop((0, top, opened.width, top + height))
    with_palette(cut).save(file, optimize=True)


def with_palette(picture: Image.Image) -> Image.Image:
    """A picture with a palette in which its most frequent colours and those of its top stay as they are: the page's own,
    which a median cut takes for greys beside photographs."""
    reduced = picture.quantize(OTHER_COLOURS, dither=Image.Dither.NONE)
    indexes, pixels = np.array(reduced), np.asarray(picture)
    kept = np.unique(np.concatenate([_frequent(pixels[:BAR_PIXELS]), _frequent(pixels)]), axis=0)
    palette = (reduced.getpalette() or [])[: 3 * OTHER_COLOURS]
    palette += [0] * (3 * OTHER_COLOURS - len(palette))
    for index, colour in enumerate(kept, OTHER_COLOURS):
        indexes[(pixels == colour).all(axis=-1)] = index
    shown = Image.fromarray(indexes)
    shown.putpalette([*palette, *kept.ravel().tolist()])
    return shown


def _frequent(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The most frequent colours of an image's rows."""
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    return colours[np.argsort(counts)[::-1][:FLAT_COLOURS]]


def take(page: Page, view: View, subjects: Subjects, studio: str, folder: Path) -> list[Path]:
    """Take all pictures of a view. Raises ToolchainError if the page is not as the view expects it."""
    tops: dict[str, int] = {}

    def settle_and_find_top(page: Page) -> None:
        settle(page)
        if view.start and (box := page.locator(view.start).last.bounding_box()) and (size := page.viewport_size):
            width = next(name for name, (pixels, _) in WIDTHS.items() if pixels == size["width"])
            tops[width] = max(0, round(box["y"]) - MARGIN)

    first = next(each for each in VIEWS if each.route == view.route)
    try:
        page.goto(studio + view.address.format_map(subjects.words))
        page.wait_for_load_state("networkidle")
        if view.act is not None:
            view.act(page, subjects)
        files = screenshots(page, view.name, folder, settle_and_find_top, VARIANTS if view is first else STATE)
    except Exception as error:
        raise ToolchainError(f"{view.name} ({page.url}): {str(error).splitlines()[0]}") from error
    for file in files:
        shrink(file, tops.get(file.stem.rpartition("-")[2], 0))
    say(f"  {view.name}: {', '.join(f'{file.stat().st_size / 1000:.0f}' for file in files)} kB")
    return files


def take_all(browser: Browser, service: Service, subjects: Subjects, views: Iterable[View], folder: Path) -> list[Path]:
    """Take the pictures of all views in the order that needs the least waiting."""
    chosen = [view for view in views if view.is_of(subjects.kind)]
    studio = f"{service.endpoint}/studio"
    files: list[Path] = []

    def of(moment: str, *, signed_in: bool = True) -> None:
        due = [view for view in chosen if view.moment == moment]
        if not due:
            return
        with browser.new_context() as context:
            page = context.new_page()
            if signed_in:
                page.goto(service.sign_in_address())
                page.wait_for_url(f"{studio}/")
                for dataset in (subjects.train, subjects.test):  # the first look makes a worker read it
                    page.goto(f"{studio}/datasets/{dataset}")
                    page.locator("#grid").wait_for(timeout=SLOW_MS)
            for view in due:
                files.extend(take(page, view, subjects, studio, folder))

    of("signed out", signed_in=False)
    of("calm")
    if any(view.moment == "busy" for view in chosen):
        with busy(service, subjects.train, subjects.kind):
            of("busy")
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m toolchain.browser.studio_pictures")
    parser.add_argument("--stack", default=COMMITTED)
    parser.add_argument("views", nargs="*", help="only these: names of toolchain/browser/studio_views.py")
    options = parser.parse_args(arguments)
    try:
        views = chosen_views(options.views)
        picture(find_places(), options.stack, views)
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def chosen_views(names: Sequence[str]) -> list[View]:
    """The views of these names, in the table's order; all of them if there is no name. Raises ToolchainError."""
    if unknown := sorted(set(names) - {view.name for view in VIEWS}):
        raise ToolchainError(f"No view is called {', '.join(unknown)}. Choose from {', '.join(view.name for view in VIEWS)}.")
    return [view for view in VIEWS if not names or view.name in names]


def picture(places: Places, stack: str, views: Sequence[View]) -> None:
    """Take the pictures of these views of a stack.

    Raises:
        ToolchainError: the stack is not local or not up, a training fails, or a page is not as a view expects it.
    """
    if not is_local(places, stack):
        raise ToolchainError(f"{stack} is not a local stack. Pictures need trainings of their own, which a local stack can do.")
    program = find_chromium()
    if program is None:
        raise ToolchainError(NOT_INSTALLED)
    pulumi = [str(places.programs / "pulumi"), "stack", "output", "--json", "--show-secrets", "-C", str(places.checkout)]
    outputs = json.loads(run([*pulumi, "--stack", stack], advice=f"Run `make up STACK={stack}` first."))
    if not outputs.get("studio"):
        raise ToolchainError(f"The stack {stack} is not up, or serves no Studio. Run `make up` for it first.")
    subjects, service = subjects_of(places, stack, outputs), Service(outputs["endpoint"], outputs["key"])
    train_other(service, subjects.train, subjects.test, subjects.kind)
    subjects = replace(subjects, version=save_version(service, subjects.draft, subjects.train))
    folder = folder_of(places, stack)
    with running_chromium(program) as browser:
        files = take_all(browser, service, subjects, views, folder)
    if len(views) == len(VIEWS):
        for stale in set(folder.glob("*.png")) - set(files):
            stale.unlink()
    size = sum(file.stat().st_size for file in files) / 1e6
    say(f"{len(files)} pictures in {folder.relative_to(places.checkout)}, {size:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
