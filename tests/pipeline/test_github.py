"""One comment, one issue: against a small GitHub on this machine's loopback."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.__main__ import main
from pipeline.github import GitHubError, Repository
from pipeline.markdown import marker
from tests.support.http_server import Handler, serving_http
from toolchain.places import Places

TOKEN = "ghs_not_a_real_token"
MARKER = marker("preview", "dev")


@dataclass
class GitHub:
    """The comments and issues of one repository, and the calls that were made."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def do(self, command: str, path: str, body: dict[str, Any], query: dict[str, list[str]]) -> object:
        things = self.comments if "comments" in path else self.issues
        if command == "GET":
            page = int(query["page"][0])
            found = [thing for thing in things if thing.get("state", "open") == "open"]
            return found[(page - 1) * 100 : page * 100]
        if command == "POST":
            number = len(things) + 1
            things.append({"id": number, "number": number, "html_url": f"https://example.org/{number}", **body})
            return things[-1]
        thing = next(thing for thing in things if str(thing["id"]) == path.rsplit("/", 1)[-1])
        thing.update(body)
        return thing


@pytest.fixture
def github() -> Iterator[GitHub]:
    github = GitHub()

    class Serving(Handler):
        def respond(self) -> None:
            address = urlsplit(self.path)
            path = address.path.removeprefix("/repos/owner/name/")
            github.calls.append(f"{self.command} {path}")
            status, answer = 200, github.do(self.command, path, json.loads(self.body() or "{}"), parse_qs(address.query))
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                status, answer = 403, {"message": "Resource not accessible by integration"}
            self.answer(status, json.dumps(answer).encode())

        do_GET = do_POST = do_PATCH = respond  # noqa: N815 - the base class calls them that

    with serving_http(Serving) as port:
        github.url = f"http://127.0.0.1:{port}"
        yield github


@pytest.fixture
def repository(github: GitHub) -> Repository:
    return Repository("owner/name", TOKEN, github.url)


def test_one_comment_however_often(github: GitHub, repository: Repository) -> None:
    github.comments += [{"id": number, "body": "somebody else's"} for number in range(1, 151)]
    for body in (f"{MARKER}\nfirst", f"{MARKER}\nsecond"):
        assert repository.comment(7, MARKER, body) == "https://example.org/151"
    assert [comment["body"] for comment in github.comments[150:]] == [f"{MARKER}\nsecond"]


def test_a_comment_that_only_quotes_the_marker_is_somebody_elses(github: GitHub, repository: Repository) -> None:
    github.comments.append({"id": 1, "body": f"> {MARKER}"})
    repository.comment(7, MARKER, f"{MARKER}\nmine")
    assert len(github.comments) == 2


def test_one_issue_opened_updated_closed_and_opened_anew(github: GitHub, repository: Repository) -> None:
    first = marker("drift", "dev")
    github.issues.append({"id": 1, "number": 1, "body": f"{first}\na pull request", "pull_request": {}})
    assert repository.close_issue(first, first) is None
    repository.open_issue(first, "Drift", f"{first}\none")
    repository.open_issue(first, "Drift", f"{first}\ntwo")
    repository.close_issue(first, f"{first}\nnone")
    [issue] = github.issues[1:]
    assert (issue["body"], issue["state"], issue["state_reason"]) == (f"{first}\nnone", "closed", "completed")
    repository.open_issue(first, "Drift", f"{first}\nagain")
    assert len(github.issues) == 3


def test_a_refusal_says_what_was_wanted_and_never_the_token(repository: Repository, github: GitHub) -> None:
    refused = Repository(repository.name, "ghs_another", repository.api)
    with pytest.raises(
        GitHubError, match=r"GET .*/issues/7/comments.*: 403 Resource not accessible.*Is the token allowed"
    ) as raised:
        refused.comment(7, MARKER, MARKER)
    assert "ghs_" not in f"{raised.value!r} {refused!r}"


def test_a_github_that_is_not_there(repository: Repository) -> None:
    nobody = Repository(repository.name, TOKEN, "http://127.0.0.1:1")
    with pytest.raises(GitHubError, match="no readable answer"):
        nobody.comment(7, MARKER, MARKER)


@pytest.fixture
def environment(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    monkeypatch.setattr("pipeline.__main__.find_places", lambda: Places(tmp_path, tmp_path / "cache"))
    (tmp_path / ".vision" / "dev").mkdir(parents=True)
    return tmp_path / ".vision" / "dev"


def test_the_commands(environment: Path, github: GitHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["comment", "--stack", "dev", "--pull-request", "7"]) == 1
    assert "Run `make preview STACK=dev` first" in capsys.readouterr().err
    (environment / "preview.md").write_text(f"{MARKER}\nhello\n")
    assert main(["comment", "--stack", "dev"]) == 1
    assert "the pull request is missing" in capsys.readouterr().err
    assert main(["comment", "--stack", "owner/project/dev", "--pull-request", "7"]) == 0
    (environment / "drift.md").write_text(f"{marker('drift', 'dev')}\nhello\n")
    assert main(["issue-open", "--stack", "dev"]) == 0
    assert main(["issue-close", "--stack", "dev"]) == 0
    assert [github.comments[0]["body"], github.issues[0]["title"]] == [f"{MARKER}\nhello\n", "Drift in stack dev"]
    assert github.issues[0]["state"] == "closed"


def test_what_is_missing_is_named(
    environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (environment / "drift.md").write_text("x")
    monkeypatch.delenv("GITHUB_TOKEN")
    assert main(["issue-open", "--stack", "dev"]) == 1
    assert "GITHUB_TOKEN must be set" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["..", "a b", "a;b", "", "-->"])
def test_a_stack_has_a_name_that_can_be_a_folder(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["comment", f"--stack={name}"])
    assert "is not a stack name" in capsys.readouterr().err
