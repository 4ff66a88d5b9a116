"""Versions that are saved and registered while others change the dataset."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.support.api_world import FixedModels, RecordedContainer, RecordedJobs
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.owners import MANAGED_BY
from vision_customization.engine.drafts.errors import NotSaved
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.orders.versions import save_and_register
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.store.draft_pages import DraftPages
from vision_customization.engine.store.draft_records import DraftLabel, DraftTagRecord, LabelChange, NewDraftImage

KIND = AnnotationKind.IMAGE_CLASSIFICATION
OTHERS = ("https://account.blob.core.windows.net/training/annotations/1.json",)


@dataclass
class Desk:
    """What orders touch."""

    store: Store
    objects: FileObjects
    settings: Settings
    jobs: RecordedJobs = field(default_factory=RecordedJobs)
    models: FixedModels = field(default_factory=FixedModels)


@dataclass
class BusyContainer(RecordedContainer):
    """Somebody else does something while the first blob is written."""

    meanwhile: Callable[[], object] | None = None

    def write(self, name: str, data: bytes | BinaryIO, content_type: str) -> bool:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return super().write(name, data, content_type)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings = Settings.from_environment({}, data_dir=tmp_path)
    with closing(Store.open(settings)) as store:
        yield Desk(store, FileObjects(tmp_path / "objects"), settings)


def image(number: int) -> NewDraftImage:
    return NewDraftImage(f"{number:064x}", ".png", f"{number}.png", 8.0, 8.0, (DraftLabel("ash"),))


@pytest.fixture
def container(desk: Desk) -> BusyContainer:
    """With a new draft, whose dataset does not exist yet."""
    container = BusyContainer()
    desk.store.drafts.create("d", KIND, "d", container.url, "ada")
    desk.store.drafts.add("d", [image(1)], "ada")
    return container


def saved(desk: Desk, container: BusyContainer) -> bool:
    """Save the draft; whether its version is registered then."""
    version, dataset = save_and_register(desk, container, desk.store.drafts.find("d"), "ada", None)
    return dataset is not None and dataset.annotation_file_uris == (version.annotation_file_uri,)


def test_a_dataset_that_appears_meanwhile_is_not_overwritten(desk: Desk, container: BusyContainer) -> None:
    container.meanwhile = lambda: desk.store.datasets.create("d", KIND, OTHERS)
    with pytest.raises(NotSaved, match=r"^The version .* was saved, but is not registered\. .* did not begin with"):
        saved(desk, container)
    assert desk.store.datasets.find("d").annotation_file_uris == OTHERS
    assert len(desk.store.versions.page("d", 0, 5)) == 1


def test_content_that_changes_meanwhile_is_not_overwritten(desk: Desk, container: BusyContainer) -> None:
    assert saved(desk, container)
    desk.store.drafts.add("d", [image(2)], "ada")
    container.meanwhile = lambda: desk.store.datasets.update("d", annotation_file_uris=OTHERS)
    with pytest.raises(NotSaved, match=r"^The version .* was saved, but is not registered\. .* Merge the draft first"):
        saved(desk, container)
    assert desk.store.datasets.find("d").annotation_file_uris == OTHERS
    assert len(desk.store.versions.page("d", 0, 5)) == 2


def test_a_dataset_that_a_stack_declares_meanwhile_stays(desk: Desk, container: BusyContainer) -> None:
    assert saved(desk, container)
    before = desk.store.datasets.find("d").annotation_file_uris
    desk.store.drafts.add("d", [image(2)], "ada")
    container.meanwhile = lambda: desk.store.datasets.update("d", custom_properties={MANAGED_BY: "pulumi:p/dev"})
    assert not saved(desk, container), "as if the stack had declared it before"
    assert desk.store.datasets.find("d").annotation_file_uris == before
    assert len(desk.store.versions.page("d", 0, 5)) == 2


def test_other_changes_of_the_dataset_are_no_hindrance(desk: Desk, container: BusyContainer) -> None:
    assert saved(desk, container)
    desk.store.drafts.add("d", [image(2)], "ada")
    container.meanwhile = lambda: desk.store.datasets.update("d", custom_properties={"season": "autumn"})
    assert saved(desk, container)
    assert desk.store.datasets.find("d").custom_properties == {"season": "autumn"}


def test_a_version_is_the_draft_at_one_moment(desk: Desk, container: BusyContainer) -> None:
    """Whatever others change after the first query on it."""
    pages = desk.store.drafts.find("d").sequence
    with desk.store.drafts.at_one_moment() as drafts:
        before = (drafts.find("d"), drafts.tags(pages), drafts.differences(pages), drafts.copies(pages))
        desk.store.drafts.label("d", [LabelChange(0, (DraftLabel("oak"),))], "ben")
        desk.store.drafts.rename_tag("d", "ash", "elm", "ben")
        desk.store.drafts.add("d", [image(2)], "ben")
        assert (drafts.find("d"), drafts.tags(pages), drafts.differences(pages), drafts.copies(pages)) == before
        assert [found.labels for found in drafts.all_images(pages)] == [(DraftLabel("ash"),)]


def test_a_tag_that_is_renamed_while_a_version_is_read_keeps_its_name_there(
    desk: Desk, container: BusyContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = DraftPages.tags

    def tags_then_rename(pages: DraftPages, draft: int) -> Sequence[DraftTagRecord]:
        found = tags(pages, draft)
        desk.store.drafts.rename_tag("d", "ash", "elm", "ben")
        return found

    monkeypatch.setattr(DraftPages, "tags", tags_then_rename)
    version, _ = save_and_register(desk, container, desk.store.drafts.find("d"), "ada", None)
    assert version.tags == {"ash": 1}
    assert desk.store.drafts.find("d").saved_digest is None
