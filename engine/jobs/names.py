"""The ids of the workflows, derived from the id of the resource that each works on."""


def training_job(model_id: str) -> str:
    """Id of a training's workflow, and name of its objects."""
    return f"training-{model_id}"


def evaluation_job(evaluation_id: str) -> str:
    return f"evaluation-{evaluation_id}"


def index_job(index_id: str) -> str:
    return f"content-{index_id}"


def inspection_job(inspection_id: str) -> str:
    return f"inspection-{inspection_id}"


def recognition_job(run_id: str) -> str:
    """Id of a run's workflow, and name of its objects."""
    return f"recognition-{run_id}"


def batch_prediction_job(run_id: str) -> str:
    """Id of a batch prediction run's workflow, and name of its objects."""
    return f"prediction-{run_id}"


def piece_prefix(job: str) -> str:
    """What the ids of a job's pieces begin with."""
    return f"{job}."


def owner(workflow: str) -> str:
    """The job of a piece; a job is its own."""
    return workflow.partition(".")[0]
