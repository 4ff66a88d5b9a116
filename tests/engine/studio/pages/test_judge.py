"""The pages about outcomes, for models of each kind."""

import html
import re
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.engine.outcomes.made import MADE, MANY_TAGS, answers, image, put_older
from tests.support.api_world import KEYS, World, build
from tests.support.judged import COUNT, DrawnPictures, evaluate_judged, train_judged
from tests.support.studio import Browser
from vision_customization.contract.judging import Comparison, OutcomeKind, ThresholdPage
from vision_customization.contract.judging_texts import comparison_text, threshold_text
from vision_customization.contract.models import Estimate, ModelPerformance, Outlook
from vision_customization.contract.outcome_texts import BoxLook, DrawnBox
from vision_customization.engine.objects.keys import estimate_key
from vision_customization.engine.outcomes.classified import classified
from vision_customization.engine.outcomes.outcomes import ImageName, Outcomes
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.store.tables import ModelRow
from vision_customization.engine.studio import create_studio
from vision_customization.engine.studio.judging.pictures import OUTLINES_MAX, outlines

HEADINGS = ("How good is it?", "Would more images help?", "Threshold", "By tag", "Worst mistakes", "Are its confidences true?")
KINDS = pytest.mark.parametrize("kind", OutcomeKind)


def set_performance(world: World, model_id: str, performance: ModelPerformance) -> None:
    with world.store.database.writing() as session:
        session.execute(update(ModelRow).where(ModelRow.id == model_id).values(performance=performance.to_wire()))


def of_tags(tags: tuple[str, ...], count: int) -> Outcomes:
    """Outcomes of one of many tags per image."""
    return classified([image(number) for number in range(count)], *answers(count, len(tags)), tags)


def text_of(page: str) -> str:
    """What a page says: without markup, spaces joined."""
    bare = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))).replace(" .", ".").replace(" ,", ",")


@KINDS
def test_the_page_says_how_good_the_model_is_and_what_it_gets_wrong(world: World, owner: Browser, kind: OutcomeKind) -> None:
    train_judged(world, kind=kind)
    answer = owner.get("models/m/judge")
    assert answer.status_code == 200
    said = text_of(answer.text)
    for heading in (
        "How good is it?",
        "Would more images help?",
        "Threshold",
        "By tag",
        "Worst mistakes",
        "Are its confidences true?",
    ):
        assert heading in said
    assert ("What it takes for what" in said) == (kind is not OutcomeKind.SEVERAL_TAGS)
    assert re.search(r"From a confidence of 0\.\d\d on, the model", said)
    assert re.search(r"When it says 0\.\d\d, it is right in \d+ of \d+\.", said)
    assert 'style="' not in answer.text
    assert not re.search(r'\son[a-z]+="', answer.text)


def test_the_verdict_says_what_the_metric_rests_on(world: World, owner: Browser) -> None:
    model_id = train_judged(world)
    outlook = Outlook(images=240, accuracy_top1=0.93, interval=(0.88, 0.96))
    estimate = Estimate(images=120, groups=80, accuracy_top1=(0.84, 0.95), outlook=outlook)
    set_performance(world, model_id, ModelPerformance(accuracy_top1=0.91, calibration_ece=0.04, estimate=estimate))
    said = text_of(owner.get("models/m/judge").text)
    basis = "estimated on 120 images (80 groups of images that look alike) that the model had not seen."
    assert f"0.910 accuracy With 95 % confidence between 0.84 and 0.95, {basis}" in said
    assert "With 240 images: probably 0.930 (0.88 to 0.96)." in said
    assert "Calibration error 0.040" in said


def test_an_evaluation_is_judged_on_its_dataset(world: World, owner: Browser) -> None:
    train_judged(world)
    evaluate_judged(world, "m", "e")
    said = text_of(owner.get("models/m/judge?evaluation=e").text)
    assert "0.750 accuracy With 95 % confidence between 0.60 and 0.86, measured on the 40 images of cats-test." in said
    assert "This is known only of a classifier" in said
    assert "evaluation 'e' on cats-test" in said


@KINDS
def test_the_threshold_says_the_same_as_the_api_and_shows_which_pictures(
    world: World, owner: Browser, kind: OutcomeKind
) -> None:
    train_judged(world, kind=kind)
    tag = "&tag=tag+3" if kind is OutcomeKind.SEVERAL_TAGS else ""
    page = owner.get(f"models/m/judge/threshold?threshold=0.7{tag}", hx_request="true").text
    api = world.call("GET", f"models/m/outcomes:threshold?threshold=0.7&only=missed&top=100{tag}").json()
    assert threshold_text(ThresholdPage.model_validate(api)) in text_of(page)
    assert "<html" not in page
    missed, _ = re.split(r"<section", page)[1:]
    assert re.search(r'class="count">([\d,]+)', missed)[1] == str(api["count"])  # type: ignore[index]
    shown = re.findall(r'href="/studio/models/m/outcomes/-/(\d+)"', missed)
    digests = re.findall(r"thumbnail\?v=([0-9a-f]{64})", missed)
    assert digests == [outcome["digest"] for outcome in api["value"][:12]]
    assert len(shown) == min(12, api["count"])
    if api["count"] > 12:
        [path] = re.findall(r'<p><a href="/studio/([^"]+)">All', missed)
        said = text_of(owner.get(html.unescape(path)).text)
        assert f"at a threshold of 0.70 {api['count']} pictures" in said


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ("threshold=0.7", "0.70"),
        ("threshold=7", "1.00"),
        ("threshold=-1", "0.00"),
        ("threshold=nan", "0.50"),
        ("threshold=x", "0.50"),
        ("", "0.50"),
    ],
)
def test_a_threshold_is_kept_within_its_bounds(world: World, owner: Browser, asked: str, used: str) -> None:
    train_judged(world)
    assert f"From a confidence of {used} on" in text_of(owner.get(f"models/m/judge/threshold?{asked}").text)


def test_a_tag_that_was_mistyped_is_refused_in_its_place(world: World, owner: Browser) -> None:
    train_judged(world)
    answer = owner.get("models/m/judge/threshold?tag=elm", hx_request="true")
    assert answer.text.startswith('<div id="at"')
    assert "The model has no tag 'elm'." in text_of(answer.text)
    whole = owner.get("models/m/judge?tag=elm")
    assert (whole.status_code, "The model has no tag 'elm'." in text_of(whole.text)) == (400, True)


def test_a_detector_begins_where_its_objects_count_and_several_tags_at_their_own(world: World, owner: Browser) -> None:
    train_judged(world, kind=OutcomeKind.OBJECTS)
    own = world.call("GET", "models/m/outcomes?top=1").json()["threshold"]
    assert f"From a confidence of {own:.2f} on" in text_of(owner.get("models/m/judge").text)
    model_id = train_judged(world, "n", OutcomeKind.SEVERAL_TAGS)
    set_performance(world, model_id, ModelPerformance(tag_performance={MANY_TAGS[2]: {"threshold": 0.3712}}))
    said = text_of(owner.get("models/n/judge?tag=tag+2").text)
    assert "From a confidence of 0.37 on, the model gives 'tag 2'" in said
    assert "Use that" not in said
    assert "Use that" in text_of(owner.get("models/n/judge?tag=tag+2&threshold=0.5").text)


def test_a_cell_of_the_matrix_opens_its_pictures(world: World, owner: Browser) -> None:
    train_judged(world)
    page = owner.get("models/m/judge").text
    confusion = world.call("GET", "models/m/outcomes:confusion").json()
    [count] = [cell["count"] for cell in confusion["cells"] if (cell["label"], cell["answer"]) == ("öak", "ash")]
    mistake = rf'<a href="/studio/([^"]+)">{count} × öak called ash</a>'
    [path] = re.findall(mistake, page)
    cell = f'<a href="/studio/{path}" aria-label="{count} × öak called ash">{count}</a>'
    assert cell in page
    opened = owner.get(html.unescape(path)).text
    assert f"öak called ash {count} pictures, the worst first." in text_of(opened)
    assert len(re.findall(r'<li class="shot">', opened)) == count


@pytest.mark.parametrize(
    ("kind", "query", "title"),
    [
        (OutcomeKind.ONE_TAG, "only=wrong", "Wrong"),
        (OutcomeKind.ONE_TAG, "label=ash", "labelled ash"),
        (OutcomeKind.ONE_TAG, "answer=ash&only=false", "answered ash, False answers"),
        (OutcomeKind.ONE_TAG, "label=ash&answer=ash", "ash found"),
        (OutcomeKind.ONE_TAG, "", "All pictures"),
        (OutcomeKind.OBJECTS, "label=ash&unanswered=1", "ash missed"),
        (OutcomeKind.OBJECTS, "unlabelled=1&answer=ash", "ash where there is none"),
        (OutcomeKind.OBJECTS, "only=missed&threshold=0.6", "Missed labels, at a threshold of 0.60"),
        (OutcomeKind.SEVERAL_TAGS, "only=false&tag=tag+1", "False answers, tag tag 1"),
        (OutcomeKind.SEVERAL_TAGS, "only=false&tag=tag+1&threshold=0.4", "False answers, tag tag 1, at a threshold of 0.40"),
    ],
)
def test_a_list_shows_what_its_query_selects(world: World, owner: Browser, kind: OutcomeKind, query: str, title: str) -> None:
    train_judged(world, kind=kind)
    answer = owner.get(f"models/m/outcomes/-?{query}")
    operation = "outcomes:threshold" if "threshold" in query else "outcomes"
    api = world.call("GET", f"models/m/{operation}?{query.replace('=1', '=true') if 'un' in query else query}").json()
    times = f"{api['cellCount']} times in " if api.get("cellCount", api["count"]) != api["count"] else ""
    pictures = "1 picture" if api["count"] == 1 else f"{api['count']} pictures"
    assert f"{title} {times}{pictures}, the worst first." in text_of(answer.text)
    shown = re.findall(r"thumbnail\?v=([0-9a-f]{64})", answer.text)
    assert shown[:10] == [outcome["digest"] for outcome in api["value"]]
    assert len(shown) == min(60, api["count"])


def test_further_pictures_come_as_a_part_of_the_page(world: World, owner: Browser) -> None:
    train_judged(world)
    first = owner.get("models/m/outcomes/-").text
    [path] = re.findall(r'hx-get="/studio/([^"]+)"', first)
    assert "90 more" in text_of(first)
    further = owner.get(html.unescape(path), hx_request="true").text
    assert further.lstrip().startswith("<li")
    rows = [int(row) for row in re.findall(r'href="/studio/models/m/outcomes/-/(\d+)"', first + further)]
    assert rows == list(range(120))
    last = owner.get("models/m/outcomes/-?skip=120", hx_request="true").text
    assert 'id="more"' not in last


@pytest.mark.parametrize(
    "query", ["only=bad", "threshold=2", "threshold=nan", "tag=elm", "label=elm", "label=ash&unlabelled=1"]
)
def test_a_wrong_selection_is_refused_in_words(world: World, owner: Browser, query: str) -> None:
    train_judged(world)
    answer = owner.get(f"models/m/outcomes/-?{query}")
    assert answer.status_code == 400
    assert re.search(r"must be|has no tag|Leave out one", text_of(answer.text))


def test_the_table_of_tags_is_sorted_searched_and_continued(world: World, owner: Browser) -> None:
    model_id = world.train("m")
    tags = tuple(f"tree {number}" for number in range(120))
    labels, probabilities = answers(2000, 120)
    put_outcomes(
        world.objects, estimate_key(model_id), classified([image(n) for n in range(2000)], labels, probabilities, tags)
    )
    api = {row["tag"]: row for row in world.call("GET", "models/m/outcomes:tags").json()["tags"]}

    def listed(query: str) -> list[str]:
        return re.findall(r'#threshold">([^<]+)</a></th>', owner.get(f"models/m/judge/tags?{query}", hx_request="true").text)

    assert listed("") == [tag for tag, _ in sorted(api.items(), key=lambda item: item[1]["f1"])][:50]
    assert listed("sort=recall&down=1")[0] == max(api, key=lambda tag: api[tag]["recall"])
    assert listed("sort=tag")[:3] == sorted(api)[:3]
    assert listed("find=EE+11") == listed("find=ee 11") != []
    assert set(listed("find=ee 11")) == {tag for tag in api if "ee 11" in tag}
    assert listed("find=nothing") == []
    further = owner.get("models/m/judge/tags?skip=100", hx_request="true").text
    assert further.count("<tr>") == 20
    assert "more tags" not in further
    matrix = owner.get("models/m/judge/matrix?find_tag=tree+11", hx_request="true").text
    assert re.findall(r'<th scope="row">(tree 11)</th>', matrix) == ["tree 11"]
    assert matrix.count('<th scope="row">') == 20
    assert "100 others are not shown" in text_of(owner.get("models/m/judge").text)


def test_a_page_stays_small_with_as_many_tags_as_there_can_be(world: World, owner: Browser) -> None:
    model_id = world.train("m")
    tags = tuple(f"species of tree number {number}" for number in range(2500))
    labels, probabilities = answers(3000, 2500)
    put_outcomes(
        world.objects, estimate_key(model_id), classified([image(n) for n in range(3000)], labels, probabilities, tags)
    )
    answer = owner.get("models/m/judge")
    assert answer.status_code == 200
    print(len(answer.content))
    assert len(answer.content) < 300_000


def test_nothing_in_a_name_becomes_markup(world: World, owner: Browser) -> None:
    model_id = world.train("m")
    world.register("cats")
    tags = ('<img src=x onerror="alert(1)">', 'a" hx-get="/studio/sign-out', "{{ 7*7 }}")
    labels, probabilities = answers(60, 3)
    named = [ImageName(f"https://host/c/{n}.png", "<svg onload=alert(1)>", image(n).sha256) for n in range(60)]
    put_outcomes(world.objects, estimate_key(model_id), classified(named, labels, probabilities, tags))
    train_judged(world, "n", seed=3)
    for path in (
        "models/m/judge",
        "models/m/judge/matrix?find_tag=%3Cimg",
        "models/m/judge/tags?find=%22%20hx-get",
        "models/m/outcomes/-",
        "models/m/outcomes/-/0",
        "models/m/compare?with=n",
    ):
        text = owner.get(path).text
        assert "<img src=x" not in text
        assert "<svg onload" not in text
        assert ' hx-get="/studio/sign-out' not in text
        assert "49" not in re.findall(r"<option>([^<]*)</option>", text)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("models/none/judge", 404, "none"),
        ("models/m/judge?evaluation=none", 404, "none"),
        ("models/m/outcomes/-/150", 404, "There are 150 outcomes: the rows are 0 to 149."),
        ("models/m/outcomes/none", 404, "none"),
        ("models/m/outcomes/-/0/thumbnail?v=00", 404, "Reload it."),
        ("models/m/compare?with=none", 404, "none"),
    ],
)
def test_what_does_not_exist_is_said(world: World, owner: Browser, path: str, status: int, said: str) -> None:
    train_judged(world)
    answer = owner.get(path)
    assert (answer.status_code, said in answer.text) == (status, True)


def test_a_model_without_outcomes_says_what_to_do(world: World, owner: Browser) -> None:
    world.train("m")
    said = text_of(owner.get("models/m/judge").text)
    assert "The model 'm' has no outcomes. It was imported, trained by an older engine" in said
    assert "vision evaluate m TEST-DATASET" in said
    evaluate_judged(world, "m", "e")
    answer = owner.get("models/m/judge")
    assert (answer.status_code, answer.headers["location"]) == (303, "/studio/models/m/judge?evaluation=e")
    page = owner.get("models/m/judge?evaluation=-").text
    assert '<a href="/studio/models/m/judge?evaluation=e">' in page, "to those who chose the model's own outcomes"
    world.create("early")
    assert "only one that succeeded has outcomes" in text_of(owner.get("models/early/judge").text)


def test_pictures_of_a_dataset_that_is_gone_are_not_asked_for(world: World, owner: Browser) -> None:
    train_judged(world)
    world.store.datasets.delete("cats")
    page = owner.get("models/m/judge").text
    assert "The dataset cats is not registered any more" in text_of(page)
    assert "<img" not in page
    assert "thumbnail" not in page


@pytest.fixture
def drawing(tmp_path: Path) -> Iterator[tuple[DrawnPictures, Browser]]:
    """A Studio that draws pictures, and its owner's browser."""
    pictures = DrawnPictures()
    settings = Settings.from_environment({}, data_dir=tmp_path, keys=KEYS)
    with closing(Store.open(settings)) as store:
        world = build(settings, store, studio=partial(create_studio, pictures=pictures))
        train_judged(world)
        yield pictures, Browser(world).sign_in()


@pytest.mark.parametrize("operation", ["thumbnail", "view"])
def test_a_picture_is_read_by_its_row_and_its_datasets_access(drawing: tuple[DrawnPictures, Browser], operation: str) -> None:
    pictures, owner = drawing
    worst = owner.world.call("GET", "models/m/outcomes?top=1").json()["value"][0]
    path = f"models/m/outcomes/-/0/{operation}?v={worst['digest']}"
    answer = owner.get(path)
    assert (answer.status_code, answer.content[:2], answer.headers["content-type"]) == (200, b"\xff\xd8", "image/jpeg")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert pictures.asked == [("cats", worst["image"], worst["digest"] if operation == "thumbnail" else None)]
    again = owner.get(path, if_none_match=answer.headers["etag"])
    assert (again.status_code, again.content, len(pictures.asked)) == (304, b"", 1)
    # Whatever a query says, nothing else is read.
    owner.get(f"{path}&url=https://evil.example/x.png&image=https://evil.example/x.png")
    assert {url for _, url, _ in pictures.asked} == {worst["image"]}


@pytest.mark.parametrize("operation", ["thumbnail", "view"])
def test_a_picture_that_can_not_be_shown_says_why(drawing: tuple[DrawnPictures, Browser], operation: str) -> None:
    pictures, owner = drawing
    worst = owner.world.call("GET", "models/m/outcomes?top=1").json()["value"][0]
    path = f"models/m/outcomes/-/0/{operation}?v={worst['digest']}"
    pictures.busy = True
    answer = owner.get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    pictures.busy, pictures.sha256 = False, "0" * 64
    answer = owner.get(path)
    assert (answer.status_code, "has changed since" in answer.text) == (404, True)
    assert "cache-control" in answer.headers
    assert "immutable" not in answer.headers["cache-control"]
    owner.world.store.datasets.delete("cats")
    assert owner.get(path).status_code == 404


def test_boxes_have_three_looks(world: World, owner: Browser) -> None:
    train_judged(world, kind=OutcomeKind.OBJECTS)
    page = owner.get("models/m/outcomes/-?only=wrong").text
    assert set(re.findall(r'<path class="(\w+)" d="M[\d.]+ [\d.]+h[\d.]+v[\d.]+h-[\d.]+z', page)) == {
        "right",
        "false",
        "missed",
    }
    one = owner.get("models/m/outcomes/-/0").text
    boxes = re.findall(r'<rect class="(\w+)" x="[\d.]+" y="[\d.]+" width="[\d.]+" height="[\d.]+"><title>(\w+): ', one)
    assert boxes
    assert all(look == said for look, said in boxes)
    assert re.findall(r"<td>(found|false|missed)</td>", one)


def test_a_picture_of_a_list_has_some_boxes_of_each_look() -> None:
    looks = [BoxLook.FALSE] * 30 + [BoxLook.MISSED] + [BoxLook.RIGHT] * 30
    boxes = [DrawnBox(look, "cup", (0.12345, number / 100, 0.5, 0.25), 0.5) for number, look in enumerate(looks)]
    shown = dict(outlines(boxes))
    assert {look: path.count("M") for look, path in shown.items()} == {
        BoxLook.FALSE: 8,
        BoxLook.MISSED: 1,
        BoxLook.RIGHT: OUTLINES_MAX - 9,
    }
    assert shown[BoxLook.MISSED] == "M0.123 0.3h0.5v0.25h-0.5z"
    assert outlines([]) == []


def test_outcomes_of_an_older_engine_are_judged_too(world: World, owner: Browser) -> None:
    for name, kind in (("a", OutcomeKind.ONE_TAG), ("b", OutcomeKind.SEVERAL_TAGS), ("c", OutcomeKind.OBJECTS)):
        world.register("cats")
        put_older(world.objects, estimate_key(world.train(name)), MADE[kind](COUNT))
        for path in ("judge", "judge/threshold?threshold=0", "outcomes/-"):
            assert owner.get(f"models/{name}/{path}").status_code == 200


def test_two_models_are_compared_on_the_images_that_both_have(world: World, owner: Browser) -> None:
    train_judged(world)
    train_judged(world, "n", seed=1)
    numbers = world.call("GET", "models/m/outcomes:compare?with-model=n&only=first&top=100").json()
    page = owner.get("models/m/compare?with=n").text
    assert comparison_text(Comparison.model_validate(numbers), "m", "n") in text_of(page)
    choices = re.findall(r'>(Only \w is right|Both wrong|Both right) <span class="count">(\d+)', page)
    assert dict(choices) == {
        "Only m is right": str(numbers["onlyFirst"]),
        "Only n is right": str(numbers["onlySecond"]),
        "Both wrong": str(numbers["bothWrong"]),
        "Both right": str(numbers["bothRight"]),
    }
    shown = re.findall(r"models/m/outcomes/-/\d+/thumbnail\?v=([0-9a-f]{64})", page)
    assert shown == [image["first"]["digest"] for image in numbers["value"]]
    both = owner.get("models/m/compare?with=n&only=both&skip=60", hx_request="true").text
    assert both.lstrip().startswith("<li")
    assert both.count('<li class="shot both">') == min(60, numbers["bothRight"] - 60)


def test_outcomes_on_the_same_images_are_found(world: World, owner: Browser) -> None:
    train_judged(world)
    world.train("imported")
    answer = owner.get("models/m/compare?with=imported")
    assert "The model 'imported' has no outcomes." in text_of(answer.text)
    for name in ("m", "imported"):
        evaluate_judged(world, name, "e")
    said = text_of(owner.get("models/m/compare?with=imported").text)
    assert "evaluation 'e' on cats-test" in said
    assert "'m' and 'imported' are right on the same" in said
    own = text_of(owner.get("models/m/compare?with=m&evaluation=-&with_evaluation=e").text)
    assert "m (estimate on training images of cats)" in own


def test_models_without_a_dataset_in_common_say_what_to_do(world: World, owner: Browser) -> None:
    train_judged(world)
    alone = text_of(owner.get("models/m/compare").text)
    assert "There is no other model that has succeeded." in alone
    world.register("dogs")
    assert world.create("n", trainingDatasetName="dogs").status_code == 201
    world.succeed(world.store.models.find("n").id)
    said = text_of(owner.get("models/m/compare?with=n").text)
    assert "m and n were not judged on the same dataset. Evaluate both on one, then compare them." in said
    assert "vision evaluate n TEST-DATASET" in said
    train_judged(world, "boxes", OutcomeKind.OBJECTS)
    assert "Compare models of one kind." in text_of(owner.get("models/m/compare?with=boxes").text)
