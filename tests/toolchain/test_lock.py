"""What lock files may not hold."""

from toolchain.places import find_places


def test_no_lock_names_an_index() -> None:
    """A lock with an index's address in it does not work behind a mirror."""
    places = find_places()
    for lock in (places.checkout / "requirements.lock", *places.locks.glob("*.txt")):
        text = lock.read_text()
        assert "--hash=sha256:" in text, lock
        assert "http" not in text.replace("httpcore", "").replace("httpx", "").replace("httptools", ""), lock
    assert '"resolved"' not in (places.toolchain / "programs" / "azurite" / "package-lock.json").read_text()
