"""Keys of the objects, each of them once."""

MODELS = "models"
"""Under it, a folder for each model."""
JOBS = "jobs"
"""Under it, a folder for each job that has not ended."""


def model_key(model_id: str) -> str:
    """Prefix of all that is kept of a model."""
    return f"{MODELS}/{model_id}"


def job_key(job: str) -> str:
    """Prefix of what a job needs from step to step."""
    return f"{JOBS}/{job}"


def image_key(job: str) -> str:
    """Key of the image that a job recognizes products in, as it was sent."""
    return f"{job_key(job)}/image"


def artifact_key(model_id: str) -> str:
    """Key of a model's ONNX file."""
    return f"{model_key(model_id)}/model.onnx"


def sidecar_key(model_id: str) -> str:
    """Key of what is to be known of a model's ONNX file."""
    return f"{model_key(model_id)}/model.json"


def curves_key(model_id: str, evaluation_id: str) -> str:
    """Key of the precision-recall curves of a detector's evaluation: `learning.precision_recall_curves` as JSON."""
    return f"{model_key(model_id)}/evaluations/{evaluation_id}.json"


def head_key(model_id: str) -> str:
    """Key of a model's classifier without its backbones."""
    return f"{model_key(model_id)}/head.npz"
