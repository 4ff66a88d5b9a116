import hashlib
from pathlib import Path

import pytest

from tests.customization.samples import encoded
from vision_customization.contract.outcomes import Outcome
from vision_customization.customization.report.pictures import Pictures, PictureUnreadable

DATA = encoded(1)


def outcome(data: bytes = DATA, file_name: str | None = None, url: str = "https://elsewhere.example/c/1.png") -> Outcome:
    return Outcome(image=url, file_name=file_name, digest=hashlib.sha256(data).hexdigest(), right=False)


def test_a_picture_is_found_by_its_name_or_its_content(tmp_path: Path) -> None:
    for name, seed in (("ash/1.png", 1), ("ash/2.png", 2)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(seed))
    pictures = Pictures(tmp_path)
    assert pictures.path(outcome(file_name="ash/1.png")) == tmp_path / "ash/1.png"
    # Another file has this name now.
    assert pictures.path(outcome(file_name="ash/2.png")) == tmp_path / "ash/1.png"
    assert pictures.path(outcome()) == tmp_path / "ash/1.png"
    assert pictures.path(outcome(b"other")) is None
    assert Pictures(None).path(outcome(file_name="ash/1.png")) is None
    assert pictures.read(outcome()) == DATA


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://elsewhere.example/c/1.png", "is not in Azure Blob Storage: pass the folder of the pictures with --images"),
        # Neither is a host that only looks like one, or one without TLS.
        ("https://x.blob.core.windows.net.example/c/1.png", "is not in Azure Blob Storage"),
        ("http://x.blob.core.windows.net/c/1.png", "is not in Azure Blob Storage"),
        ("http://127.0.0.1:9/account/c/1.png", "needs --images, or the storage account's key in VISION_STORAGE_KEY"),
    ],
)
def test_no_identity_is_sent_to_another_host(url: str, said: str) -> None:
    class Refused:
        def get_token(self, *_: object, **__: object) -> object:
            raise AssertionError("the token was asked for")

    with pytest.raises(PictureUnreadable) as caught:
        Pictures(None, credential=Refused()).read(outcome(url=url))
    assert said in str(caught.value)


def test_storage_that_does_not_answer_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(PictureUnreadable, match="can't be read: the storage can't be reached"):
        Pictures(tmp_path, account_key="a2V5").read(outcome(url="http://127.0.0.1:9/account/c/1.png"))
