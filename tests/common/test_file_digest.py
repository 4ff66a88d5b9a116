import hashlib
from pathlib import Path

import pytest

from vision_customization.common.file_digest import file_digest


@pytest.mark.parametrize("data", [b"", b"abc", b"x" * 3_000_000])
def test_file_digest(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    assert file_digest(tmp_path / "file") == hashlib.sha256(data).hexdigest()
