"""What an attacker may try, row by row, each of them refused: by the real application, on an engine that has data.

What only a browser can show, that markup in names does nothing, is in `browser/test_attacks.py`. What drafts refuse is in the
tests of drafts.
"""

import base64
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from PIL import Image
from sqlalchemy import select

from tests.engine.jobs.blob_server import BlobServer, serving_blobs
from tests.engine.studio.test_access import CHANGES, identity, send
from tests.support.api_world import KEYS, World, build
from tests.support.coco_content import coco, index
from tests.support.every_page import ROUTES, VERSIONS, Kind, fill, open_world
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.store.content_tables import ContentIndexRow
from vision_customization.engine.store.tables import SessionRow, SignInCodeRow, Table
from vision_customization.engine.studio import create_studio
from vision_customization.engine.studio.pages import PAGES
from vision_customization.engine.studio.routing import Page
from vision_customization.engine.views.image_views import ImageViews

COOKIE = "vision-studio-8080"
ORIGIN = "http://127.0.0.1:8080"
MARKUP = '"><img src=x onerror=alert(1)><a hx-get=/studio/sign-out hx-trigger=load></a><script>alert(1)</script>'
SCRIPT = b"<script>alert('executed')</script>"
LOOKED_AT = (SessionRow.__table__, SignInCodeRow.__table__, ContentIndexRow.__table__)
DEEP = b"[" * 10_000 + b"]" * 10_000


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An engine with data, which no test of this module may change."""
    settings = Settings.from_environment({}, data_dir=tmp_path_factory.mktemp("attacked"), keys=KEYS)
    with closing(Store.open(settings)) as store:
        world = open_world(settings, store)
        fill(world)
        yield world


def contents(world: World) -> list[object]:
    """Everything in the database but who is signed in and when somebody last looked at a dataset, the files of the engine, and
    the jobs that were asked for."""
    with world.store.database.reading() as session:
        rows: list[object] = [
            tuple(row)
            for table in Table.metadata.sorted_tables
            if table not in LOOKED_AT
            for row in session.execute(select(table).order_by(*table.primary_key))
        ]
    files = sorted(path.name for path in (world.settings.data_dir / "objects").rglob("*"))
    return [rows, files, {**vars(world.jobs), "indexes": None}]


@pytest.fixture
def unchanged(attacked: World) -> Iterator[World]:
    """Fails a test after which the engine has other contents."""
    before = json.dumps(contents(attacked), default=str)
    yield attacked
    assert json.dumps(contents(attacked), default=str) == before, "the attack has changed something"


def nobody(world: World) -> Browser:
    return Browser(world)


def reader(world: World) -> Browser:
    return Browser(world).sign_in(Role.READER)


def labeler(world: World) -> Browser:
    return Browser(world).sign_in(Role.LABELER)


def owner(world: World) -> Browser:
    return Browser(world).sign_in(Role.OWNER)


def with_a_chosen_session(world: World) -> Browser:
    return Browser(world, {COOKIE: "chosen-by-an-attacker"})


def with_the_cookie_of_another_port(world: World) -> Browser:
    """As its browser sends it: cookies ignore ports."""
    return Browser(world, {"vision-studio-8081": owner(world).cookies[COOKIE]})


def with_a_session_that_has_ended(world: World) -> Browser:
    browser = owner(world)
    token = browser.cookies[COOKIE]
    browser.post("sign-out")
    return Browser(world, {COOKIE: token})


def png_of(width: int, height: int) -> bytes:
    """A PNG file of 12 kB that says it is this large."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9))


def encoded(kind: str, size: tuple[int, int] = (60, 80), **options: object) -> bytes:
    target = io.BytesIO()
    Image.new("P" if kind == "GIF" else "RGB", size, 0).save(target, kind, **options)
    return target.getvalue()


def zip_of(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("page.html", content)
    return target.getvalue()


SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert('executed')</script></svg>"
HTML = b"<!doctype html>" + SCRIPT
BOMB = png_of(13_377, 13_377)
"""178 megapixels."""
GIF_SCRIPT = encoded("GIF", (0x2A2F, 60), comment=b"*/=1;" + SCRIPT)
"""`GIF89a/*…*/=1;`: the first bytes after the signature are the width, so it is an image and a script."""

FOREIGN = {
    "cross-site": {"sec-fetch-site": "cross-site"},
    "same-site, such as another port of this machine": {"sec-fetch-site": "same-site"},
    "none": {"sec-fetch-site": "none"},
    "cross-site with the right Origin": {"sec-fetch-site": "cross-site", "origin": ORIGIN},
    "Origin: null": {"sec-fetch-site": "", "origin": "null"},
    "Origin of another port": {"sec-fetch-site": "", "origin": "http://127.0.0.1:8081"},
    "Origin of another scheme": {"sec-fetch-site": "", "origin": "https://127.0.0.1:8080"},
    "Origin of another name of this machine": {"sec-fetch-site": "", "origin": "http://localhost:8080"},
    "Origin of another host": {"sec-fetch-site": "", "origin": "https://evil.example"},
    "Origin that begins like the right one": {"sec-fetch-site": "", "origin": f"{ORIGIN}.evil.example"},
    "neither header": {"sec-fetch-site": "", "origin": ""},
}
"""What browsers send from pages that are not the engine's."""

FORGED = {
    "x-ms-client-principal": base64.b64encode(
        json.dumps({"auth_typ": "aad", "claims": [{"typ": "roles", "val": "owner"}]}).encode()
    ).decode(),
    "x-ms-client-principal-id": "00000000-0000-0000-0000-000000000001",
    "x-ms-client-principal-name": "owner@example.com",
    "x-ms-client-principal-idp": "aad",
    "x-forwarded-user": "owner@example.com",
    "authorization": f"Bearer {KEYS[0]}",
    "ocp-apim-subscription-key": KEYS[0],
}
"""What a proxy in front of an application, or the API's client, would send."""


@dataclass(frozen=True)
class Attack:
    """A request, and how it is refused: `says` is in the answer, or in where it leads."""

    by: Callable[[World], Browser]
    method: str
    path: str
    status: int
    says: str = ""
    form: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def sent(self, world: World) -> tuple[int, str]:
        browser = self.by(world)
        if self.method == "GET":
            answer = browser.get(self.path, **self.headers)
        else:
            answer = browser.post(self.path, self.form, self.content, **self.headers)
        return answer.status_code, answer.text + answer.headers.get("location", "")


DELETE = ("POST", "models/none/delete")
JSON = {"content-type": "application/json", "accept": "application/json"}
BYTES = {"content-type": "image/jpeg", "accept": "application/json"}
TO_SIGN_IN = "/studio/sign-in"

ATTACKS = {
    # Sessions
    "a session that the attacker chose": Attack(with_a_chosen_session, "GET", "models", 303, TO_SIGN_IN),
    "a session that the attacker chose changes": Attack(with_a_chosen_session, *DELETE, 401, "Your session has ended"),
    "the cookie of another port": Attack(with_the_cookie_of_another_port, "GET", "models", 303, TO_SIGN_IN),
    "the cookie of another port changes": Attack(with_the_cookie_of_another_port, *DELETE, 401, "You are not signed in"),
    "a session that was signed out": Attack(with_a_session_that_has_ended, *DELETE, 401, "Your session has ended"),
    "a guessed code": Attack(nobody, "POST", "sign-in", 403, "used already", form={"code": "0" * 43}),
    "a guessed key": Attack(nobody, "POST", "sign-in", 403, "not a key of this engine", form={"key": KEYS[0] + "x"}),
    "a name of the attacker's for this machine": Attack(
        nobody,
        "POST",
        "sign-in",
        200,
        "over plain http from another machine",
        form={"key": KEYS[0]},
        headers={"host": "evil.example:8080", "origin": "http://evil.example:8080"},
    ),
    "a session in the address": Attack(nobody, "GET", f"models?{COOKIE}=chosen", 303, TO_SIGN_IN),
    # Roles
    "nobody changes": Attack(nobody, *DELETE, 401, "You are not signed in"),
    "a reader changes": Attack(reader, *DELETE, 403, "This needs the role owner, and you are signed in as reader."),
    "a reader says which role it has": Attack(reader, *DELETE, 403, "role owner", form={"role": "owner"}),
    "a forged X-MS-CLIENT-PRINCIPAL": Attack(nobody, "GET", "models", 303, TO_SIGN_IN, headers=FORGED),
    "a forged X-MS-CLIENT-PRINCIPAL changes": Attack(nobody, *DELETE, 401, "You are not signed in", headers=FORGED),
    "a reader with a forged X-MS-CLIENT-PRINCIPAL": Attack(reader, *DELETE, 403, "signed in as reader", headers=FORGED),
    "a change by GET": Attack(owner, "GET", DELETE[1], 405),
    "a method that another header names": Attack(
        owner, "GET", DELETE[1], 405, headers={"x-http-method-override": "POST", "x-method-override": "POST"}
    ),
    "a reader asks which drafts it could add to": Attack(reader, "GET", "try/drafts?model=m", 403, "role labeler"),
    "a reader adds a tried picture to a draft": Attack(
        reader, "POST", "drafts/labels/pictures?fileName=a.png", 403, "role labeler", content=encoded("PNG"), headers=BYTES
    ),
    "a reader begins a draft from a version": Attack(
        reader, "POST", "drafts", 403, "role labeler", form={"base": "pets", "version": VERSIONS[0]}
    ),
    # `..` in names and digests
    ".. in a static file": Attack(nobody, "GET", "static/0/..%2f..%2fapplication.py", 404),
    "../ in a static file": Attack(nobody, "GET", "static/0/../application.py", 404),
    "a double-encoded .. in a static file": Attack(nobody, "GET", "static/0/%252e%252e%252fapplication.py", 404),
    "an absolute path as a static file": Attack(nobody, "GET", "static/0/%2fetc%2fhostname", 404),
    ".. in a model": Attack(owner, "GET", "models/..%2f..%2fkeys/model.onnx", 404),
    ".. as a model": Attack(owner, "GET", "models/%2e%2e/judge", 404),
    ".. in a dataset": Attack(owner, "GET", "datasets/..%2fpets/images/0/thumbnail", 404),
    ".. in an image": Attack(owner, "GET", "datasets/pets/images/..%2f0/view", 404),
    ".. in a section": Attack(owner, "GET", "datasets/pets/health/..%2f..%2fmodels", 404),
    ".. in a source of outcomes": Attack(owner, "GET", "models/m/outcomes/..%2f-/0", 404),
    ".. as the draft of a tried picture": Attack(
        labeler, "POST", "drafts/..%2flabels/pictures?fileName=a.png", 404, content=encoded("PNG"), headers=BYTES
    ),
    ".. as the version of a draft": Attack(labeler, "POST", "drafts", 400, form={"base": "pets", "version": f"../{'a' * 61}"}),
    "a script as the name of a new draft": Attack(
        labeler, "POST", "drafts", 400, "is not a valid name", form={"name": "<script>", "kind": "imageClassification"}
    ),
    "SVG that was tried, into a draft": Attack(
        labeler, "POST", "drafts/labels/pictures?fileName=a.jpg", 400, "not an image", content=SVG, headers=BYTES
    ),
    "178 megapixels that were tried, into a draft": Attack(
        labeler, "POST", "drafts/labels/pictures?fileName=a.png", 400, content=BOMB, headers=BYTES
    ),
    "markup as the model that suggests": Attack(
        reader, "GET", f"drafts/labels/label?model={quote('<script>executed</script>')}", 200, "labels"
    ),
    ".. as the digest of a picture": Attack(owner, "GET", "models/m/outcomes/-/0/view?v=../../../keys", 404),
    ".. as the key of a finding": Attack(
        owner, "POST", "datasets/pets/findings", 400, "64 hex digits", form={"finding": "labels", "key": f"../{'a' * 61}"}
    ),
    ".. as a published name": Attack(owner, "POST", "models/m/publish", 400, form={"new": "../textile"}),
    ".. as the name of a training": Attack(
        owner,
        "POST",
        "train",
        400,
        form={"name": "../m", "dataset": "pets", "kind": "Generic-Classifier", "hours": "1"},
    ),
    ".. after signing in": Attack(
        nobody, "POST", "sign-in", 303, "/studio/", form={"key": KEYS[0], "next": "/studio/../computervision/models"}
    ),
    # Bodies
    "10,000-deep JSON as a picture's address": Attack(
        reader, "POST", "try?model=m", 400, "nested too deeply", content=b'{"url": ' + DEEP + b"}", headers=JSON
    ),
    "10,000-deep JSON as a planogram": Attack(
        reader, "POST", "try/planogram", 400, "nested too deeply", content=b'{"planogram": ' + DEEP + b"}", headers=JSON
    ),
    "10,000-deep JSON for the API": Attack(
        nobody,
        "POST",
        "/computervision/studio/codes?api-version=2023-04-01-preview",
        400,
        "nested too deeply",
        content=b'{"role": ' + DEEP + b"}",
        headers=JSON | {"ocp-apim-subscription-key": KEYS[0]},
    ),
    "a form of 1,001 fields": Attack(owner, *DELETE, 400, "form", form={f"a{number}": "" for number in range(1001)}),
    "a form of 70 kB": Attack(owner, *DELETE, 413, "longer than", form={"a": "x" * 70_000}),
    "a form that is not text": Attack(owner, *DELETE, 400, "cannot be read", content=b"\xff\xfe=\xff"),
    "SVG called .jpg": Attack(reader, "POST", "try?model=m", 400, "cannot be read", content=SVG, headers=BYTES),
    "HTML called .jpg": Attack(reader, "POST", "try?model=m", 400, "cannot be read", content=HTML, headers=BYTES),
    "a PNG that ends after 12 kB of 178 megapixels": Attack(
        reader, "POST", "try?model=m", 400, "damaged or truncated", content=BOMB, headers=BYTES
    ),
    "a PNG of 256 megapixels": Attack(
        reader, "POST", "try?model=m", 400, "at most 178,956,970 pixels", content=png_of(16_000, 16_000), headers=BYTES
    ),
    "an address of the machine's own network": Attack(
        reader,
        "POST",
        "try?model=m",
        400,
        "is not on an allowed host",
        content=b'{"url": "http://169.254.169.254/metadata/identity"}',
        headers=JSON,
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # the engine ignores it, too
def test_it_is_refused(unchanged: World, attack: Attack) -> None:
    status, said = attack.sent(unchanged)
    assert status == attack.status, said
    assert attack.says in said
    assert b"executed" not in said.encode()


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=list(FOREIGN))
def test_a_page_of_another_origin_changes_nothing(unchanged: World, headers: dict[str, str]) -> None:
    victim = owner(unchanged)
    for path, form in CHANGES.values():
        assert send(victim, path, form, **headers).status_code == 403, path
    assert victim.get("").status_code == 200, "neither is the visitor signed out"


@pytest.mark.parametrize("page", [page for page in PAGES if page.method == "POST"], ids=identity)
def test_a_link_changes_nothing(unchanged: World, page: Page) -> None:
    path, form = CHANGES[page.path]
    victim = owner(unchanged)
    fields: Iterable[tuple[str, str | bytes]] = form.items() if isinstance(form, dict) else [("body", form)]
    query = "&".join(f"{name}={quote(value)}" for name, value in fields)
    answer = victim.get(f"{path}{'&' if '?' in path else '?'}{query}", **{"sec-fetch-site": "cross-site"})
    shows = {each.path for each in PAGES if each.method == "GET"}
    assert answer.status_code in ((200, 404) if page.path in shows else (404, 405))
    assert victim.get("").status_code == 200


def test_signing_in_never_takes_a_session_that_somebody_set(unchanged: World) -> None:
    victim = with_a_chosen_session(unchanged)
    victim.post("sign-in", {"key": KEYS[0]})
    assert victim.get("").status_code == 200
    assert victim.cookies[COOKIE] != "chosen-by-an-attacker"
    assert with_a_chosen_session(unchanged).get("").status_code == 303


def test_signing_in_again_does_not_keep_a_session_that_somebody_has(unchanged: World) -> None:
    """The attacker's own session, given to the victim before the victim signs in, does not become the victim's."""
    attacker = reader(unchanged)
    victim = Browser(unchanged, dict(attacker.cookies))
    victim.post("sign-in", {"key": KEYS[0]})
    assert victim.cookies[COOKIE] != attacker.cookies[COOKIE]
    assert attacker.post(DELETE[1]).status_code == 403


class Tags(HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """An owner at an engine whose tags, file names and errors have markup in them."""
    settings = Settings.from_environment({}, data_dir=tmp_path_factory.mktemp("marked"), keys=KEYS)
    with closing(Store.open(settings)) as store:
        world = open_world(settings, store)
        fill(world, MARKUP)
        yield owner(world)


SHOWN = [
    (address, route.part)
    for route in ROUTES
    if route.kind is Kind.PAGE and not route.elsewhere
    for address in route.addresses
]  # fmt: skip


@pytest.mark.parametrize(("address", "part"), SHOWN, ids=[address or "home" for address, _ in SHOWN])
def test_names_that_are_markup_are_text(marked: Browser, address: str, *, part: bool) -> None:
    """`hx-get` in the name of a tag, and a `file_name` that is markup."""
    answer = marked.get(address, **({"hx-request": "true"} if part else {}))
    assert answer.status_code in (200, 204), answer.text
    nonce = re.findall(r"'nonce-([^']+)'", answer.headers["content-security-policy"])[0]
    for tag, attributes in Tags(answer.text).found:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert "style" not in attributes
        assert attributes.get("src") != "x"
        assert attributes.get("hx-get") != "/studio/sign-out"
        asks = [name for name in attributes if name in ("hx-get", "hx-post", "hx-delete", "hx-put")]
        assert not asks or attributes.get("hx-nonce") == nonce, "hx-csp would ignore it"
        if tag == "script":
            assert attributes.get("nonce") == nonce or attributes.get("type") == "application/json"


def test_the_markup_is_on_pages(marked: Browser) -> None:
    shown = [address for address, _ in SHOWN if "onerror=alert" in marked.get(address).text]
    for address in (
        "datasets/pets/images/0",
        "datasets/pets/tags",
        "datasets/pets/health",
        "models/m/judge",
        "models/failed",
        "",
    ):
        assert address in shown


@pytest.fixture(scope="module")
def served() -> Iterator[BlobServer]:
    with serving_blobs() as server:
        yield server


IMAGES = {
    "SVG called .jpg": (SVG, 422),
    "HTML called .jpg": (HTML, 422),
    "a ZIP archive called .jpg": (zip_of(SCRIPT), 422),
    "a PDF called .jpg": (b"%PDF-1.7 " + SCRIPT, 422),
    "a 12 kB PNG of 178 megapixels": (BOMB, 422),
    "a JPEG that ends in HTML": (encoded("JPEG") + SCRIPT, 200),
    "a JPEG that ends in a ZIP archive": (encoded("JPEG") + zip_of(SCRIPT), 200),
    "a JPEG with a comment": (encoded("JPEG", comment=SCRIPT), 200),
    "a GIF that is a script": (GIF_SCRIPT, 200),
    "a PNG that ends in HTML": (encoded("PNG") + SCRIPT, 200),
}
"""Files at the address of a dataset's image, and whether a picture of them is shown: encoded from pixels, if so."""


@pytest.mark.parametrize(("data", "status"), IMAGES.values(), ids=list(IMAGES))
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # the engine ignores it, too
def test_a_file_is_never_sent_as_it_is(world: World, served: BlobServer, data: bytes, status: int) -> None:
    url = served.put("/account/c/1.jpg", data)
    document = coco({"1.jpg": [("cat", [0.1, 0.1, 0.5, 0.5])]})
    document["images"][0]["absolute_url"] = url
    settings = world.settings.model_copy(update={"allowed_hosts": (served.netloc,)})
    with (
        BlobReader(settings.allowed_hosts, attempts=1, sleep=lambda _: None) as blobs,
        ImageViews(world.store, world.objects, blobs, 1) as views,
    ):
        studio = build(settings, world.store, studio=partial(create_studio, pictures=views))
        uri = f"{served.url}/account/c/train.json"
        studio.store.datasets.create("pets", AnnotationKind.IMAGE_OBJECT_DETECTION, [uri])
        index(studio.store, "pets", document)
        visitor = reader(studio)
        for way in ("thumbnail", "view", "crop?box=0,0,1,1"):
            answer = visitor.get(f"datasets/pets/images/0/{way}", accept="*/*")
            assert answer.status_code == status, answer.text
            assert b"executed" not in answer.content
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            if status == 200:
                assert answer.headers["content-type"] == "image/jpeg"
                Image.open(io.BytesIO(answer.content), formats=("JPEG",)).load()
