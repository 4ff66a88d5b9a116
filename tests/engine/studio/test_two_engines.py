"""Two engines on one PostgreSQL behind one address, as a load balancer shows them: one sign-in, good and ended on both."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.engine.jobs.fleet import Fleet, Member, running_fleet
from tests.support.api_world import VERSION
from vision_customization.contract.studio import Role

pytestmark = [pytest.mark.process, pytest.mark.postgresql]

FIRST_KEY, SECOND_KEY = "the-first-key-of-both-engines", "the-second-key-of-both-engines"
SERVE = ("serve", "--workers", "0", "--port", "0")
PUBLIC = "https://vision.example"
BALANCER = "localhost:9000"


@dataclass
class Browser:
    """A browser behind a load balancer that sends each request to the engine that the test names. It keeps the `Host`."""

    host: str
    cookies: dict[str, str] = field(default_factory=dict)

    def send(self, engine: Member, method: str, path: str, form: dict[str, str] | None = None) -> httpx.Response:
        headers = {"host": self.host, "sec-fetch-site": "same-origin"}
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = httpx.request(method, f"{engine.url}/studio/{path}", data=form, headers=headers, trust_env=False, timeout=60)
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer

    def status(self, engine: Member, path: str = "") -> int:
        return self.send(engine, "GET", path).status_code

    def sign_in(self, engine: Member, **form: str) -> "Browser":
        answer = self.send(engine, "POST", "sign-in", form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/studio/")
        return self


def code_of(engine: Member, key: str = FIRST_KEY, role: Role = Role.OWNER) -> str:
    url = f"{engine.url}/computervision/studio/codes?api-version={VERSION}"
    answer = httpx.post(url, json={"role": role}, headers={"ocp-apim-subscription-key": key}, trust_env=False, timeout=60)
    code: str = answer.json()["code"]
    return code


@pytest.fixture
def fleet(tmp_path: Path, postgresql_database: str) -> Iterator[Fleet]:
    with running_fleet(tmp_path, postgresql_database) as fleet:
        fleet.options["keys"] = f"{FIRST_KEY},{SECOND_KEY}"
        yield fleet


@pytest.mark.parametrize(
    ("public_url", "host", "cookie"),
    [
        (None, BALANCER, "vision-studio-9000"),  # the balancer's port, not the engines'
        (PUBLIC, "vision.example", "vision-studio-443"),
        (PUBLIC, "10.0.0.7:8080", "vision-studio-443"),  # a balancer that does not keep the host
    ],
)
def test_one_session_at_both(fleet: Fleet, public_url: str | None, host: str, cookie: str) -> None:
    if public_url is not None:
        fleet.options["public_url"] = public_url
    here, there = fleet.start_all(SERVE, SERVE)
    code = code_of(here)
    browser = Browser(host).sign_in(there, code=code)
    assert list(browser.cookies) == [cookie]
    assert [browser.status(engine, "models") for engine in (there, here, there)] == [200, 200, 200]
    assert Browser(host).send(here, "POST", "sign-in", {"code": code}).status_code == 403, "a code works once, on either"

    other = Browser(host).sign_in(here, code=code_of(there))
    assert browser.send(here, "POST", "sign-out").status_code == 303
    ended = dict(browser.cookies)
    assert [Browser(host, ended).status(engine) for engine in (here, there)] == [303, 303]
    assert [other.status(engine) for engine in (here, there)] == [200, 200], "only one of the two signed out"

    again = Browser(host).sign_in(there, code=code_of(here))
    kept = [dict(each.cookies) for each in (again, other)]
    assert again.send(here, "POST", "sign-out-everywhere").status_code == 303
    for cookies in kept:
        assert [Browser(host, cookies).status(engine) for engine in (there, here)] == [303, 303]


def test_a_session_ends_with_its_key_at_each_engine_that_has_lost_it(fleet: Fleet) -> None:
    """Keys of the settings are rotated by restarting one engine after the other."""
    here, there = fleet.start_all(SERVE, SERVE)
    by_first = Browser(BALANCER).sign_in(here, key=FIRST_KEY)
    by_code = Browser(BALANCER).sign_in(there, code=code_of(here))
    by_second = Browser(BALANCER).sign_in(there, key=SECOND_KEY)
    for browser in (by_first, by_code, by_second):
        assert [browser.status(engine) for engine in (here, there)] == [200, 200]

    fleet.options["keys"] = f"{SECOND_KEY},the-third-key-of-both-engines"
    rotated, rotated_too = fleet.start_all(SERVE, SERVE)
    for engine in (rotated, rotated_too):
        assert [browser.status(engine) for browser in (by_first, by_code)] == [303, 303]
        assert by_second.status(engine) == 200
