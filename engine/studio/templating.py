"""Templates: Jinja2 with everything escaped, and the few filters that pages share."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from vision_customization.contract.studio import Role
from vision_customization.contract.texts import counted, percent, sentence
from vision_customization.engine.api.routes.probes import engine_version
from vision_customization.engine.studio.visit import Visit, link

if TYPE_CHECKING:
    from datetime import timedelta

HERE = Path(__file__).parent
STATIC = HERE / "static"

_AGO = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"))


class Templates:
    """The pages' templates. `version` changes with any static file, so that browsers may keep these for good."""

    def __init__(self) -> None:
        self.version = _digest(STATIC)
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            number=number, share=share, score=score, moment=moment, counted=counted, code_marks=code_marks, sentence=sentence
        )
        self._environment.globals.update(link=link, static=self.static, engine_version=engine_version())
        self._environment.globals["ui"] = self._environment.get_template("macros.html").module

    def static(self, name: str) -> str:
        """The address of a static file."""
        return f"/studio/static/{self.version}/{name}"

    def render(self, template: str, visit: Visit, values: Mapping[str, object]) -> str:
        visitor = visit.visitor
        shared = {"visit": visit, "visitor": visitor, "nonce": visit.nonce, "may": _may(visit)}
        return self._environment.get_template(template).render(shared | dict(values))


def _may(visit: Visit) -> dict[str, bool]:
    """What the visitor may do, by role."""
    own = None if visit.visitor is None else visit.visitor.role
    return {role.value: own is not None and own.includes(role) for role in Role}


def number(value: float) -> str:
    """`12,345`."""
    return f"{value:,.0f}"


def share(value: float | None) -> str:
    """`93 %`; see `percent`."""
    return "–" if value is None else percent(value)


def score(value: float | None) -> str:
    """`0.931`."""
    return "–" if value is None else f"{value:.3f}"


def code_marks(text: object) -> Markup:
    """A text whose backticks mark code."""
    parts = str(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if odd % 2 else escape(part) for odd, part in enumerate(parts)
    )


def moment(value: datetime) -> Markup:
    """A moment as a person reads it, `5 min ago`, with the exact one for scripts and on pointing."""
    exact = value.astimezone(UTC)
    stamp = exact.strftime("%Y-%m-%d %H:%M UTC")
    markup = '<time datetime="{}" title="{}">{}</time>'
    return Markup(markup).format(exact.isoformat(timespec="seconds"), stamp, _ago(datetime.now(UTC) - exact))  # noqa: S704 - format escapes


def _ago(since: "timedelta") -> str:
    seconds = since.total_seconds()
    if seconds < 5:
        return "just now"
    for below, unit, name in _AGO:
        if seconds < below:
            return f"{seconds // unit:.0f} {name} ago"
    days = int(seconds // 86_400)
    return f"{counted(days, 'day')} ago" if days < 60 else f"{days // 30} months ago"


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
