"""The keys of all objects, each defined once."""

import re

MODELS = "models"
"""Prefix of the models' folders."""
JOBS = "jobs"
"""Prefix of the folders of jobs that have not ended."""
THUMBNAILS = "thumbnails"
"""Prefix of the thumbnails of images, in folders by the first two digits of the image's digest."""

DRAFTS = "drafts"
"""Prefix of what workers compute of the images of drafts, in folders by the draft's id."""

SAMPLES = "samples"
"""Prefix of the images that are kept for people to label."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def model_key(model_id: str) -> str:
    """Prefix of all objects of a model."""
    return f"{MODELS}/{model_id}"


def job_key(job: str) -> str:
    """Prefix of the objects that a job needs from step to step."""
    return f"{JOBS}/{job}"


def image_key(job: str) -> str:
    """Key of the submitted image in which a job recognizes products."""
    return f"{job_key(job)}/image"


def artifact_key(model_id: str) -> str:
    """Key of a model's ONNX file."""
    return f"{model_key(model_id)}/model.onnx"


def sidecar_key(model_id: str) -> str:
    """Key of the metadata of a model's ONNX file."""
    return f"{model_key(model_id)}/model.json"


def outcomes_key(model_id: str, evaluation_id: str | None = None) -> str:
    """Prefix of the outcomes of an evaluation, or of the model's own test dataset; see `engine.outcomes.stored`."""
    return f"{model_key(model_id)}/outcomes" if evaluation_id is None else f"{model_key(model_id)}/evaluations/{evaluation_id}"


def estimate_key(model_id: str) -> str:
    """Prefix of the outcomes of a model's training images, each by a model that had not seen it."""
    return f"{model_key(model_id)}/estimate"


def batch_prediction_key(model_id: str, run_id: str) -> str:
    """Prefix of the rows of a batch prediction run."""
    return f"{model_key(model_id)}/batchpredictions/{run_id}"


def rows_key(model_id: str, run_id: str, chunk: int) -> str:
    """Key of chunk number `chunk` of a batch prediction run's rows: JSON lines, compressed with zlib."""
    return f"{batch_prediction_key(model_id, run_id)}/{chunk:07d}"


def older_curves_key(model_id: str, evaluation_id: str) -> str:
    """Key of what older engines kept of a detector's evaluation: precision-recall curves by tag, as JSON."""
    return f"{outcomes_key(model_id, evaluation_id)}.json"


def head_key(model_id: str) -> str:
    """Key of a model's classifier without its backbones."""
    return f"{model_key(model_id)}/head.npz"


def own_networks_key(model_id: str) -> str:
    """Key of an empty object: the networks in the file of this imported classifier are not those of this engine."""
    return f"{model_key(model_id)}/own-networks"


def draft_key(draft_id: str) -> str:
    """Prefix of all objects of a draft."""
    return f"{DRAFTS}/{draft_id}"


def vectors_key(draft_id: str) -> str:
    """Key of the vectors of a draft's images; see `engine.drafts.vectors`."""
    return f"{draft_key(draft_id)}/vectors.npz"


def sample_key(sha256: str) -> str:
    """Key of an image that is kept for people to label. Raises ValueError if it is not a SHA-256."""
    return f"{SAMPLES}/{_checked(sha256)}"


def thumbnail_key(sha256: str) -> str:
    """Key of the thumbnail of an image, by the SHA-256 of its file, in hex. Raises ValueError if it is not one."""
    return f"{THUMBNAILS}/{_checked(sha256)[:2]}/{sha256}"


def _checked(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256[:80]!r} is not a SHA-256: expected 64 digits of lower-case hex")
    return sha256
