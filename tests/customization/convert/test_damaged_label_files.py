"""Valid label files with random damage: each is converted to what the rules allow, or refused with a message; nothing else."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.customization.convert.label_samples import (
    CSV_ROW,
    RLE,
    YOLO_LINE,
    Read,
    coco,
    coco_fractions,
    coco_text,
    csv,
    csv_of_photos,
    voc,
)
from tests.customization.samples import encoded
from tests.support.fuzzing import ROUND, fuzz
from vision_customization.contract.coco.rules import check_coco
from vision_customization.customization.convert import read_folders, read_voc, read_yolo, to_coco
from vision_customization.customization.errors import ConversionFailed

VOC = '<?xml version="1.0" encoding="utf-8"?>' + voc().replace("<object>", "<size><width>200</width></size><object>")

SOURCES: dict[str, tuple[Read, dict[str, str]]] = {
    "voc": (read_voc, {"1.xml": VOC}),
    "yolo": (read_yolo, {"1.txt": f"{YOLO_LINE}\n0 0.1 0.2 0.4 0.2 0.4 0.6 0.2 0.5\n", "classes.txt": "fork\nknife\n"}),
    "yolo with YAML": (
        read_yolo,
        {"1.txt": YOLO_LINE, "data.yaml": "nc: 2\nnames:\n  0: fork\n  1: knife\nkpt_shape: [2, 3]\n"},
    ),
    "csv": (csv, {"l.csv": f"file,tag,x1,y1,x2,y2,width,height\n{CSV_ROW},200,100\n"}),
    "csv with a list": (csv, {"l.csv": 'file;tag;bbox\n1.jpg;fork;"[20, 20, 60, 40]"\n'}),
    "csv of photos": (csv_of_photos, {"l.csv": "sep=;\nimage;label\nC:\\a\\1.jpg;fork\n", "photos/x": ""}),
    "coco": (coco, {"l.json": coco_text({"iscrowd": 0, "segmentation": [[20, 20, 80, 60]]})}),
    "coco with a mask": (coco, {"l.json": coco_text({"bbox": None, "segmentation": {**RLE, "counts": "a1b2"}})}),
    "coco in fractions": (coco_fractions, {"l.json": coco_text({"bbox": [0.1, 0.2, 0.3, 0.4]})}),
}
TOKENS = [
    *(
        "",
        " ",
        "\n",
        "\r",
        "\t",
        ",",
        ";",
        ":",
        '"',
        "'",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "&",
        "&#0;",
        "&#xd800;",
        "<!--",
        "\\",
        "#",
        "|",
    ),
    *(
        "0",
        "-0",
        "1",
        "-1",
        "2",
        "1.5",
        "1e0",
        "1e-400",
        "1e400",
        "nan",
        "Infinity",
        "NaN",
        "1_0",
        "0x10",
        "٣",
        "²",
        "0,5",
        "9" * 5000,
    ),
    *(
        "null",
        "true",
        "false",
        "[]",
        "{}",
        '""',
        '"1"',
        '"\\ud800"',
        '"\\u0000"',
        "\0",
        "\x1b[31m",
        "\ufeff",
        "\u2028",
        "\x85",
        "ﬁ",
        "é",
    ),
    *(
        "..",
        "../x",
        "/etc/passwd",
        "C:\\x",
        "a" * 300,
        "~",
        "*a",
        "&a",
        "!!python/object:x",
        "- ",
        "---\n",
        "%",
        "<![CDATA[",
        "<?xml?>",
    ),
    *("[" * 2000, "{'a':" * 500, "<a>" * 2000, '{"a":' * 2000),
]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "gb18030", "shift-jis", "utf-7")

Mutation = Callable[[bytes], bytes]


@st.composite
def mutations(draw: st.DrawFn) -> Mutation:
    """A change at a random place, given as a share of the length, so that it makes sense for any text."""
    start, length = draw(st.floats(0, 1)), draw(st.integers(0, 12))
    kind = draw(st.sampled_from(["token", "bytes", "drop", "repeat", "encode", "cut"]))
    token, raw = draw(st.sampled_from(TOKENS)).encode(), draw(st.binary(max_size=4))
    encoding = draw(st.sampled_from(ENCODINGS))

    def mutate(data: bytes) -> bytes:
        begin = int(start * len(data))
        end = begin + length
        if kind == "encode":
            return data.decode("utf-8", "replace").encode(encoding, "replace")
        new = {"token": token, "bytes": raw, "drop": b"", "repeat": data[begin:end] * 2, "cut": b""}[kind]
        return data[:begin] + new + (b"" if kind == "cut" else data[end:])

    return mutate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@pytest.mark.parametrize("name", SOURCES)
def test_damage_is_read_or_told(name: str, folder: Path) -> None:
    read, files = SOURCES[name]
    root = folder / name.replace(" ", "-")
    for path in ("1.jpg", "photos/1.jpg"):
        if read is not read_yolo or path == "1.jpg":
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(encoded(0, (200, 100)))

    @ROUND
    @given(st.sampled_from(sorted(files)), st.lists(mutations(), min_size=1, max_size=4))
    def is_read_or_told(damaged: str, changes: list[Mutation]) -> None:
        for path, text in files.items():
            data = text.encode()
            for change in changes if path == damaged else ():
                data = change(data)
            (root / path).write_bytes(data)
        keeps_the_rules_or_says_why(read, root)

    fuzz(is_read_or_told, sources=[source.split()[0] for source in SOURCES].count(name.split()[0]))


def test_folders_of_any_name_are_read_or_told() -> None:
    fuzz(folders_of_any_name)


@ROUND
@given(st.lists(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=3), min_size=1, max_size=4))
def folders_of_any_name(paths: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        for index, parts in enumerate(paths):
            names = [part.replace(b"/", b"_").replace(b"\0", b"_").decode("utf-8", "surrogateescape") for part in parts]
            path = Path(root).joinpath(*(f"{name}_" for name in names), f"{index}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(index))
        keeps_the_rules_or_says_why(read_folders, Path(root))


def keeps_the_rules_or_says_why(read: Read, root: Path) -> None:
    try:
        found = read(root)
    except ConversionFailed as error:
        str(error).encode()  # half of a surrogate pair would raise
        return
    json.dumps(document := to_coco(found, root), ensure_ascii=False).encode()
    _, violations = check_coco(document, "train.json", found.kind)
    assert not [violation for violation in violations if violation.severity == "error"]
