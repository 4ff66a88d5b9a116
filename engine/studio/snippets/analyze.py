"""Code of analyses: a picture in, a model's tags, objects or products out."""

import shlex
from dataclasses import dataclass

from vision_customization.common.redaction import without_query
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.limits import API_VERSION
from vision_customization.engine.studio.snippets.languages import (
    KEY,
    Snippet,
    client_program,
    commands,
    literal,
    request,
    requests,
    segments,
    sending,
    sending_file,
    vision,
)

FILE = "photo.jpg"
VARIABLE = "IMAGE_URL"
"""The variable that has the URL of an image, where it may hold a token."""

_FILE_NAME_MAX = 255
_PATH = "from pathlib import Path"
_UNSHOWN = f"# First: export {VARIABLE}='https://…'. Its query is not shown here, because it may hold a token"


@dataclass(frozen=True)
class Picture:
    """What is analyzed: the file of this name in the current folder, or the image at `url`."""

    name: str = FILE
    url: str | None = None

    @classmethod
    def of(cls, name: str, url: str) -> "Picture":
        """From what a page sent; both may be empty. A name that would not look like what it is becomes FILE."""
        shown = name if name.isprintable() and 0 < len(name) <= _FILE_NAME_MAX and "/" not in name else FILE
        return cls(shown, url or None)

    @property
    def is_secret(self) -> bool:
        """Whether the URL has a query or a user name, which may be secret."""
        return self.url is not None and without_query(self.url) != self.url

    @property
    def path(self) -> str:
        """The file, so that no program takes it for an option, nor for standard input."""
        return f"./{self.name}" if self.name.startswith("-") else self.name

    @property
    def word(self) -> str:
        """The picture as a word of the shell."""
        return f'"${VARIABLE}"' if self.is_secret else shlex.quote(self.url or self.path)

    @property
    def expression(self) -> str:
        """The picture as Python passes it to the client."""
        if self.is_secret:
            return f'os.environ["{VARIABLE}"]'
        return literal(self.url) if self.url else f"Path({literal(self.path)}).read_bytes()"

    def sent(self, method: str) -> tuple[str, ...]:
        """curl's options to send it."""
        if self.url is None:
            return sending_file(method, self.path)
        if self.is_secret:
            return f"-X {method}", '-H "Content-Type: application/json"', f'-d "{{\\"url\\": \\"${VARIABLE}\\"}}"'
        return sending(method, {"url": self.url})

    @property
    def notes(self) -> tuple[str, ...]:
        """What comes first in a shell."""
        return (_UNSHOWN,) if self.is_secret else ()


def analyze_snippets(
    origin: str, model_name: str, kind: ModelKind, picture: Picture | None = None, threshold: float | None = None
) -> list[Snippet]:
    """Analyze a picture with a model or a published name. A product recognizer looks for products.

    Args:
        threshold: a detector's objects count from this confidence on.
    """
    picture = picture or Picture()
    if kind is ModelKind.PRODUCT_RECOGNIZER:
        return _product_snippets(origin, model_name, picture)
    least = threshold or 0.0
    printed = _TAGS if kind is ModelKind.GENERIC_CLASSIFIER else _OBJECTS.format(least=f"{least:g}")
    printed_json = _TAGS_JSON if kind is ModelKind.GENERIC_CLASSIFIER else _OBJECTS_JSON.format(least=f"{least:g}")
    body = f"result = client.analyze({literal(model_name)}, {picture.expression})"
    options = () if kind is ModelKind.GENERIC_CLASSIFIER or not threshold else ("--threshold", f"{least:g}")
    return [
        requests(*picture.notes, request(origin, "imageanalysis:analyze", *picture.sent("POST"), model_name=model_name)),
        client_program(origin, body, after=printed, standard=[_PATH] if picture.url is None else []),
        ("Python with requests", _with_requests(origin, model_name, picture) + printed_json),
        commands(origin, *picture.notes, f"{vision('predict', model_name)} {picture.word}" + _words(options)),
    ]


def _product_snippets(origin: str, model_name: str, picture: Picture) -> list[Snippet]:
    body = f"""\
run = client.recognize_products({literal(model_name)}, uuid4().hex, {picture.expression})
run = client.wait_for_run(run.model_name, run.run_name)
print(len(run.result.products), "products,", len(run.result.gaps), "gaps")

plan = Planogram.model_validate_json(Path("planogram.json").read_text())
for position in client.match_planogram(run.result, plan).matching_result_per_position:
    print(position.position_id, "is as planned")"""
    path = segments("productrecognition", model_name, "runs") + "/$RUN"
    return [
        requests(
            *picture.notes,
            "RUN=run-$(date +%s)",
            request(origin, path, *picture.sent("PUT")),
            "# The result, once the status is succeeded",
            request(origin, path),
        ),
        client_program(
            origin,
            body,
            standard=[_PATH, "from uuid import uuid4"],
            own=["from vision_customization.contract.products import Planogram"],
        ),
        commands(
            origin,
            *picture.notes,
            f"{vision('products', 'run', model_name)} {picture.word} --json > found.json",
            vision("planogram", "match", "found.json", "planogram.json"),
        ),
    ]


_TAGS = """\
for tag in result.custom_model_result.tags_result.values:
    print(f"{tag.name} {tag.confidence:.3f}")"""

_TAGS_JSON = """\
for tag in response.json()["customModelResult"]["tagsResult"]["values"]:
    print(f"{tag['name']} {tag['confidence']:.3f}")
"""

_OBJECTS = """\
for found in result.custom_model_result.objects_result.values:
    tag, box = found.tags[0], found.bounding_box
    if tag.confidence >= {least}:
        print(f"{{tag.name}} {{tag.confidence:.3f}} at {{box.x}}, {{box.y}}, size {{box.w}} x {{box.h}}")"""

_OBJECTS_JSON = """\
for found in response.json()["customModelResult"]["objectsResult"]["values"]:
    tag, box = found["tags"][0], found["boundingBox"]
    if tag["confidence"] >= {least}:
        print(f"{{tag['name']}} {{tag['confidence']:.3f}} at {{box['x']}}, {{box['y']}}, size {{box['w']}} x {{box['h']}}")
"""


def _with_requests(origin: str, model_name: str, picture: Picture) -> str:
    standard = f"import os\n{_PATH}\n" if picture.url is None else "import os\n"
    binary = ', "Content-Type": "application/octet-stream"' if picture.url is None else ""
    sent = f"data={picture.expression}" if picture.url is None else f'json={{"url": {picture.expression}}}'
    return f"""\
{standard}
import requests

response = requests.post(
    {literal(f"{origin}/computervision/imageanalysis:analyze")},
    params={{"api-version": "{API_VERSION}", "model-name": {literal(model_name)}}},
    headers={{"Ocp-Apim-Subscription-Key": os.environ["{KEY}"]{binary}}},
    {sent},
    timeout=60,
)
response.raise_for_status()
"""


def _words(options: tuple[str, ...]) -> str:
    return f" {shlex.join(options)}" if options else ""
