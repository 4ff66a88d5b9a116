"""Try it out in a real browser: pictures that are dropped, pasted, chosen, taken or named, and what is drawn over them."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.engine.studio.browser.axe import axe_violations
from tests.engine.studio.browser.watch import Watch
from tests.support.api_world import KEYS, World, image_bytes
from toolchain.browser.screenshots import SCHEMES, WIDTHS
from vision_customization.contract.analysis import BoundingBox, DetectedObject, Tag
from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.studio import Role
from vision_customization.engine.learning.images import DecodedImage
from vision_customization.engine.models.answers import Classification, TagProbability
from vision_customization.engine.store import SessionRecord

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=alert(1)>"
URL = "https://acct.blob.core.windows.net/c/beach.png?sig=never-shown"

NO_CAMERAS = "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})"

SHELF = [("cola", 0.9, 100), ("cola", 0.8, 200), ("oats", 0.7, 300), ("soup", 0.3, 900), ("gap", 0.6, 400)]
"""The products of a photo of 1,000 pixels' width: tag, confidence, left edge."""

PLAN = {
    "width": 100,
    "height": 20,
    "products": [{"id": name, "name": name, "w": 6, "h": 18} for name in ("cola", "tea", "rice")],
    "fixtures": [{"id": "f", "w": 100, "h": 2, "x": 0, "y": 18}],
    "positions": [
        {"id": f"p{number}", "productId": name, "fixtureId": "f", "x": 10 * number, "y": 1}
        for number, name in enumerate(("cola", "cola", "tea", "rice"), 1)
    ],
}


def detect(model_id: str, image: DecodedImage) -> list[DetectedObject]:
    return [
        DetectedObject(
            id=str(number), bounding_box=BoundingBox(x=x, y=10, w=60, h=180), tags=[Tag(name=name, confidence=share)]
        )
        for number, (name, share, x) in enumerate(SHELF, 1)
    ]


@pytest.fixture
def trained(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    world.register()
    world.train("m")
    world.store.published.publish("textile", "m")
    world.train_detector("d", ModelKind.GENERIC_DETECTOR)
    world.train_detector("shelves")
    world.blobs.content = {URL: image_bytes(size=(300, 200))}
    monkeypatch.setattr(world.models, "detect", detect)
    return world


@pytest.fixture
def open_try(trained: World, page: Page, address: str, sign_in: Callable[..., None]) -> Callable[..., Page]:
    def opened(model: str = "textile", role: Role = Role.READER) -> Page:
        sign_in(page, role)
        page.goto(f"{address}/studio/try?model={model}")
        return page

    return opened


def picture(name: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - Pillow's
    return {"name": name, "mimeType": "image/png", "buffer": image_bytes(**options)}


def choose(page: Page, *pictures: dict[str, Any]) -> None:
    page.set_input_files("#files", list(pictures))


def titles(page: Page) -> list[str]:
    return page.locator("#results h3").all_inner_texts()


def result(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name)


def facts(page: Page, name: str) -> Locator:
    return result(page, name).locator("[data-part=facts]")


def drop(page: Page, names: list[str], content: bytes) -> None:
    data = page.evaluate_handle(
        """([names, bytes]) => {
          const data = new DataTransfer();
          for (const name of names) data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
          return data;
        }""",
        [names, list(content)],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})


def test_several_dropped_pictures_give_several_results_three_at_a_time(open_try: Callable[..., Page]) -> None:
    page = open_try()
    held: list[Route] = []
    page.route("**/studio/try?model=*", lambda route: held.append(route))
    drop(page, [f"{number}.png" for number in range(5)], image_bytes())
    expect(page.locator("#results > li")).to_have_count(5)
    assert titles(page) == ["4.png", "3.png", "2.png", "1.png", "0.png"], "the newest first"
    expect(page.locator(".running")).to_have_count(3)
    assert len(held) == 3
    held[1].continue_()
    expect(facts(page, "1.png")).to_contain_text("textile answered in")
    expect(page.locator(".running")).to_have_count(3)
    assert len(held) == 4
    for route in (held[0], held[2], held[3]):
        route.continue_()
    expect(page.locator(".running")).to_have_count(1)
    held[4].continue_()
    expect(page.locator("[data-part=facts]", has_text="answered in")).to_have_count(5)
    expect(page.get_by_role("log", name="Results")).to_contain_text("4.png: dög 62.5 %")


def test_a_picture_is_pasted(open_try: Callable[..., Page]) -> None:
    page = open_try()
    page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "image.png", {type: "image/png"}));
          document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
        }""",
        list(image_bytes()),
    )
    expect(facts(page, "Pasted picture")).to_contain_text("60 × 80 px")
    image = result(page, "Pasted picture").get_by_role("img", name="Pasted picture")
    expect(image).to_be_visible()
    assert (image.get_attribute("src") or "").startswith("blob:")


def test_a_url_is_analyzed_and_shown_nowhere(open_try: Callable[..., Page]) -> None:
    page = open_try("d")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.keyboard.press("u")
    field = page.get_by_label("URL of a picture that the engine can read")
    expect(field).to_be_focused()
    field.fill("beach")
    field.press("Enter")
    expect(page.locator("#results > li")).to_have_count(0)
    field.fill(URL)
    field.press("Enter")
    expect(facts(page, "beach.png")).to_contain_text("300 × 200 px")
    expect(result(page, "beach.png")).to_contain_text("it does not show pictures of URLs")
    expect(result(page, "beach.png").locator("rect.line")).to_have_count(4)
    result(page, "beach.png").get_by_text("JSON and code").click()
    result(page, "beach.png").get_by_role("tab", name="curl").click()
    expect(result(page, "beach.png").get_by_role("tabpanel")).to_contain_text("$IMAGE_URL")
    assert not any("never-shown" in url for url in asked)
    assert "never-shown" not in page.content()


def test_the_camera(open_try: Callable[..., Page], page: Page) -> None:
    page.add_init_script(
        """navigator.mediaDevices.getUserMedia = async () => {
          const canvas = Object.assign(document.createElement("canvas"), {width: 320, height: 240});
          const context = canvas.getContext("2d");
          setInterval(() => context.fillRect(0, 0, 320, Math.random() * 240), 30);
          return window.stream = canvas.captureStream();
        };"""
    )
    open_try()
    page.keyboard.press("c")
    take = page.get_by_role("button", name="Take the picture")
    expect(take).to_be_enabled()
    assert axe_violations(page) == []
    take.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("[data-part=facts]")).to_contain_text("320 × 240 px")
    assert page.evaluate("() => stream.getTracks().every((track) => track.readyState === 'ended')"), "the camera is off"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (NO_CAMERAS, "This browser has no access to cameras."),
        (f"{NO_CAMERAS}; Object.defineProperty(window, 'isSecureContext', {{value: false}})", "only over https"),
        (
            "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); }",
            "Allow it for this page in the browser's settings",
        ),
        (
            "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); }",
            "No camera was found.",
        ),
    ],
)
def test_without_a_camera_the_page_says_why(open_try: Callable[..., Page], page: Page, script: str, says: str) -> None:
    page.add_init_script(script)
    open_try()
    page.get_by_role("button", name="Camera").click()
    expect(page.get_by_role("dialog", name="Camera").get_by_role("alert")).to_contain_text(says)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_phone_opens_its_own_camera(
    trained: World, new_page: Callable[..., Page], address: str, sign_in: Callable[..., None]
) -> None:
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    sign_in(page, Role.READER)
    page.goto(f"{address}/studio/try?model=d")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Camera").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files(picture("photo.png", size=(1000, 200)))
    expect(facts(page, "photo.png")).to_contain_text("1000 × 200 px")
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
    assert axe_violations(page) == []


def test_tags_thresholds_and_novelty(trained: World, open_try: Callable[..., Page], monkeypatch: pytest.MonkeyPatch) -> None:
    tags = [
        TagProbability("beach", 0.9, 0.4),
        TagProbability(HOSTILE, 0.3, 0.5),
        *(TagProbability(f"t{n}", 0.0, 0.5) for n in range(9)),
    ]
    monkeypatch.setattr(trained.models, "classify", lambda *_, **__: Classification(tags, 0.991))
    page = open_try()
    choose(page, picture(f"{HOSTILE}.png".replace("/", "")))
    shown = page.locator(".scores li")
    expect(shown).to_have_count(5)
    expect(shown.nth(0)).to_have_text("beach90.0 %, shown from 40.0 % on")
    expect(shown.nth(1)).to_have_text(f"{HOSTILE}30.0 %, below 50.0 %")
    assert [row.get_attribute("class") for row in shown.all()] == ["present", None, None, None, None]
    expect(page.locator(".note")).to_contain_text("More unlike the training images than 99 of 100 of them. It probably shows")
    page.get_by_role("button", name="All 11 tags").click()
    expect(shown).to_have_count(11)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert axe_violations(page) == []


def test_boxes_follow_the_threshold(open_try: Callable[..., Page]) -> None:
    page = open_try("d")
    choose(page, picture("a.png", size=(1000, 200)), picture("b.png", size=(1000, 200)))
    first, second = result(page, "a.png"), result(page, "b.png")
    expect(second.locator(".body > .figure")).to_have_text("4 objects: 2 cola, 1 gap, 1 oats")
    slider = first.get_by_role("slider", name="Show boxes of a confidence from")
    slider.press("Home")
    for of in (first, second):  # the results of one model have one threshold
        expect(of.locator(".body > .figure")).to_have_text("5 objects: 2 cola, 1 gap, 1 oats, 1 soup")
        expect(of.locator("rect.line")).to_have_count(5)
    slider.press("End")
    expect(second.locator(".body > .figure")).to_have_text("0 objects")
    page.keyboard.press("[")
    expect(first.locator("output")).to_have_text("0.95")
    for _ in range(3):
        page.keyboard.press("[")
    expect(second.locator(".body > .figure")).to_have_text("2 objects: 2 cola")


def test_a_box_and_its_row_are_lit_together(open_try: Callable[..., Page]) -> None:
    page = open_try("d")
    choose(page, picture("a.png", size=(1000, 200)))
    rows, boxes = page.locator(".found button"), page.locator(".lines g")
    expect(rows).to_have_count(4)
    oats = page.locator(".lines g[data-id='3']")
    for act in (rows.nth(2).hover, rows.nth(2).focus, oats.locator("rect.line").hover):
        act()
        expect(oats).to_have_class(re.compile("lit"))
        expect(rows.nth(2)).to_have_class("lit")
        expect(page.locator(".lines g.lit")).to_have_count(1)
        page.mouse.move(0, 0)
        page.locator("#drop").focus()
        expect(page.locator(".lit")).to_have_count(0)
    boxes.last.locator("rect.line").click()
    expect(page.locator(".found [aria-pressed=true]")).to_have_count(1)
    page.mouse.move(0, 0)
    expect(page.locator(".lines g.lit")).to_have_count(1)


def test_a_planogram_on_the_photo(open_try: Callable[..., Page], watch: Watch) -> None:
    page = open_try("shelves")
    choose(page, picture("aisle.png", size=(1000, 200)))
    shown = result(page, "aisle.png")
    expect(shown.locator("h4")).to_have_text(["3 products", "1 gap"])
    page.get_by_text("Compare with a planogram").click()
    field = page.get_by_label("Planogram", exact=True)
    alert = page.locator("#planogram-problem")
    watch.expect("status of 400")
    for text, says in (
        ("", "Paste a planogram, or choose its file."),
        ("{", "The planogram is not JSON"),
        (json.dumps({**PLAN, "fixtures": []}), "planogram.positions[0].fixtureId: planogram.fixtures has no fixture 'f'"),
    ):
        field.fill(text)
        page.get_by_role("button", name="Compare").click()
        expect(alert).to_contain_text(says)
    plan = {"name": "plan.json", "mimeType": "application/json", "buffer": json.dumps(PLAN).encode()}
    page.set_input_files("#planogram-file", [plan])
    expect(alert).to_be_hidden()
    expect(page.locator("#planogram-state")).to_have_text("4 positions")
    expect(shown.locator("h4")).to_have_text(["1 missing", "1 wrong", "2 as planned", "1 gap"])
    expect(shown).to_contain_text("2 of 4 positions as planned, 1 missing, 1 wrong, 0 more.")
    expect(shown.locator(".lines .look-missing rect.line")).to_have_attribute("x", "400")
    expect(shown.locator(".labels .look-wrong")).to_have_text("oats, not tea")
    for width, height in WIDTHS.values():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert axe_violations(page) == []
    shown.get_by_role("slider").press("Home")  # the planogram is compared with what is shown
    expect(shown).to_contain_text("2 of 4 positions as planned, 1 missing, 1 wrong, 1 more.")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(shown.locator("h4")).to_have_text(["4 products", "1 gap"])


def test_another_model_keeps_the_results(open_try: Callable[..., Page]) -> None:
    page = open_try()
    choose(page, picture("a.png", size=(1000, 200)))
    expect(facts(page, "a.png")).to_contain_text("textile answered in")
    page.get_by_label("Model").select_option("d")
    expect(page.locator("#about")).to_contain_text("Object detector d, trained from shelves")
    assert page.url.endswith("/studio/try?model=d")
    page.get_by_text("Code", exact=True).click()
    expect(page.locator("#code").get_by_role("tabpanel").first).to_contain_text("model-name=d")
    page.get_by_role("button", name="Try with d").click()
    expect(page.locator("#results h3")).to_have_text(["a.png", "a.png"])
    expect(page.locator("[data-part=facts]").first).to_contain_text("d answered in")
    page.keyboard.press("k")  # from the button in the older one
    expect(page.locator("article").first).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("article").last).to_be_focused()
    page.get_by_role("button", name="Remove the result of a.png").last.click()
    expect(page.locator("article")).to_be_focused()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("article")).to_have_count(0)
    expect(page.locator("#drop")).to_be_focused()


def test_what_cannot_be_analyzed_says_why(trained: World, open_try: Callable[..., Page], watch: Watch) -> None:
    page = open_try()
    watch.expect("status of 400")
    choose(page, {"name": "letter.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"}, picture("tiny.png", size=(20, 20)))
    expect(result(page, "letter.pdf").locator(".problem")).to_contain_text("The image cannot be read")
    expect(result(page, "letter.pdf")).to_contain_text("This browser cannot show the picture.")
    expect(result(page, "tiny.png").locator(".problem")).to_contain_text("each side must be 50 to 16,000")
    expect(page.get_by_role("log", name="Results")).to_contain_text("tiny.png: The image cannot be analyzed")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    drop(page, ["large.png"], b"")
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(21 * 1024 * 1024)], "large.png"));
          document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
        }"""
    )
    expect(result(page, "large.png").first).to_contain_text("The file has 21.0 MiB, but at most 20.0 MiB can be analyzed.")
    assert sum("/studio/try?" in url for url in requests) == 1, "only the empty one was sent"


def test_a_session_that_ends_keeps_the_results(
    trained: World, open_try: Callable[..., Page], sign_in: Callable[..., None], watch: Watch
) -> None:
    page = open_try()
    trained.store.sessions.end_all(SessionRecord(Role.OWNER, "a key", None, trained.store.database.now()))
    watch.expect("status of 401")
    choose(page, picture("a.png"))
    expect(result(page, "a.png")).to_contain_text("Your session has ended. Sign in again.")
    link = result(page, "a.png").get_by_role("link", name="Sign in in another tab")
    with page.context.expect_page() as other:
        link.click()
    other.value.goto("about:blank")  # the sign-in reads its link's code when it loads
    sign_in(other.value, Role.READER)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-part=facts]")).to_contain_text("textile answered in")  # what failed made room
    expect(result(page, "a.png")).to_be_focused()


def test_a_busy_engine_is_asked_again(
    trained: World, open_try: Callable[..., Page], monkeypatch: pytest.MonkeyPatch, watch: Watch
) -> None:
    page = open_try()
    watch.expect("status of 429")
    monkeypatch.setattr("vision_customization.engine.studio.pages.try_out.WAITING_MAX", 0)
    with page.expect_response(lambda response: response.status == 429):
        choose(page, picture("a.png"))
    monkeypatch.undo()
    expect(facts(page, "a.png")).to_contain_text("textile answered in")


@pytest.mark.parametrize(("model", "says"), [("textile", '"name":"dög"'), ("d", '"name":"cola"')])
def test_the_curl_of_a_result_works_as_pasted(
    model: str, says: str, open_try: Callable[..., Page], page: Page, tmp_path: Path
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_try(model)
    choose(page, picture("it's mine.png", size=(1000, 200)))
    shown = result(page, "it's mine.png")
    shown.get_by_text("JSON and code").click()
    expect(shown.get_by_role("tab")).to_have_text(["JSON", "curl", "Python", "Python with requests", "CLI"])
    shown.get_by_role("tab", name="JSON").press("ArrowRight")
    expect(shown.get_by_role("tab", name="curl")).to_be_focused()
    shown.get_by_role("button", name="Copy curl").click()
    expect(page.locator("#said")).to_have_text("Copied")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    (tmp_path / "it's mine.png").write_bytes(image_bytes(size=(1000, 200)))
    environment = {**os.environ, "VISION_KEY": KEYS[0], "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(["bash", "-c", copied], cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert says in done.stdout.decode()
    shown.get_by_role("tab", name="JSON").click()
    assert json.loads(shown.get_by_role("tabpanel").first.locator("code").inner_text()) == json.loads(done.stdout)


# Adding to a draft

ONE = AnnotationKind.IMAGE_CLASSIFICATION


def add_to(page: Page, name: str, option: str, new_name: str = "") -> Locator:
    """Add a tried picture to the draft of an option; returns what the page says then."""
    tried = result(page, name)
    if tried.locator("form.adding").count() == 0:
        tried.get_by_role("button", name="Add to a draft").click()
    tried.get_by_label("Add it to").select_option(option)
    if new_name:
        tried.get_by_label("Its name").fill(new_name)
    tried.get_by_role("button", name="Add", exact=True).click()
    return tried.get_by_role("status")


def test_a_tried_picture_is_added_and_its_answer_suggested(open_try: Callable[..., Page], trained: World) -> None:
    trained.train("newest")
    drafts = trained.store.drafts
    drafts.create(HOSTILE[:3], ONE, "pets", trained.container.url, "ada")
    drafts.create("pets", ONE, "cats", trained.container.url, "ada", tags=["dög"])
    drafts.create("boxes", AnnotationKind.IMAGE_OBJECT_DETECTION, "boxes", trained.container.url, "ada")
    page = open_try(role=Role.LABELER)
    choose(page, picture("photo.png"))
    expect(facts(page, "photo.png")).to_contain_text("answered in")
    assert trained.container.blobs == {}, "only trying it stores nothing"
    tried = result(page, "photo.png")
    tried.get_by_role("button", name="Add to a draft").click()
    expect(tried.get_by_label("Add it to")).to_be_focused()
    assert tried.get_by_label("Add it to").locator("option").all_inner_texts() == [
        "pets (of cats, 0 images)",
        "</s (of pets, 0 images)",
        "A new draft of cats",
        "A new dataset",
    ]
    assert axe_violations(page) == []
    says = add_to(page, "photo.png", "draft:pets")
    expect(says).to_contain_text("Added to the draft pets, without a label: the answer is a suggestion there.")
    [image] = drafts.page(drafts.find("pets").sequence, 0, 9).images
    assert (image.file_name, image.labels, image.settled) == ("photo.png", (), False)
    assert f"images/{image.sha256}.png" in trained.container.blobs
    trained.blobs.content |= {f"{trained.container.url}/{name}": data for name, data in trained.container.blobs.items()}
    says = add_to(page, "photo.png", "draft:pets")
    expect(says).to_contain_text("The draft pets has this picture already.")
    assert drafts.find("pets").images == 1
    says.get_by_role("link", name="Label it there").click()
    expect(page.locator("#suggestion-text")).to_contain_text("m suggests dög (62 %)")
    page.keyboard.press("Enter")
    expect(page.locator("#save-state")).to_contain_text("Saved")
    [image] = drafts.page(drafts.find("pets").sequence, 0, 9).images
    assert [label.tag for label in image.labels] == ["dög"]


def test_a_new_dataset_begins_with_tried_pictures(open_try: Callable[..., Page], trained: World) -> None:
    page = open_try(role=Role.LABELER)
    choose(page, picture("one.png"), picture("two.png", size=(80, 60)))
    expect(page.locator("[data-part=facts]", has_text="answered in")).to_have_count(2)
    expect(add_to(page, "one.png", "new", "fresh")).to_contain_text("Added to the draft fresh")
    tried = result(page, "two.png")
    tried.get_by_role("button", name="Add to a draft").click()
    expect(tried.get_by_label("Add it to")).to_have_value("draft:fresh")
    tried.get_by_role("button", name="Add", exact=True).click()
    expect(tried.get_by_role("status")).to_contain_text("Added to the draft fresh")
    draft = trained.store.drafts.find("fresh")
    assert (draft.images, draft.unlabelled, draft.annotation_kind) == (2, 2, ONE)


def test_a_name_that_is_taken_is_said_and_the_picture_stays(
    open_try: Callable[..., Page], trained: World, watch: Watch
) -> None:
    watch.expect("409")
    trained.store.drafts.create("taken", ONE, "taken", "https://other.blob.core.windows.net/c", "ada")
    page = open_try(role=Role.LABELER)
    choose(page, picture("one.png"))
    says = add_to(page, "one.png", "new", "taken")
    expect(says).to_have_text("The name 'taken' is already taken by a draft.")
    expect(add_to(page, "one.png", "new", "free")).to_contain_text("Added to the draft free")
    assert trained.store.drafts.find("free").images == 1


def test_a_picture_by_address_cannot_be_added(open_try: Callable[..., Page]) -> None:
    page = open_try(role=Role.LABELER)
    page.get_by_label("URL of a picture that the engine can read").fill(URL)
    page.get_by_role("button", name="Analyze").click()
    expect(facts(page, "beach.png")).to_contain_text("answered in")
    result(page, "beach.png").get_by_role("button", name="Add to a draft").click()
    expect(result(page, "beach.png")).to_contain_text("Save it to a file and try that: then it can be added.")


def test_a_reader_has_no_way_to_add(open_try: Callable[..., Page]) -> None:
    page = open_try()
    choose(page, picture("photo.png"))
    expect(facts(page, "photo.png")).to_contain_text("answered in")
    expect(page.get_by_role("button", name="Add to a draft")).to_have_count(0)
    loaded = page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    assert not [each for each in loaded if "try_draft" in each]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_form_fits(open_try: Callable[..., Page], trained: World, width: int) -> None:
    trained.store.drafts.create("d" * 200, ONE, "pets", trained.container.url, "ada")
    page = open_try(role=Role.LABELER)
    page.set_viewport_size({"width": width, "height": 800})
    choose(page, picture("photo.png"))
    result(page, "photo.png").get_by_role("button", name="Add to a draft").click()
    expect(result(page, "photo.png").locator("form.adding")).to_be_visible()
    result(page, "photo.png").get_by_label("Add it to").select_option("new")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
