"""300 photos are added while another 300 files are refused: by a real browser, a real engine and a real Azurite."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.customization.azurite import ACCOUNT_KEY, PROGRAM, azurite
from tests.engine.studio.browser.watch import Watch
from tests.engine.studio.test_attacks import BOMB, SVG, png_of
from tests.support.waiting import wait_until
from vision_customization.common.blob_container import container_sas, ensure_container, open_container

pytestmark = [
    pytest.mark.browser,
    pytest.mark.process,
    pytest.mark.ci,
    pytest.mark.skipif(PROGRAM is None, reason="Azurite is not installed: make setup"),
]

KEY = "the-key-of-this-engine"
PHOTOS = 300
SIZE = (2400, 1800)
GROWN_MAX_MB = 250
"""Two photos are decoded at once, four are in memory, and 24 wait with half a megabyte each."""


def photo(number: int, base: list[bytes]) -> bytes:
    """A JPEG that no other number gives."""
    jpeg, comment = base[number % len(base)], f"{number}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def photos_like() -> list[bytes]:
    random, made = np.random.default_rng(3), []
    for _ in range(3):
        small = Image.fromarray(random.integers(0, 256, (150, 200, 3), np.uint8))
        target = io.BytesIO()
        small.resize(SIZE, Image.Resampling.BICUBIC).save(target, "JPEG", quality=92)
        made.append(target.getvalue())
    return made


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """300 photos in two folders, and as many files that the engine refuses."""
    folder, base = tmp_path / "photos", photos_like()
    for name in ("ash", "beech", "bad"):
        (folder / name).mkdir(parents=True)
    huge = png_of(20_000, 10_000)
    for number in range(PHOTOS):
        content = photo(number, base)
        (folder / ("ash" if number % 2 else "beech") / f"{number}.jpg").write_bytes(content)
        bad = (content[: len(content) // 2], SVG + str(number).encode(), BOMB + bytes([number % 256, number // 256]),
               huge + bytes([number % 256, number // 256]))[number % 4]  # fmt: skip
        (folder / "bad" / f"{number}.jpg").write_bytes(bad)
    return folder


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[tuple[str, int, str]]:
    """The address of an engine with a container in Azurite, its process and the container's."""
    (tmp_path / "azurite").mkdir()
    with azurite(tmp_path / "azurite") as storage:
        container = storage.container("training")
        ensure_container(container, account_key=ACCOUNT_KEY)
        token = container_sas(container, ACCOUNT_KEY, datetime.now(UTC) + timedelta(hours=1), create=True)
        data = tmp_path / "data"
        command = ["serve", "--data-dir", str(data), "--workers", "0", "--port", "0", "--log-level", "error"]
        process = subprocess.Popen(
            [sys.executable, "-c", "from vision_customization.engine.cli import main; main()", *command],
            env={**os.environ, "VISION_ENGINE_KEYS": KEY, "VISION_ENGINE_STUDIO_CONTAINER": f"{container}?{token}"},
        )
        try:
            wait_until((data / "serve.json").exists, "the engine serves", 60)
            port = json.loads((data / "serve.json").read_text())["port"]
            yield f"http://127.0.0.1:{port}", process.pid, container
        finally:
            process.terminate()
            process.wait(60)


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def test_all_are_told_in_bounded_memory(
    engine: tuple[str, int, str], new_page: Callable[..., Page], files: Path, watch: Watch, record_property: Callable[..., None]
) -> None:
    watch.expect("status of 400")
    address, pid, container = engine
    headers = {"Ocp-Apim-Subscription-Key": KEY}
    with httpx.Client(base_url=f"{address}/computervision", headers=headers, trust_env=False) as api:
        query = {"api-version": "2023-04-01-preview"}
        body = {"annotationKind": "imageClassification"}
        assert api.put("drafts/d", params=query, json=body).status_code == 201
        code = api.post("studio/codes", params=query, json={}).json()["code"]
    page = new_page()
    page.goto(f"{address}/studio/sign-in#code={code}")
    page.wait_for_url(f"{address}/studio/")
    page.goto(f"{address}/studio/drafts/d/import")
    page.set_input_files("#folder", files)
    expect(page.locator("#found")).to_contain_text(f"{2 * PHOTOS} pictures", timeout=30_000)
    before, began = psutil.Process(pid).memory_info().rss / 1024**2, time.monotonic()
    page.get_by_role("button", name="Add 600 pictures").click()
    expect(page.locator("#summary")).to_have_text("600 files: 300 added, 0 known, 300 refused", timeout=300_000)
    seconds, peak = time.monotonic() - began, peak_mb(pid)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the list").click()
    refused = Path(download.value.path()).read_text("utf-8").splitlines()[1:]
    assert sorted(line.split("\t")[0] for line in refused) == sorted(f"photos/bad/{number}.jpg" for number in range(PHOTOS))
    reasons = ("damaged or truncated", "not an image of a supported type", "13377 × 13377 px", "too many pixels")
    assert [sum(reason in line for line in refused) for reason in reasons] == [75] * 4
    expect(page.locator("#told")).to_have_text("300 images labelled.")
    with open_container(container, account_key=ACCOUNT_KEY) as client:
        assert len(list(client.list_blobs("images/"))) == PHOTOS
    sent = sum(file.stat().st_size for file in files.rglob("*.jpg")) / 1024**2
    told = f"{sent:.0f} MiB sent in {seconds:.0f} s; resident memory {before:.0f} MiB before, {peak:.0f} MiB at its peak"
    record_property("memory", told)
    print(told)
    assert peak - before < GROWN_MAX_MB, told
