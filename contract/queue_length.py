"""The number of workers needed, as an autoscaler reads it from the database."""

QUEUE_LENGTH_QUERY = (
    "SELECT (SELECT count(*) FROM models WHERE status IN ('notStarted', 'training', 'cancelling'))"
    " + (SELECT count(*) FROM evaluations WHERE status IN ('notStarted', 'running'))"
    " + (SELECT count(*) FROM recognition_runs WHERE status IN ('notStarted', 'running'))"
    " + (SELECT count(*) FROM batch_prediction_runs WHERE status IN ('notStarted', 'running', 'cancelling'))"
    " + (SELECT count(*) FROM content_indexes WHERE status IN ('queued', 'reading') AND dataset_sequence IS NOT NULL)"
    " + (SELECT count(*) FROM inspections WHERE status IN ('notStarted', 'running'))"
)
"""The number of trainings, evaluations, product recognition and batch prediction runs, content indexes and inspections that
wait or run. Running ones count, too: otherwise the autoscaler would remove the last worker during its job, and a job whose
worker died would wait until the next job arrives."""
