from pathlib import Path

import pytest

from tests.customization.cli.ran import Ran, Vision
from tests.customization.fake_service import KEY, FakeService
from vision_customization.customization.cli import main


@pytest.fixture
def vision(service: FakeService, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Vision:
    """Runs `vision` in an empty folder, with a service by the environment; the key is in nothing that it prints."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"ENDPOINT": service.url, "KEY": KEY, "CACHE_DIR": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(f"VISION_{name}", value)
    monkeypatch.delenv("VISION_CONTAINER", raising=False)
    monkeypatch.delenv("VISION_STORAGE_KEY", raising=False)

    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert KEY not in printed.out + printed.err
        assert isinstance(caught.value.code, int)
        assert "Please report this" not in printed.out  # what was read is written or left out
        return Ran(int(caught.value.code), printed.out, printed.err)

    return run
