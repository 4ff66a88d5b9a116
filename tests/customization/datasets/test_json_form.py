import json

import pytest

from vision_customization.customization.datasets.json_form import form_of

DOCUMENT = {"images": [{"id": 1, "file_name": "ä b, c: d.png"}, {"id": 2, "file_name": "e.png"}], "annotations": []}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(DOCUMENT, indent=1, ensure_ascii=False) + "\n",
        json.dumps(DOCUMENT, indent=2),
        json.dumps(DOCUMENT, indent=4) + "\n",
        json.dumps(DOCUMENT, indent="\t", ensure_ascii=False),
        json.dumps(DOCUMENT),
        json.dumps(DOCUMENT, ensure_ascii=False) + "\n",
        json.dumps(DOCUMENT, separators=(",", ":")),
        json.dumps(DOCUMENT, indent=2, separators=(",", ":")),
        json.dumps(DOCUMENT, indent=2).replace("\n", "\r\n") + "\r\n",
        "\ufeff" + json.dumps(DOCUMENT, indent=2),
    ],
)
def test_a_file_that_did_not_change_is_the_same_text(text: str) -> None:
    assert form_of(text).text(json.loads(text.removeprefix("\ufeff"))) == text
