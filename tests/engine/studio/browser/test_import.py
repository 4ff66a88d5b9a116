"""New and import in a real browser: folders, refused files, COCO files, exports of Azure ML, and a connection that is lost."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, Route, expect

from tests.engine.studio.browser.axe import axe_violations
from tests.engine.studio.browser.pointing import drop_files
from tests.engine.studio.browser.watch import Watch
from tests.engine.studio.test_attacks import MARKUP, SVG
from tests.support.api_world import World
from toolchain.browser.screenshots import SCHEMES, WIDTHS, Scheme
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.engine.store import DraftImageRecord
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange

pytestmark = pytest.mark.browser

SIZE = (64, 48)


def drawn(number: int) -> bytes:
    """A picture that no other number gives."""
    image = Image.new("RGB", SIZE, (40 * (number % 6), 90, 30 + number))
    ImageDraw.Draw(image).ellipse((10 + number, 10, 30 + number, 30), (250, 250, number))
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """20 pictures in two folders."""
    folder = tmp_path / "photos"
    for number in range(20):
        file = folder / ("ash" if number < 12 else "beech") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(drawn(number))
    return folder


@pytest.fixture
def open_import(world: World, page: Page, address: str, sign_in: Callable[..., None]) -> Callable[..., Page]:
    def opened(kind: AnnotationKind = AnnotationKind.IMAGE_CLASSIFICATION) -> Page:
        world.store.drafts.create("d", kind, "d", world.container.url, "ada")
        sign_in(page, Role.LABELER)
        page.goto(f"{address}/studio/drafts/d/import")
        return page

    return opened


def start(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Add|^Show why")).click()


def expect_summary(page: Page, text: str | re.Pattern[str]) -> None:
    """What became of all files, as soon as that is known."""
    expect(page.locator("#summary")).to_have_text(text, timeout=60_000)


def images(world: World) -> dict[str, DraftImageRecord]:
    draft = world.store.drafts.find("d").sequence
    return {image.file_name.rpartition("/")[2]: image for image in world.store.drafts.all_images(draft)}


def tags(world: World) -> dict[str, list[str]]:
    return {name: [label.tag for label in image.labels] for name, image in images(world).items()}


def file(name: str, content: bytes | str) -> dict[str, Any]:
    data = content.encode() if isinstance(content, str) else content
    return {"name": name, "mimeType": "image/png" if name.endswith("png") else "application/octet-stream", "buffer": data}


def drop(page: Page, *files: tuple[str, bytes]) -> None:
    data = page.evaluate_handle(
        """(files) => {
          const data = new DataTransfer();
          for (const [name, bytes] of files) {
            data.items.add(new File([new Uint8Array(bytes)], name, {type: name.endsWith(".png") ? "image/png" : ""}));
          }
          return data;
        }""",
        [[name, list(content)] for name, content in files],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})


def test_a_dataset_from_a_folder_of_photos(
    world: World, page: Page, address: str, sign_in: Callable[..., None], photos: Path
) -> None:
    sign_in(page, Role.LABELER)
    page.goto(f"{address}/studio/new")
    page.get_by_label("Name", exact=True).fill("leaves")
    page.get_by_role("radio", name="One tag", exact=True).check()
    page.get_by_label("Tags, if you know them already").fill("ash\noak")
    page.get_by_role("button", name="Create, and add pictures").click()
    page.wait_for_url(f"{address}/studio/drafts/leaves/import")
    page.set_input_files("#folder", photos)
    expect(page.locator("#found")).to_contain_text("20 pictures")
    expect(page.get_by_label("Folders are tags")).to_be_checked()
    expect(page.locator("#folder-tags")).to_have_text("ash (12), beech (8)")
    start(page)
    expect_summary(page, "20 files: 20 added, 0 known, 0 refused")
    expect(page.locator("#told")).to_have_text("20 images labelled.")
    expect(page.locator("#has")).to_have_text("The draft has 20 images and 3 tags.")
    expect(page.get_by_role("link", name="Label")).to_be_hidden()
    draft = world.store.drafts.find("leaves")
    assert (draft.images, draft.unlabelled) == (20, 0)
    counts = {tag.name: tag.images for tag in world.store.drafts.tags(draft.sequence)}
    assert counts == {"ash": 12, "oak": 0, "beech": 8}


def test_a_folder_is_dropped(open_import: Callable[..., Page], world: World, photos: Path) -> None:
    """With the folders in it."""
    page = open_import()
    (photos / "beech" / "empty").mkdir()
    drop_files(page, "#drop", [photos])
    expect(page.locator("#folder-tags")).to_have_text("ash (12), beech (8)")
    start(page)
    expect_summary(page, "20 files: 20 added, 0 known, 0 refused")
    assert sorted(tags(world).values()) == [["ash"]] * 12 + [["beech"]] * 8


def test_the_same_folder_again_adds_nothing(open_import: Callable[..., Page], world: World, photos: Path) -> None:
    page = open_import()
    page.set_input_files("#folder", photos)
    start(page)
    expect_summary(page, "20 files: 20 added, 0 known, 0 refused")
    page.reload()
    (photos / "beech" / "new.png").write_bytes(drawn(50))
    (photos / "beech" / "copy.png").write_bytes(drawn(0))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/pictures?" in request.url else None)
    page.set_input_files("#folder", photos)
    start(page)
    expect_summary(page, "22 files: 1 added, 21 known, 0 refused")
    assert len(sent) == 1, "known pictures are not sent"
    expect(page.locator("#lists")).to_contain_text("Other labels than for the same picture before")
    assert tags(world)["0.png"] == ["ash"]
    assert tags(world)["new.png"] == ["beech"]


def test_what_was_refused_is_listed_and_downloaded(open_import: Callable[..., Page], world: World, watch: Watch) -> None:
    watch.expect("status of 400")
    page = open_import()
    good, damaged = drawn(1), drawn(2)[:90]
    drop(page, ("1.png", good), ("copy.png", good), ("damaged.png", damaged), ("drawing.png", SVG), ("logo.svg", SVG),
         ("notes.docx", b"x"), ("empty.png", b""), (f"{MARKUP}.png".replace("/", "_"), b"no picture"))  # fmt: skip
    expect(page.locator("#found")).to_have_text("5 pictures, 1 KiB. 3 other files will be listed and not added.")
    start(page)
    expect_summary(page, "8 files: 1 added, 1 known, 6 refused")
    rows = {row.split("\t")[0]: row.split("\t")[1] for row in page.locator("#lists tbody tr").all_inner_texts()}
    assert "damaged or truncated" in rows["damaged.png"]
    assert "not an image of a supported type" in rows["drawing.png"]
    assert rows["logo.svg"].startswith("An SVG is a drawing")
    assert rows["notes.docx"] == "Not a picture (.docx)"
    assert rows["empty.png"] == "The file is empty"
    assert rows["copy.png"] == "The same picture as 1.png"
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the list").click()
    text = Path(download.value.path()).read_text("utf-8")
    assert text.startswith("# Refused\n")
    assert all(f"{name}\t" in text for name in rows)
    assert list(images(world)) == ["1.png"]


def test_a_lost_connection_is_waited_for(open_import: Callable[..., Page], world: World, watch: Watch, photos: Path) -> None:
    watch.expect("Failed to load resource: net::ERR_CONNECTION_REFUSED")
    page = open_import()
    lost: list[Route] = []

    def lose(route: Route) -> None:
        """The first answers are lost; of one, only the answer, so that the picture is there already."""
        if len(lost) < 4:
            lost.append(route)
            if len(lost) == 1:
                route.fetch()
            route.abort("connectionrefused")
        else:
            route.continue_()

    page.route("**/pictures?*", lose)
    page.set_input_files("#folder", photos)
    start(page)
    expect(page.locator("#waiting")).to_contain_text("The engine does not answer.")
    expect_summary(page, re.compile(r"^20 files: (19|20) added, (0|1) known, 0 refused$"))
    assert len(images(world)) == 20
    assert sorted(tags(world).values()) == [["ash"]] * 12 + [["beech"]] * 8


def test_a_session_that_ends_is_waited_for(
    open_import: Callable[..., Page], world: World, watch: Watch, page: Page, photos: Path, sign_in: Callable[..., None]
) -> None:
    watch.expect("status of 401")
    page = open_import()
    page.set_input_files("#folder", photos)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    start(page)
    expect(page.locator("#waiting")).to_contain_text("Your session has ended.")
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    expect_summary(page, "20 files: 20 added, 0 known, 0 refused")


def test_why_a_large_picture_gets_no_answer(
    open_import: Callable[..., Page], world: World, watch: Watch, tmp_path: Path
) -> None:
    """A server that refuses may end the connection before it has read the picture; then the browser does not see why."""
    watch.expect("status of 40[14]|Failed to load resource")
    page = open_import()
    noise = np.random.default_rng(5).integers(0, 256, (2200, 2200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")  # 14 MB
    page.set_input_files("#files", tmp_path / "large.png")
    page.route("**/known", lambda route: route.fulfill(json={"images": []}))
    cookies = page.context.cookies()
    page.context.clear_cookies()
    page.route("**/pictures?*", lambda route: route.abort("connectionreset"))
    start(page)
    expect(page.locator("#waiting")).to_contain_text("Your session has ended.")
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.unroute("**/pictures?*")
    expect_summary(page, "1 file: 1 added, 0 known, 0 refused")
    page.set_input_files("#files", tmp_path / "large.png")
    world.store.drafts.delete("d")
    start(page)
    expect_summary(page, "1 file: 0 added, 0 known, 0 refused, 1 not sent")
    expect(page.locator("#told")).to_contain_text("'d'")


def test_an_upload_that_never_arrives_is_refused(open_import: Callable[..., Page], watch: Watch) -> None:
    watch.expect("Failed to load resource: net::ERR_CONNECTION_RESET")
    page = open_import()
    page.clock.install()
    page.route("**/pictures?*", lambda route: route.abort("connectionreset"))
    page.set_input_files("#files", [file("1.png", drawn(1))])
    start(page)
    for _ in range(60):
        page.clock.run_for(1000)
        if page.locator("#summary").inner_text():
            break
    expect_summary(page, "1 file: 0 added, 0 known, 1 refused")
    expect(page.locator("#lists")).to_contain_text("Does a proxy in between limit uploads?")


def test_stop_and_go_on(open_import: Callable[..., Page], world: World, photos: Path) -> None:
    page = open_import()
    held: list[Route] = []
    page.route("**/pictures?*", lambda route: held.append(route) if len(held) < 5 else route.continue_())
    page.set_input_files("#folder", photos)
    start(page)
    expect(page.locator("#figures")).to_contain_text("0 of 20 pictures")
    page.wait_for_timeout(300)
    assert len(held) == 5, "five uploads at a time"
    page.get_by_role("button", name="Stop").click()
    expect_summary(page, "20 files: 0 added, 0 known, 0 refused, 20 not sent")
    page.get_by_role("button", name="Try the rest again").click()
    start(page)
    expect_summary(page, "20 files: 20 added, 0 known, 0 refused")
    assert sorted(tags(world).values()) == [["ash"]] * 12 + [["beech"]] * 8


def coco(entries: list[dict[str, Any]], boxes: list[tuple[int, str, list[float] | None]]) -> str:
    names = sorted({tag for _, tag, _ in boxes})
    return json.dumps(
        {
            "images": entries,
            "annotations": [
                {"id": n, "image_id": image, "category_id": names.index(tag) + 1, **({"bbox": box} if box else {})}
                for n, (image, tag, box) in enumerate(boxes, 1)
            ],
            "categories": [{"id": n, "name": name} for n, name in enumerate(names, 1)],
        }
    )


PIXELS = coco(
    [{"id": 1, "file_name": "images/1.png", "width": 64, "height": 48},
     {"id": 2, "file_name": "2.png", "width": 64, "height": 48},
     {"id": 3, "file_name": "gone.png", "width": 64, "height": 48}],
    [(1, "leaf", [16, 12, 32, 24]), (1, "stalk", [0, 0, 8, 48]), (2, "leaf", [60, 40, 30, 30]), (3, "leaf", [1, 1, 2, 2])],
)  # fmt: skip
AZURE_ML = coco(
    [{"id": 1, "width": 0, "height": 0, "file_name": "photos/1.png", "coco_url": "AmlDatastore://workspaceblobstore/photos/1.png",
      "absolute_url": "https://acct.blob.core.windows.net/c/photos/1.png?sig=SECRET", "date_captured": "2026-01-01T00:00:00Z"},
     {"id": 2, "width": 64, "height": 48, "coco_url": "AmlDatastore://workspaceblobstore/photos/my%20leaf.png"}],
    [(1, "leaf", [0.25, 0.25, 0.5, 0.5]), (2, "stalk", [0.0, 0.0, 0.125, 1.0])],
)  # fmt: skip
BOX = (0.25, 0.25, 0.5, 0.5)


def test_a_coco_file_brings_its_boxes(open_import: Callable[..., Page], world: World) -> None:
    page = open_import(AnnotationKind.IMAGE_OBJECT_DETECTION)
    page.set_input_files("#files", [file("labels.json", PIXELS), *(file(f"{n}.png", drawn(n)) for n in (1, 2, 3))])
    expect(page.locator("#label-files")).to_have_text("labels.json: 4 labels on 3 images, with boxes in pixels.")
    start(page)
    expect_summary(page, "4 files: 3 added, 0 known, 0 refused, 1 with labels")
    expect(page.locator("#told li").nth(0)).to_have_text("1 image labelled.")
    expect(page.locator("#told li").nth(1)).to_have_text("1 image of a COCO file without a picture here.")
    lists = page.locator("#lists")
    expect(lists).to_contain_text("A box of 'leaf' is not inside the picture: [60, 40, 30, 30] of 64 × 48 px")
    expect(lists).to_contain_text("gone.png")
    labels = {name: set(image.labels) for name, image in images(world).items()}
    assert labels == {
        "1.png": {DraftLabel("leaf", BOX), DraftLabel("stalk", (0.0, 0.0, 0.125, 1.0))},
        "2.png": set(),
        "3.png": set(),
    }


def test_the_export_of_azure_ml_is_imported_as_it_is(open_import: Callable[..., Page], world: World) -> None:
    page = open_import(AnnotationKind.IMAGE_OBJECT_DETECTION)
    page.set_input_files("#files", [file("1.png", drawn(1)), file("my leaf.png", drawn(2))])
    start(page)
    expect_summary(page, "2 files: 2 added, 0 known, 0 refused")
    page.set_input_files("#files", [file("coco.json", AZURE_ML)])  # it may come later
    expect(page.locator("#label-files")).to_contain_text("with boxes in fractions")
    page.get_by_role("button", name="Add labels").click()
    expect(page.locator("#told")).to_have_text("2 images labelled.")
    assert "SECRET" not in page.content()
    assert images(world)["1.png"].labels == (DraftLabel("leaf", BOX),)
    assert images(world)["my leaf.png"].labels == (DraftLabel("stalk", (0.0, 0.0, 0.125, 1.0)),)


def test_labels_that_are_there_are_kept_unless_replaced(open_import: Callable[..., Page], world: World) -> None:
    page = open_import(AnnotationKind.IMAGE_OBJECT_DETECTION)
    pictures = [file("1.png", drawn(1)), file("my leaf.png", drawn(2))]
    page.set_input_files("#files", pictures)
    start(page)
    expect_summary(page, "2 files: 2 added, 0 known, 0 refused")
    own = DraftLabel("own", (0.5, 0.5, 0.1, 0.1))
    number = images(world)["1.png"].number
    world.store.drafts.label("d", [LabelChange(number, (own,))], "ada")
    page.reload()
    page.set_input_files("#files", [*pictures, file("coco.json", AZURE_ML)])
    start(page)
    expect(page.locator("#told li").nth(1)).to_have_text("1 image not labelled, listed below.")
    expect(page.locator("#lists")).to_contain_text("Has labels already, and keeps them")
    assert images(world)["1.png"].labels == (own,)
    page.set_input_files("#files", [*pictures, file("coco.json", AZURE_ML)])
    page.get_by_label("Replace the labels").check()
    start(page)
    expect(page.locator("#told")).to_have_text("2 images labelled.")
    assert images(world)["1.png"].labels == (DraftLabel("leaf", BOX),)


def test_labels_of_other_tools_say_the_command(open_import: Callable[..., Page], photos: Path) -> None:
    (photos / "ash" / "0.xml").write_text("<annotation/>")
    page = open_import()
    page.set_input_files("#folder", photos)
    expect(page.locator("#label-files")).to_contain_text("vision convert photos")
    expect(page.locator("#found")).to_contain_text("1 other file will be listed and not added.")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [width for width, _ in WIDTHS.values()], ids=list(WIDTHS))
def test_everybody_can_use_it(
    scheme: Scheme, width: int, world: World, new_page: Callable[..., Page], address: str, sign_in: Callable[..., None],
    watch: Watch, photos: Path
) -> None:  # fmt: skip
    watch.expect("status of 400")
    world.store.drafts.create("d", AnnotationKind.IMAGE_CLASSIFICATION, "d", world.container.url, "ada")
    page = new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    sign_in(page, Role.LABELER)

    def check(name: str) -> None:
        assert not axe_violations(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name}: sideways scrolling"

    page.goto(f"{address}/studio/new")
    check("new")
    page.goto(f"{address}/studio/drafts/d/import")
    check("import")
    (photos / "ash" / "damaged.png").write_bytes(drawn(3)[:80])
    (photos / "ash" / "labels.xml").write_text("<a/>")
    page.set_input_files("#folder", photos)
    expect(page.locator("#found")).to_contain_text("21 pictures")
    check("review")
    held: list[Route] = []
    page.route("**/pictures?*", lambda route: held.append(route) if len(held) < 5 else route.continue_())
    start(page)
    expect(page.locator("#figures")).to_contain_text("of 21 pictures")
    check("running")
    for route in held:
        route.continue_()
    expect_summary(page, "22 files: 20 added, 0 known, 2 refused")
    check("done")
