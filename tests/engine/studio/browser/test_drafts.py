"""Drafts in a real browser: many images labelled at once by keys, tags, versions, and conflicts."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.engine.studio.browser.axe import axe_violations
from tests.engine.studio.browser.watch import Watch
from tests.engine.studio.datasets.pictures import DrawnPictures
from tests.engine.studio.test_drafts_pages import BOX, HOSTILE, SINGLE, dataset, labels_of, moved
from tests.support.api_world import World
from tests.support.coco_content import fill
from toolchain.browser.screenshots import SCHEMES, WIDTHS
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange, NewDraftImage

pytestmark = pytest.mark.browser

SignIn = Callable[..., None]
SEVERAL, BOXES = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION, AnnotationKind.IMAGE_OBJECT_DETECTION
COUNT = 450
"""Images of the large draft: more than two batches."""


@pytest.fixture(scope="module")
def drawn() -> DrawnPictures:
    return DrawnPictures()


def draft(world: World, kind: AnnotationKind = SINGLE, count: int = 30, tags: tuple[str, ...] = ("cat", "dog")) -> None:
    """A draft `d` of unlabelled images."""
    world.store.drafts.create("d", kind, "d", world.container.url, "ada", tags=tags)
    images = [NewDraftImage(f"{number:064x}", ".png", f"{number}.png", 60, 80) for number in range(count)]
    world.store.drafts.add("d", images, "ada")


def readable(world: World) -> None:
    """Let what was written be read."""
    world.blobs.content |= {f"{world.container.url}/{name}": data for name, data in world.container.blobs.items()}


def open_grid(page: Page, address: str, query: str = "") -> None:
    page.goto(f"{address}/studio/drafts/d{query}")
    expect(page.locator("[role=option].loaded").first).to_be_visible()
    page.get_by_role("listbox", name="Images").focus()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_keys_label_what_is_selected_and_undo_it(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    draft(world)
    sign_in(page)
    open_grid(page, address)
    press(page, "1")
    expect(page.get_by_role("status")).to_contain_text("Select images first")
    press(page, "ArrowRight", "Space", "Shift+ArrowRight", "Shift+ArrowRight", "2")
    expect(page.locator("#work-text")).to_have_text("“dog”: 3 images changed")
    assert labels_of(world)[:5] == [[], ["dog"], ["dog"], ["dog"], []]
    expect(page.get_by_role("option", name="1.png: dog, new")).to_be_visible()
    expect(page.locator("[data-count=unlabelled]")).to_have_text("27")
    expect(page.locator("#tally [data-tag=dog] .figure")).to_have_text("3")
    expect(page.get_by_text("3 selected")).to_be_visible()  # so that another key corrects it
    press(page, "1")
    expect(page.locator("#work-text")).to_have_text("“cat”: 3 images changed")
    press(page, "Control+z")
    expect(page.locator("#work-text")).to_have_text("Undone")
    assert labels_of(world)[:5] == [[], ["dog"], ["dog"], ["dog"], []]
    press(page, "Control+z")
    expect(page.get_by_role("status")).to_contain_text("nothing to undo")


def agree(page: Page, question: str) -> None:
    expect(page.get_by_role("dialog", name=question)).to_be_visible()
    page.get_by_role("button", name="Change them").click()


def test_many_are_labelled_in_batches(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    draft(world, count=COUNT)
    sign_in(page)
    open_grid(page, address)
    press(page, "Home", "Control+a", "Space", "1")  # all but the first
    expect(page.locator("#work-text")).to_have_text(f"“cat”: {COUNT - 1} images changed", timeout=60_000)
    assert labels_of(world) == [[], *([["cat"]] * (COUNT - 1))]
    expect(page.locator("[data-count=unlabelled]")).to_have_text("1")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#work-text")).to_have_text("Undone", timeout=60_000)
    assert labels_of(world) == [[]] * COUNT
    assert world.store.drafts.find("d").unlabelled == COUNT


def test_all_of_a_filter_change_by_one_request_after_a_question(
    sign_in: SignIn, page: Page, address: str, world: World
) -> None:
    draft(world, count=COUNT)
    sign_in(page)
    open_grid(page, address)
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    world.store.drafts.label("d", [LabelChange(300, (DraftLabel("dog"),))], "ben")
    press(page, "Control+a", "1")
    expect(page.get_by_role("dialog", name=f"Give “cat” to {COUNT - 1} images?")).to_contain_text("300.png")
    with page.expect_response(lambda reply: "/images?" in reply.url):  # the page reads them again
        page.get_by_role("button", name="Leave them").click()
    expect(page.locator("#work-text")).to_have_text("Nothing was changed")
    assert [request.url.rpartition("/")[2] for request in sent] == ["change"]
    press(page, "Control+a", "1")
    # The page has read the images again, so what the other person did is no longer unseen.
    agree(page, f"Give “cat” to {COUNT} images?")
    expect(page.locator("#work-text")).to_have_text(f"“cat”: {COUNT} images changed", timeout=60_000)
    assert labels_of(world) == [["cat"]] * COUNT
    expect(page.locator("[data-count=unlabelled]")).to_have_text("0")
    assert {request.url.rpartition("/")[2] for request in sent} == {"change"}


def test_what_somebody_else_changed_of_a_filter_is_left_and_named(
    sign_in: SignIn, page: Page, address: str, world: World
) -> None:
    draft(world, count=COUNT)
    sign_in(page)
    open_grid(page, address, "?only=unlabelled")
    press(page, "Control+a", "Delete")
    expect(page.get_by_role("dialog", name=f"Remove {COUNT} images from the draft?")).to_be_visible()
    world.store.drafts.label("d", [LabelChange(7, (), empty=False), LabelChange(8, (DraftLabel("dog"),))], "ben")
    world.store.drafts.label("d", [LabelChange(8, ())], "ben")
    agree(page, f"Remove {COUNT} images from the draft?")
    expect(page.locator("#work-text")).to_have_text(
        f"Removed from the draft: {COUNT - 1} images changed; 1 left: changed since this page was read (8.png)",
        timeout=60_000,
    )
    assert world.store.drafts.find("d").images == 1


def test_several_tags_are_given_and_taken_away(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    draft(world, SEVERAL)
    world.store.drafts.label("d", [LabelChange(0, (DraftLabel("dog"),)), LabelChange(1, (), empty=True)], "ada")
    sign_in(page)
    open_grid(page, address)
    expect(page.get_by_role("option", name="1.png: nothing here, new")).to_be_visible()
    press(page, "Home", "Space", "Shift+ArrowRight", "1")
    expect(page.locator("#work-text")).to_have_text("“cat”: 2 images changed")
    assert labels_of(world)[:2] == [["dog", "cat"], ["cat"]]
    press(page, "1")
    expect(page.locator("#work-text")).to_have_text("“cat” taken away: 2 images changed")
    assert labels_of(world)[:2] == [["dog"], []]
    page.get_by_label("Tag for the selected images").fill("old")
    press(page, "Enter")
    expect(page.locator("#work-text")).to_have_text("“old”: 2 images changed")
    expect(page.locator("#tally [data-tag=old] .figure")).to_have_text("2")
    press(page, "3")
    expect(page.locator("#work-text")).to_have_text("“old” taken away: 2 images changed")


def test_images_leave_a_filter_when_they_are_labelled(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    draft(world)
    sign_in(page)
    open_grid(page, address, "?only=unlabelled")
    press(page, "Home", "Space", "ArrowRight", "Space", "1")
    expect(page.locator("#shown")).to_have_text("28")
    expect(page.locator("#selection")).to_be_hidden()
    expect(page.get_by_role("option", name="2.png: no tag, new", exact=True)).to_have_attribute("aria-posinset", "1")
    press(page, "Control+z")
    expect(page.locator("#shown")).to_have_text("30")


def test_images_are_removed_and_restored(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    draft(world)
    sign_in(page)
    open_grid(page, address)
    press(page, "Home", "Space", "Delete")
    expect(page.locator("#work-text")).to_have_text("1 image removed from the draft")
    expect(page.locator("#shown")).to_have_text("29")
    press(page, "Control+z")
    expect(page.locator("#shown")).to_have_text("30")
    press(page, "Home", "Space", "Delete")
    expect(page.locator("[data-count=images]")).to_have_text("29")
    open_grid(page, address, "?only=removed")
    press(page, "Space")
    page.get_by_role("button", name="Restore").click()
    expect(page.locator("[data-count=images]")).to_have_text("30")


def test_what_somebody_else_changed_is_left(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    draft(world)
    sign_in(page)
    open_grid(page, address)
    world.store.drafts.label("d", [LabelChange(0, (DraftLabel("dog"),))], "ben")
    press(page, "Home", "Space", "Shift+ArrowRight", "1")
    expect(page.locator("#work-text")).to_have_text("“cat”: 1 image changed; 1 left: another person changed them")
    assert labels_of(world)[:2] == [["dog"], ["cat"]]
    expect(page.get_by_role("option", name="0.png: dog, new")).to_be_visible()


def test_a_failure_is_told_and_what_was_saved_can_be_undone(
    sign_in: SignIn, page: Page, address: str, world: World, watch: Watch
) -> None:
    watch.expect("Failed to load resource")
    draft(world, count=COUNT)
    sign_in(page)
    open_grid(page, address)
    asked = []

    def answer(route: object) -> None:
        asked.append(route)
        route.continue_() if len(asked) == 1 else route.fulfill(status=503, json={"error": {"message": "Busy."}})  # type: ignore[attr-defined]

    page.route("**/drafts/d/labels", answer)
    press(page, "Home", "Control+a", "Space", "1")  # all but the first
    expect(page.locator("#work-text")).to_have_text("Not everything was saved. Busy.", timeout=30_000)
    assert labels_of(world).count(["cat"]) == 200
    page.unroute("**/drafts/d/labels")
    press(page, "Control+z")
    expect(page.locator("#work-text")).to_have_text("Undone", timeout=30_000)
    assert labels_of(world) == [[]] * COUNT


def test_a_click_opens_the_image_to_label_it(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    page.route("**/drafts/d/label?*", lambda route: route.fulfill(body="the page of one image"))
    draft(world, BOXES)
    world.store.drafts.label("d", [LabelChange(3, (DraftLabel("cat", BOX),))], "ada")
    sign_in(page)
    open_grid(page, address, "?tag=cat")
    expect(page.locator("[role=option].loaded rect")).to_have_count(1)
    press(page, "Space", "1")
    expect(page.get_by_role("status")).to_contain_text("Boxes are drawn image by image")
    page.locator("[role=option]").first.click()
    page.wait_for_url("**/drafts/d/label?tag=cat&number=3")


def test_readers_only_look(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    draft(world)
    sign_in(page, Role.READER)
    open_grid(page, address)
    press(page, "Space", "1", "Delete")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.wait_for_timeout(300)
    assert world.store.drafts.find("d").images == 30
    assert labels_of(world)[0] == []


def test_tags_are_merged_after_a_preview(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    draft(world, tags=("cat", "Cat"))
    world.store.drafts.label("d", [LabelChange(number, (DraftLabel("Cat"),)) for number in range(4)], "ada")
    sign_in(page)
    page.goto(f"{address}/studio/drafts/d/tags")
    page.get_by_role("link", name="Change Cat", exact=True).click()
    page.get_by_label("New name").fill("cat")
    page.get_by_role("button", name="Show what this changes").click()
    expect(page.get_by_text("Merging changes 4 images")).to_be_visible()
    page.get_by_role("button", name="Merge the tags").click()
    page.wait_for_url("**/drafts/d/tags")
    assert labels_of(world)[:5] == [["cat"]] * 4 + [[]]


def test_from_a_dataset_through_a_conflict_to_a_version(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    dataset(world, {1: ["cat"], 2: ["dog"], 3: ["cat"]})
    sign_in(page)
    page.goto(f"{address}/studio/datasets/pets")
    page.get_by_role("button", name="Label").click()
    page.wait_for_url("**/drafts/pets")
    world.store.drafts.label("pets", [LabelChange(number, (DraftLabel("dog"),)) for number in (0, 2)], "ben")
    moved(world, {1: [], 2: ["cat"], 3: []})
    page.reload()
    page.get_by_role("button", name="Merge").click()
    page.get_by_role("link", name="Choose").click()
    expect(page.get_by_text("1 of 2 conflicts")).to_be_visible()
    press(page, "ArrowRight")
    expect(page.get_by_text("2 of 2 conflicts")).to_be_visible()
    press(page, "1")
    expect(page.get_by_text("1 of 1 conflict")).to_be_visible()
    press(page, "2")
    expect(page.get_by_role("heading", name="No conflict is left")).to_be_visible()
    assert labels_of(world, "pets") == [[], ["cat"], ["dog"]]
    page.get_by_role("link", name="Save a version").first.click()
    page.get_by_label("Message").fill("with both sides")
    page.get_by_role("button", name="Save the version").click()
    expect(page.get_by_text("Saved. The dataset pets has this content.")).to_be_visible()
    readable(world)
    with page.expect_download() as download:
        page.get_by_role("link", name="COCO file").click()
    assert download.value.suggested_filename.startswith("pets-")
    page.get_by_role("button", name="Train a model").click()
    page.wait_for_url("**/studio/train?dataset=pets&name=pets-*")


def test_a_dataset_that_is_read_first_opens_by_itself(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    world.jobs.__init__()  # type: ignore[misc]
    world.store.datasets.create("pets", SINGLE, [f"{world.container.url}/annotations/pets.json"])
    page.route("**/drafts/pets/import", lambda route: route.fulfill(body="the page that adds images"))
    sign_in(page)
    page.goto(f"{address}/studio/datasets/pets/versions")
    page.get_by_role("button", name="Label").click()
    expect(page.get_by_text("A worker will begin soon")).to_be_visible()
    [waiting] = world.jobs.indexes
    fill(world.store, waiting, "pets", {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cat"}]})
    page.wait_for_url("**/drafts/pets/import")


def test_the_text_for_git_is_copied(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dataset(world, {1: ["cat"], 2: ["dog"]}, managedBy="pulumi:photos/local")
    sign_in(page)
    page.goto(f"{address}/studio/datasets/pets")
    page.get_by_role("button", name="Label").click()
    page.get_by_role("link", name="Save a version").click()
    page.get_by_role("button", name="Save the version").click()
    page.wait_for_url("**/versions/*")
    digest = page.url.rpartition("/")[2].partition("?")[0]
    page.locator("#hand-over").get_by_role("button", name="Copy").last.click()
    expect(page.get_by_role("status").last).to_have_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == f"content: sha256:{digest}"


def test_names_that_are_markup_do_nothing(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    world.store.drafts.create("d", SINGLE, "d", world.container.url, HOSTILE, tags=[HOSTILE, "cat"])
    world.store.drafts.add("d", [NewDraftImage("1" * 64, ".png", HOSTILE, 60, 80)], HOSTILE)
    world.store.drafts.label("d", [LabelChange(0, (DraftLabel(HOSTILE),))], "ben")
    sign_in(page)
    for path in ("", "/tags", "/save", "/delete"):
        page.goto(f"{address}/studio/drafts/d{path}")
        expect(page.get_by_text("onerror=alert").first).to_be_attached()
        page.wait_for_timeout(300)
    page.goto(f"{address}/studio/")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()  # still signed in


PAGES = ["", "?tag=cat", "/tags", "/tags/change?tag=cat&name=dog", "/save", "/delete", "/merged?taken=2", "/conflicts"]


@pytest.mark.parametrize("path", [*(f"drafts/pets{path}" for path in PAGES), "drafts", "", "datasets/pets/versions", "VERSION"])
def test_pages_are_accessible_and_fit_a_phone(sign_in: SignIn, page: Page, address: str, world: World, path: str) -> None:
    dataset(world, {1: ["cat"], 2: ["dog"], 3: []}, managedBy="pulumi:photos/local")
    sign_in(page)
    page.goto(f"{address}/studio/datasets/pets")
    page.get_by_role("button", name="Label").click()
    page.wait_for_url("**/drafts/pets")
    if path in ("datasets/pets/versions", "VERSION"):
        page.goto(f"{address}/studio/drafts/pets/save")
        page.get_by_role("button", name="Save the version").click()
        page.wait_for_url("**/versions/*")
        path = page.url.partition("/studio/")[2] if path == "VERSION" else path
    else:
        world.store.drafts.label("pets", [LabelChange(0, (DraftLabel("dog"),))], "ben")
        moved(world, {1: [], 2: ["dog"], 3: []})
        if "conflicts" in path:
            page.reload()
            page.get_by_role("button", name="Merge").click()
    page.goto(f"{address}/studio/{path}")
    if path.startswith("drafts/pets") and page.locator("#grid").count():
        expect(page.locator("[role=option].loaded").first).to_be_visible()
        page.get_by_role("listbox", name="Images").focus()
        press(page, "Space", "2")
        expect(page.locator("#work-text")).to_contain_text("dog")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert axe_violations(page) == []
    page.set_viewport_size({"width": WIDTHS["narrow"][0], "height": WIDTHS["narrow"][1]})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= WIDTHS["narrow"][0]
