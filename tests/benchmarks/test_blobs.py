"""The blob server of the benchmarks."""

from pathlib import Path

import pytest
import requests

from benchmarks.blobs import picture_of
from benchmarks.processes import Script

pytestmark = pytest.mark.process


def test_files_and_pictures_are_served_with_their_versions(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "ä b.json").write_bytes(b"[1]" * 100_000)
    (tmp_path / "photos.any").mkdir()
    (tmp_path / "photos.any" / "one.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    with Script("benchmarks.blobs", str(tmp_path)) as blobs, requests.Session() as session:
        url = f"http://127.0.0.1:{blobs.ask(do='port')['port']}"
        answer = session.get(f"{url}/c/ä b.json?sig=x")
        assert (answer.status_code, answer.content) == (200, b"[1]" * 100_000)
        again = session.get(f"{url}/c/ä b.json", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        picture = session.get(f"{url}/photos.any/x.jpg")
        assert picture.content == picture_of(tmp_path / "photos.any", "x.jpg").data
        assert session.get(f"{url}/photos.any/x.jpg", headers={"If-None-Match": picture.headers["ETag"]}).status_code == 304
        for missing in ("c/none", "c", "c/%2e%2e/c/ä b.json"):
            assert session.get(f"{url}/{missing}").status_code == 404
        assert session.put(f"{url}/c/new", b"x").status_code == 403


def test_files_can_be_added_and_not_replaced(tmp_path: Path) -> None:
    with Script("benchmarks.blobs", str(tmp_path), "writable") as blobs, requests.Session() as session:
        url = f"http://127.0.0.1:{blobs.ask(do='port')['port']}"
        assert session.put(f"{url}/c/d/new", b"x" * 1_000_000).status_code == 201
        assert session.put(f"{url}/c/d/new", b"y").status_code == 409
        assert session.get(f"{url}/c/d/new").content == b"x" * 1_000_000
