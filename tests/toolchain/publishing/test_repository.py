import pytest

from toolchain.publishing.release import main
from toolchain.publishing.repository import address, with_absolute_links

URL = "https://github.com/us/ours"


@pytest.mark.parametrize(
    ("markdown", "at_the_repository", "without"),
    [
        ("see [Start](docs/start.md#install).", f"see [Start]({URL}/blob/v1.2.0/docs/start.md#install).", "see Start."),
        ("![up](docs/up.svg)", f"![up]({URL}/raw/v1.2.0/docs/up.svg)", "up"),
        ("[a](https://a.example/x) [b](#there) [c](mailto:c@d.example)", None, None),
        ("`make up`: [x] and (y)", None, None),
    ],
)
def test_links_to_files_lead_to_the_repository(markdown: str, at_the_repository: str | None, without: str | None) -> None:
    assert with_absolute_links(markdown, "v1.2.0", URL) == (at_the_repository or markdown)
    assert with_absolute_links(markdown, "v1.2.0", None) == (without or markdown)


def test_a_link_is_read_from_its_files_folder() -> None:
    assert with_absolute_links("[c](../../LICENSE)", "main", URL, folder="docs/decisions") == f"[c]({URL}/blob/main/LICENSE)"


def test_release_notes_lead_to_the_files_of_their_tag(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "us/ours")
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    monkeypatch.setattr("toolchain.publishing.release.version_of", lambda _: "1.2.0")
    monkeypatch.setattr("toolchain.publishing.release.notes_of", lambda *_: "- more ([jobs](docs/jobs.md))\n")
    assert address() == URL
    assert main(["notes", "--tag", "v1.2.0"]) == 0
    assert capsys.readouterr().out == f"- more ([jobs]({URL}/blob/v1.2.0/docs/jobs.md))\n"
