"""`vision predict`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click
from click.core import ParameterSource

from vision_customization.common.dataset_content.image_formats import EXTENSIONS
from vision_customization.common.errors import VisionError
from vision_customization.contract.limits import NOVEL
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.exit_code import ExitCode
from vision_customization.customization.cli.image_argument import is_url, without_query
from vision_customization.customization.cli.output import json_option, print_json, print_table, progress_bar, say
from vision_customization.customization.errors import BadRequest

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

    from vision_customization.customization.client.client import VisionClient

CALLS_AT_ONCE = 4
_FAILED_SHOWN = 5
_DRAWN = (".png", ".jpg", ".jpeg")
_SOFTWARE = "vision predict"
"""Written into each drawing's metadata: a later call overwrites only files that carry it."""


Analyzed = TypeVar("Analyzed")


class Answer(TypedDict, total=False):
    """A model's answer for one image, in the contract's objects, or the error."""

    image: str
    tags: list[dict[str, Any]]
    objects: list[dict[str, Any]]
    novelty: float
    error: str


@click.command(short_help="Analyze images with a model")
@click.argument("model")
@click.argument("images", nargs=-1)
@click.option(
    "--all",
    "everything",
    metavar="PLACE",
    help="Answer every image of a folder, or of a blob container that the service can list, and write a JSON line for each "
    "to the file of --out. PLACE may go on with the beginning of the blobs' names, and may have a SAS token as its query.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --all: the file for the rows. Images of a folder that have a row in it are not sent again. Each run of a "
    "container answers all of its images, but only those without a row in the file get one.",
)
@click.option("--top", type=click.IntRange(1), default=3, show_default=True, help="How many tags of each image to show.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Leave out tags and objects with a lower confidence.",
)
@click.option(
    "--draw",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write the answer drawn onto the image: OUT is a .png or .jpg file, or a folder for several images.",
)
@service_options
@json_option
def predict(
    client: VisionClient,
    model: str,
    images: tuple[str, ...],
    everything: str | None,
    out: Path | None,
    top: int,
    threshold: float,
    draw: Path | None,
    as_json: bool,
) -> None:
    """Analyze IMAGES with MODEL (or the one behind a published name): files, folders, or URLs that the service can read.

    If an image can't be analyzed, it is reported, the others are still analyzed, and the exit code is 1.

    With --all, the answers are JSON lines in a file, in the order of the images' names. A folder's images are sent from here;
    those of a container are read by the service's workers. Run an interrupted command again, and it continues. If the
    service's run failed or was cancelled, the same command saves its answers, and begins a new one with all images.

    \b
    Examples:
      vision predict trees holiday/*.jpg
      vision predict apples basket.jpg --draw boxes.png
      vision predict trees holiday --json | jq -r '.[] | [.image, .tags[0].name] | @tsv'
      vision predict trees --all archive --out archive.jsonl
      vision predict trees --all 'https://me.blob.core.windows.net/photos/2026/?sv=…&sp=rl&sig=…' --out 2026.jsonl
    """
    if everything is not None:
        _refuse_options_of_images(images)
        if out is None:
            raise click.UsageError("--all needs --out FILE: the file for the answers")
        _predict_all(client, model, everything, out, as_json=as_json)
        return
    if not images:
        raise click.UsageError("pass IMAGES, or --all with a folder or the URL of a container")
    if out is not None:
        raise click.UsageError("--out needs --all: without it, the answers are printed")
    targets = _targets(images)
    pictures = _pictures(targets, draw)

    with progress_bar("analyzing") as advance:
        seen = analyze_all(
            targets,
            lambda target: analyze(client, model, target, threshold, None if as_json else top),
            lambda done: advance(done, len(targets), ""),
        )
    written = draw_all(seen, pictures)
    if as_json:
        print_json(seen)
    else:
        _print_answers(seen)
        for out in written:
            click.echo(f"{out} written")
    if any("error" in answer for answer in seen):
        click.get_current_context().exit(ExitCode.NO)


def _refuse_options_of_images(images: tuple[str, ...]) -> None:
    context = click.get_current_context()
    if images:
        raise click.UsageError("pass either IMAGES or --all")
    for option in ("top", "threshold", "draw"):
        if context.get_parameter_source(option) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{option} is not for --all: the rows have all that the model answers")


def _predict_all(client: VisionClient, model: str, place: str, out: Path, *, as_json: bool) -> None:
    from vision_customization.customization.cli.batch_prediction import predict_container, predict_folder

    if is_url(place):
        rows = predict_container(client, model, place, out)
    elif Path(place).is_dir():
        rows = predict_folder(client, model, Path(place), out)
    else:
        raise click.UsageError(f"--all {place}: no such folder. A container is named by its URL, https://…")
    answered, failed, added = len(rows.names) - len(rows.failed), len(rows.failed), len(rows.names) - rows.kept
    if as_json:
        print_json({"out": str(out), "answered": answered, "failed": failed, "added": added})
    else:
        click.echo(f"{out}: {answered:,} answered, {failed:,} failed; {added:,} of these rows are new.")
    if failed:
        shown = ", ".join(rows.failed[:_FAILED_SHOWN])
        more = f" and {failed - _FAILED_SHOWN:,} more" if failed > _FAILED_SHOWN else ""
        say(f"No answer for {shown}{more}: {'its row says' if failed == 1 else 'their rows say'} why.")
        click.get_current_context().exit(ExitCode.NO)


def analyze(client: VisionClient, model: str, target: str, threshold: float, top: int | None) -> Answer:
    """The `top` tags (None: all) and the objects above the threshold that a model finds in a file or at a URL, or an error
    that concerns this image alone. A multi-label model decides itself how many tags an image has: instead of the `top` ones,
    those that reach their own threshold."""
    image = without_query(target)
    try:
        data = target if is_url(target) else Path(target).read_bytes()
        result = client.analyze(model, data)
    except BadRequest as error:
        return {"image": image, "error": error.message}
    except OSError as error:
        return {"image": image, "error": f"can't be read: {error.strerror}"}
    answer: Answer = {"image": image}
    custom = result.custom_model_result
    if custom is not None and custom.tags_result is not None:
        tags = [tag for tag in custom.tags_result.values if tag.confidence >= threshold]
        if top is not None and any(tag.threshold is not None for tag in tags):
            tags, top = [tag for tag in tags if tag.confidence >= (tag.threshold or 0)], None
        answer["tags"] = [tag.to_wire() for tag in tags[:top]]
    if custom is not None and custom.novelty is not None:
        answer["novelty"] = custom.novelty
    if custom is not None and custom.objects_result is not None:
        answer["objects"] = [found.to_wire() for found in custom.objects_result.values if found.tags[0].confidence >= threshold]
    return answer


def analyze_all(
    targets: Sequence[str], analyze_one: Callable[[str], Analyzed], on_progress: Callable[[int], None]
) -> list[Analyzed]:
    """The answers in the order of the targets, from several calls at once.

    The first target is sent alone, so that a wrong model or key is reported once.
    """
    answers = [analyze_one(targets[0])]
    pool = ThreadPoolExecutor(max_workers=CALLS_AT_ONCE, thread_name_prefix="predict")
    try:
        for answer in pool.map(analyze_one, targets[1:]):
            answers.append(answer)
            on_progress(len(answers))
    finally:
        pool.shutdown(cancel_futures=True)
    return answers


def draw_all(answers: Sequence[Answer], pictures: Mapping[str, Path]) -> list[Path]:
    """Draw each answer that has a picture; returns the files that were written."""
    written = []
    for answer in answers:
        if "error" not in answer and (out := pictures.get(answer["image"])) is not None:
            _draw(answer, out)
            written.append(out)
    return written


def _print_answers(answers: Sequence[Answer]) -> None:
    columns = ("image", "what", "confidence", "box (x, y, w, h)", "novelty")
    rows = [row for answer in answers for row in _rows(answer)]
    shown = [index for index in range(len(columns)) if index < 3 or any(row[index] for row in rows)]
    print_table([columns[index] for index in shown], [[row[index] for index in shown] for row in rows], "")
    novel = sum(answer.get("novelty", 0) >= NOVEL for answer in answers)
    if novel:
        click.echo(f"Unlike what the model was trained for (novelty {NOVEL} or more): {novel} of {len(answers)} images.")


def _targets(images: Sequence[str]) -> list[str]:
    targets = []
    for image in images:
        path = Path(image)
        if is_url(image):
            targets.append(image)
        elif path.is_dir():
            targets += sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in EXTENSIONS and file.is_file())
        elif path.is_file():
            targets.append(image)
        else:
            raise click.UsageError(f"{image}: no such file or folder")
    if not targets:
        raise VisionError(f"no image in {', '.join(images)}: expected files that end in {', '.join(sorted(EXTENSIONS))}")
    return targets


def _pictures(targets: Sequence[str], draw: Path | None) -> dict[str, Path]:
    """The file each image's answer is drawn to. Raises UsageError if one can't be, before any image is analyzed."""
    if draw is None:
        return {}
    if urls := [target for target in targets if is_url(target)]:
        raise click.UsageError(f"--draw: {without_query(urls[0])} is not a file on this machine: download it first.")
    if len(targets) == 1 and not draw.is_dir():
        if draw.suffix.lower() not in _DRAWN:
            raise click.UsageError(f"--draw {draw}: name a file that ends in {', '.join(_DRAWN)}, or a folder that exists.")
        pictures = {targets[0]: draw}
    else:
        pictures = {target: draw / f"{Path(target).stem}.png" for target in targets}
        if len(set(pictures.values())) < len(pictures):
            raise click.UsageError("--draw: two of the images have the same name: draw them one at a time.")
    if over := next(
        (out for out in pictures.values() if any(out.resolve() == Path(target).resolve() for target in targets)), None
    ):
        raise click.UsageError(f"--draw: {over} is one of the images themselves: name another file or folder.")
    # A file that the user named may be overwritten. In a folder we choose the names.
    foreign = next((out for out in pictures.values() if draw.is_dir() and out.exists() and not _is_drawing(out)), None)
    if foreign is not None:
        raise click.UsageError(
            f"--draw: {foreign} already exists, and this version of `vision predict` did not draw it: name another folder."
        )
    return pictures


def _draw(answer: Answer, out: Path) -> None:
    from PIL import Image

    from vision_customization.customization.cli.drawing import draw_answer

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(answer["image"]) as image:
            drawing = draw_answer(image, answer.get("objects", []), answer.get("tags", []))
        if out.suffix.lower() == ".png":
            drawing.save(out, pnginfo=_signed())
        else:
            drawing.save(out)
    except OSError as error:
        raise VisionError(f"{out}: can't be written: {error.strerror or error}") from None


def _signed() -> PngInfo:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Software", _SOFTWARE)
    return info


def _is_drawing(file: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(file) as image:
            return image.info.get("Software") == _SOFTWARE
    except Exception:  # noqa: BLE001 - a file that Pillow can't open, for any reason, is not a drawing
        return False


def _rows(answer: Answer) -> list[tuple[object, ...]]:
    image = answer["image"]
    if "error" in answer:
        return [(image, f"error: {answer['error']}", None, None, "")]
    novelty = _marked(answer["novelty"]) if "novelty" in answer else ""
    rows: list[tuple[object, ...]] = [("", tag["name"], tag["confidence"], None, "") for tag in answer.get("tags", [])]
    for found in answer.get("objects", []):
        box = found["boundingBox"]
        tag = found["tags"][0]
        rows.append(("", tag["name"], tag["confidence"], f"{box['x']}, {box['y']}, {box['w']}, {box['h']}", ""))
    first = rows[0] if rows else ("", "(nothing)", None, None, "")
    return [(image, *first[1:-1], novelty), *rows[1:]]


def _marked(novelty: float) -> str:
    return f"{novelty:.2f}" + (" novel" if novelty >= NOVEL else "")
