"""What both peers run, in their own environment: the exported classifier by onnxruntime, on images that Pillow decodes."""

import io
import json

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

_ORIENTATION = 0x0112


class Classifier:
    """A session of the file `model` on `threads` threads.

    With `spin`, onnxruntime's idle threads wait for work on the cores, as is its default. A session of one thread has none.
    """

    def __init__(self, model: str, threads: int, *, spin: bool) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._tags = json.loads(self._session.get_modelmeta().custom_metadata_map["labels"])

    def of_image(self, image: Image.Image) -> dict[str, float]:
        """The probability of each tag."""
        if image.getexif().get(_ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
        [probabilities] = self._session.run(["probabilities"], {"image": np.asarray(image.convert("RGB"))})
        return dict(zip(self._tags, np.ravel(probabilities).tolist(), strict=True))

    def of_bytes(self, data: bytes) -> dict[str, float]:
        with Image.open(io.BytesIO(data)) as image:
            return self.of_image(image)
