"""The part of GitHub's REST API that a pipeline needs: one comment and one issue, each found again by its marker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

TIMEOUT_SECONDS = 30.0
PAGE = 100
_LAST_PAGE = 50


class GitHubError(Exception):
    """GitHub refused, can't be reached, or is not configured. The message says what was requested and what to do."""


@dataclass(frozen=True)
class Repository:
    """One repository, accessed with the token."""

    name: str
    token: str = field(repr=False)
    api: str = "https://api.github.com"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Repository:
        """From the variables that GitHub Actions sets, and `GITHUB_TOKEN`.

        Raises:
            GitHubError: one is missing.
        """
        missing = [name for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN") if not environ.get(name)]
        if missing:
            raise GitHubError(
                f"{' and '.join(missing)} must be set: to `owner/name`, and to a token that may write to that repository"
            )
        api = environ.get("GITHUB_API_URL") or cls.api
        return cls(environ["GITHUB_REPOSITORY"], environ["GITHUB_TOKEN"], api.rstrip("/"))

    def comment(self, pull_request: int, marker: str, body: str) -> str:
        """Create the comment that starts with `marker`, or replace it if it exists; returns its address."""
        for comment in self._pages(f"issues/{pull_request}/comments"):
            if str(comment.get("body") or "").startswith(marker):
                return self._address(self._call("PATCH", f"issues/comments/{comment['id']}", {"body": body}))
        return self._address(self._call("POST", f"issues/{pull_request}/comments", {"body": body}))

    def open_issue(self, marker: str, title: str, body: str) -> str:
        """Create the open issue that starts with `marker`, or replace it if it exists; returns its address."""
        number = self._find_issue(marker)
        if number is None:
            return self._address(self._call("POST", "issues", {"title": title, "body": body}))
        return self._address(self._call("PATCH", f"issues/{number}", {"title": title, "body": body}))

    def close_issue(self, marker: str, body: str) -> str | None:
        """Close the issue that starts with `marker`; returns its address, or None if none is open."""
        number = self._find_issue(marker)
        if number is None:
            return None
        return self._address(
            self._call("PATCH", f"issues/{number}", {"body": body, "state": "closed", "state_reason": "completed"})
        )

    def _find_issue(self, marker: str) -> int | None:
        for issue in self._pages("issues?state=open"):
            if "pull_request" not in issue and str(issue.get("body") or "").startswith(marker):
                return int(issue["number"])
        return None

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        joint = "&" if "?" in path else "?"
        for page in range(1, _LAST_PAGE + 1):
            items = self._call("GET", f"{path}{joint}per_page={PAGE}&page={page}")
            yield from items
            if len(items) < PAGE:
                return

    def _call(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - whatever JSON holds
        what = f"{method} {self.api}/repos/{self.name}/{path}"
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        try:
            reply = requests.request(
                method, f"{self.api}/repos/{self.name}/{path}", json=body, headers=headers, timeout=TIMEOUT_SECONDS
            )
            answer = reply.json() if reply.content else None
        except (requests.RequestException, ValueError) as error:
            raise GitHubError(f"{what}: no readable answer ({type(error).__name__})") from None
        if not reply.ok:
            said = answer.get("message") if isinstance(answer, dict) else None
            advice = (
                ". Is the token allowed to write comments and issues there?" if reply.status_code in (401, 403, 404) else ""
            )
            raise GitHubError(f"{what}: {reply.status_code} {said or reply.reason}{advice}")
        return answer

    @staticmethod
    def _address(answer: Mapping[str, Any]) -> str:
        return str(answer.get("html_url", ""))
