"""A version comes into a checkout."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.customization.samples import encoded
from vision_customization.common.errors import VisionError
from vision_customization.customization.datasets.content_merge import Prefer
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.version_pull import Checkout, Pulled, pull_version
from vision_customization.customization.errors import DatasetInvalid

KIND = "imageClassification"
ROOT = "https://a.blob.core.windows.net/training"


def sha256(number: int) -> str:
    return hashlib.sha256(encoded(number)).hexdigest()


def coco(images: dict[str, tuple[int, str | None]], tags: Sequence[str] = (), *, stored: bool = False) -> dict[str, Any]:
    """A document of images by file name, each with the number of its picture and its tag."""
    names = list(dict.fromkeys([*tags, *(tag for _, tag in images.values() if tag is not None)]))
    entries = [
        {
            "id": id_,
            "width": 64,
            "height": 48,
            "file_name": name,
            **({"absolute_url": f"{ROOT}/images/{sha256(number)}.png"} if stored else {}),
        }
        for id_, (name, (number, _)) in enumerate(images.items(), start=1)
    ]
    labelled = [(id_, tag) for id_, (_, tag) in enumerate(images.values(), start=1) if tag is not None]
    annotations = [
        {"id": number, "image_id": id_, "category_id": names.index(tag) + 1}
        for number, (id_, tag) in enumerate(labelled, start=1)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    return {"images": entries, "annotations": annotations, "categories": categories}


@dataclass
class Served:
    """A version as the service has it."""

    version: dict[str, Any]
    began: list[dict[str, Any]] | None
    sent: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def annotations(self) -> bytes:
        return json.dumps(self.version).encode()

    def base(self) -> list[bytes] | None:
        self.asked.append("base")
        return None if self.began is None else [json.dumps(each).encode() for each in self.began]

    def image(self, blob: str) -> bytes:
        self.asked.append(blob)
        return self.sent[blob]


BASE = {"a/1.png": (1, "ash"), "a/2.png": (2, "ash"), "b/3.png": (3, "beech"), "b/4.png": (4, None)}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout of `BASE`, with its pictures."""
    folder = tmp_path / "data"
    for name, (number, _) in BASE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(number))
    (folder / "train.json").write_text(json.dumps(coco(BASE), indent=1, ensure_ascii=False) + "\n", "utf-8")
    return Checkout((folder / "train.json",), folder, DigestCache(tmp_path / "cache"))


def served(images: dict[str, tuple[int, str | None]], tags: Sequence[str] = (), base: object = BASE) -> Served:
    began = None if base is None else [coco(base, stored=True)]  # type: ignore[arg-type]
    numbers = [number for number, _ in images.values()]
    return Served(coco(images, tags, stored=True), began, {f"{sha256(number)}.png": encoded(number) for number in numbers})


def write(checkout: Checkout, images: dict[str, tuple[int, str | None]]) -> str:
    text = json.dumps(coco(images), indent=1, ensure_ascii=False) + "\n"
    checkout.files[0].write_text(text, "utf-8")
    return text


def labels(checkout: Checkout) -> dict[str, str | None]:
    document = json.loads(checkout.files[0].read_text("utf-8"))
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    tags = {entry["image_id"]: names[entry["category_id"]] for entry in document["annotations"]}
    return {entry["file_name"]: tags.get(entry["id"]) for entry in document["images"]}


def diff(before: str, after: str) -> int:
    """How many lines of the one are not in the other."""
    return len(set(before.splitlines()) ^ set(after.splitlines()))


def test_a_version_that_nobody_changed_leaves_every_byte(checkout: Checkout) -> None:
    before = checkout.files[0].read_bytes()
    assert pull_version(checkout, served(BASE), KIND) == Pulled()
    assert checkout.files[0].read_bytes() == before


def test_what_changed_in_the_draft_is_what_changes_in_the_file(checkout: Checkout) -> None:
    before = checkout.files[0].read_text("utf-8")
    version = served({**BASE, "b/4.png": (4, "ash"), "new/5.png": (5, "Ölbaum")})
    assert pull_version(checkout, version, KIND, fetch_images=True) == Pulled(written=True, added=1, relabelled=1, fetched=1)
    assert labels(checkout) == {"a/1.png": "ash", "a/2.png": "ash", "b/3.png": "beech", "b/4.png": "ash", "new/5.png": "Ölbaum"}
    assert (checkout.folder / "new/5.png").read_bytes() == encoded(5)
    assert version.asked == ["base", f"{sha256(5)}.png"], "only the new image is fetched"
    after = checkout.files[0].read_text("utf-8")
    assert after.startswith(before[: before.index('"annotations"') - 6]), "the images that were there stay as they were"
    assert pull_version(checkout, version, KIND) == Pulled(), "once is enough"
    assert checkout.files[0].read_text("utf-8") == after
    assert sorted(path.name for path in checkout.folder.iterdir()) == ["a", "b", "new", "train.json"], "nothing else is left"


def test_a_file_that_was_renamed_in_git_keeps_its_name(checkout: Checkout) -> None:
    (checkout.folder / "a/1.png").rename(checkout.folder / "first.png")
    write(checkout, {"first.png": (1, "ash"), **{name: value for name, value in BASE.items() if name != "a/1.png"}})
    assert pull_version(checkout, served({**BASE, "a/1.png": (1, "beech")}), KIND).relabelled == 1
    assert labels(checkout)["first.png"] == "beech"


def test_both_sides_are_merged_image_by_image(checkout: Checkout) -> None:
    write(checkout, {"a/1.png": (1, "beech"), "b/3.png": (3, "beech"), "b/4.png": (4, None)})  # relabelled, removed
    pulled = pull_version(checkout, served({**BASE, "b/4.png": (4, "ash"), "new.png": (5, "ash")}), KIND)
    assert pulled == Pulled(written=True, added=1, relabelled=1, missing=1)
    assert labels(checkout) == {"a/1.png": "beech", "b/3.png": "beech", "b/4.png": "ash", "new.png": "ash"}


MINE = {**BASE, "a/1.png": (1, "beech")}
THEIRS = {**{name: value for name, value in BASE.items() if name != "b/3.png"}, "a/1.png": (1, "oak"), "a/2.png": (2, "beech")}


@pytest.mark.parametrize(("prefer", "label"), [(Prefer.MINE, "beech"), (Prefer.THEIRS, "oak")])
def test_a_conflict_is_listed_and_decided(checkout: Checkout, prefer: Prefer, label: str) -> None:
    before = write(checkout, MINE)
    version = served(THEIRS)
    pulled = pull_version(checkout, version, KIND, fetch_images=True)
    [conflict] = pulled.conflicts
    assert (conflict.file_name, conflict.mine, conflict.theirs) == ("a/1.png", (("beech", None),), (("oak", None),))
    assert not pulled.written
    assert checkout.files[0].read_text("utf-8") == before
    assert pull_version(checkout, version, KIND, prefer=prefer).conflicts == ()
    assert labels(checkout) == {"a/1.png": label, "a/2.png": "beech", "b/4.png": None}


def test_an_image_that_one_side_removed_and_the_other_labelled_is_a_conflict(checkout: Checkout) -> None:
    without = {name: value for name, value in BASE.items() if name != "b/4.png"}
    write(checkout, without)
    version = served({**BASE, "b/4.png": (4, "ash")})
    [conflict] = pull_version(checkout, version, KIND).conflicts
    assert (conflict.file_name, conflict.mine, conflict.theirs) == ("b/4.png", None, (("ash", None),))
    assert not pull_version(checkout, version, KIND, prefer=Prefer.MINE).written
    assert pull_version(checkout, version, KIND, prefer=Prefer.THEIRS).added == 1
    assert labels(checkout)["b/4.png"] == "ash"


def test_without_a_base_in_storage_it_is_passed(checkout: Checkout, tmp_path: Path) -> None:
    write(checkout, MINE)
    version = served({**BASE, "a/2.png": (2, "beech")}, base=None)
    with pytest.raises(VisionError, match="with --base"):
        pull_version(checkout, version, KIND)
    former = tmp_path / "former.json"
    former.write_text(json.dumps(coco(BASE)), "utf-8")
    assert pull_version(checkout, version, KIND, base=[former]).relabelled == 1
    assert labels(checkout) == {"a/1.png": "beech", "a/2.png": "beech", "b/3.png": "beech", "b/4.png": None}


def test_without_a_base_theirs_is_the_version(checkout: Checkout) -> None:
    write(checkout, MINE)
    pull_version(checkout, served(THEIRS, base=None), KIND, prefer=Prefer.THEIRS)
    assert labels(checkout) == {name: tag for name, (_, tag) in THEIRS.items()}


def test_a_checkout_without_pictures_gets_those_that_it_needs(checkout: Checkout) -> None:
    for name in BASE:
        (checkout.folder / name).unlink()
    version = served({**BASE, "b/4.png": (4, "ash")})
    assert pull_version(checkout, version, KIND).missing == 4
    assert pull_version(checkout, version, KIND, fetch_images=True).fetched == 4
    assert (checkout.folder / "b/3.png").read_bytes() == encoded(3)


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    checkout = Checkout((tmp_path / "new" / "train.json",), tmp_path / "new")
    assert pull_version(checkout, served(BASE), KIND, fetch_images=True).added == 4
    assert labels(checkout) == {name: tag for name, (_, tag) in BASE.items()}
    assert checkout.files[0].read_text("utf-8").startswith('{\n "images": [\n')


@pytest.mark.parametrize(
    ("name", "there", "kept"),
    [
        ("a/1.png", None, f"a/1-{hashlib.sha256(encoded(5)).hexdigest()[:12]}.png"),  # another image's
        ("A/1.PNG", None, f"A/1-{hashlib.sha256(encoded(5)).hexdigest()[:12]}.PNG"),
        ("c.png", b"somebody's file", f"c-{hashlib.sha256(encoded(5)).hexdigest()[:12]}.png"),
        ("c.png", encoded(5), "c.png"),
        ("../../c.png", None, "c.png"),
        ("/etc/c.png", None, "etc/c.png"),
        ("C:\\c.png", None, "C_/c.png"),
        ("c\x1b.png", None, "c_.png"),
        ("..", None, f"{hashlib.sha256(encoded(5)).hexdigest()}.png"),
    ],
)
def test_no_file_is_replaced_and_none_is_outside(checkout: Checkout, name: str, there: bytes | None, kept: str) -> None:
    if there is not None:
        (checkout.folder / name).write_bytes(there)
    document = coco({**BASE, "x": (5, "ash")}, stored=True)
    document["images"][4]["file_name"] = name
    version = Served(document, [coco(BASE, stored=True)], {f"{sha256(5)}.png": encoded(5)})
    pull_version(checkout, version, KIND, fetch_images=True)
    assert list(labels(checkout))[4] == kept
    assert (checkout.folder / kept).read_bytes() == encoded(5)
    if there is not None:
        assert (checkout.folder / name).read_bytes() == there


def test_a_link_out_of_the_folder_is_not_followed(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (checkout.folder / "new").symlink_to(tmp_path / "outside")
    before = checkout.files[0].read_bytes()
    with pytest.raises(VisionError, match="leads out of"):
        pull_version(checkout, served({**BASE, "new/5.png": (5, "ash")}), KIND, fetch_images=True)
    assert list((tmp_path / "outside").iterdir()) == []
    assert checkout.files[0].read_bytes() == before


def test_a_wrong_image_is_not_written(checkout: Checkout) -> None:
    before = checkout.files[0].read_bytes()
    version = served({**BASE, "new.png": (5, "ash")})
    version.sent[f"{sha256(5)}.png"] = encoded(6)
    with pytest.raises(VisionError, match="sent another file than its name says"):
        pull_version(checkout, version, KIND, fetch_images=True)
    assert not (checkout.folder / "new.png").exists()
    assert checkout.files[0].read_bytes() == before


def spoil_ids(checkout: Checkout) -> None:
    document = json.loads(checkout.files[0].read_text("utf-8"))
    document["images"][0]["id"] = 99
    checkout.files[0].write_text(json.dumps(document))


def name_nobody(checkout: Checkout) -> None:
    write(checkout, {**BASE, "nobody.png": (9, "ash")})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_ids, "id must be 1 to 4"),
        (name_nobody, "nobody.png"),
        (lambda checkout: checkout.files[0].write_text("{"), "is not JSON"),
    ],
)
def test_a_file_that_can_not_be_understood_is_left_alone(
    checkout: Checkout, spoil: Callable[[Checkout], None], message: str
) -> None:
    spoil(checkout)
    before = checkout.files[0].read_bytes()
    with pytest.raises((VisionError, DatasetInvalid), match=message):
        pull_version(checkout, served({**BASE, "new.png": (5, "ash")}), KIND)
    assert checkout.files[0].read_bytes() == before


def test_a_version_whose_images_are_elsewhere_is_refused(checkout: Checkout) -> None:
    version = served(BASE)
    version.version["images"][2]["absolute_url"] = "https://elsewhere.example/3.png"
    with pytest.raises(VisionError, match=r"images\[2\]: is not stored under the digest"):
        pull_version(checkout, version, KIND)


def test_a_dataset_of_several_files(checkout: Checkout) -> None:
    """Each image stays in its file, and new ones come to the first."""
    first, second = checkout.files[0], checkout.folder / "more.json"
    write(checkout, {name: value for name, value in BASE.items() if name.startswith("a")})
    second.write_text(json.dumps(coco({name: value for name, value in BASE.items() if name.startswith("b")})), "utf-8")
    both = Checkout((first, second), checkout.folder, checkout.cache)
    before = first.read_text("utf-8")
    version = served({**BASE, "b/3.png": (3, "ash")})
    assert pull_version(both, version, KIND) == Pulled(written=True, relabelled=1)
    assert first.read_text("utf-8") == before
    assert labels(replace(both, files=(second,))) == {"b/3.png": "ash", "b/4.png": None}
    version = served({name: value for name, value in BASE.items() if name != "b/4.png"} | {"new.png": (5, "ash")})
    pull_version(both, version, KIND, prefer=Prefer.THEIRS, fetch_images=True)
    assert list(labels(both)) == ["a/1.png", "a/2.png", "new.png"]
    assert list(labels(replace(both, files=(second,)))) == ["b/3.png"]
    assert pull_version(both, served(BASE), KIND, base=[first, second]).written
    assert pull_version(both, served(BASE), KIND) == Pulled()
