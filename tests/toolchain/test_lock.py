"""What lock files may not hold."""

from toolchain.lock import SHARED_WITH_PEERS, pins_of
from toolchain.places import find_places


def test_no_lock_names_an_index() -> None:
    """A lock with an index's address in it does not work behind a mirror."""
    places = find_places()
    peers = places.checkout / "benchmarks" / "peers" / "requirements.txt"
    for lock in (places.checkout / "requirements.lock", peers, *places.locks.glob("*.txt")):
        text = lock.read_text()
        assert "--hash=sha256:" in text, lock
        assert "://" not in text, lock
        assert "index-url" not in text, lock
    assert '"resolved"' not in (places.toolchain / "programs" / "azurite" / "package-lock.json").read_text()


def test_pins_of_chosen_packages_have_no_digests() -> None:
    lock = "a==1 \\\n    --hash=sha256:0\nab==2 ; python_full_version < '3.12' \\\n    --hash=sha256:1\nb==3 \\\n"
    assert pins_of(lock, ["ab", "b"]) == "ab==2 ; python_full_version < '3.12'\nb==3"


def test_peers_compute_with_the_engines_versions() -> None:
    """Otherwise the benchmark would compare releases of onnxruntime, not servers."""
    checkout = find_places().checkout
    peers = checkout / "benchmarks" / "peers" / "requirements.txt"
    pins = pins_of((checkout / "requirements.lock").read_text(), SHARED_WITH_PEERS)
    assert pins_of(peers.read_text(), SHARED_WITH_PEERS) == pins
    assert len(pins.splitlines()) >= len(SHARED_WITH_PEERS)
