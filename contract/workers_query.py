"""The number of workers needed, as an autoscaler reads it from the database."""

WORKERS_QUERY = (
    "SELECT (SELECT count(*) FROM models WHERE status IN ('notStarted', 'training', 'cancelling'))"
    " + (SELECT count(*) FROM evaluations WHERE status IN ('notStarted', 'running'))"
    " + (SELECT count(*) FROM recognition_runs WHERE status IN ('notStarted', 'running'))"
    " + (SELECT count(*) FROM batch_prediction_runs WHERE status IN ('notStarted', 'running', 'cancelling'))"
    " + (SELECT count(*) FROM content_indexes WHERE status IN ('queued', 'reading') AND dataset_sequence IS NOT NULL)"
    " + (SELECT count(*) FROM inspections WHERE status IN ('notStarted', 'running'))"
    " + (SELECT count(*) / 8 FROM dbos.workflow_status WHERE queue_name IN ('reading', 'predicting')"
    " AND status IN ('ENQUEUED', 'PENDING'))"
)
"""A worker for each job that waits or runs (training, evaluation, product recognition or batch prediction run, content index,
inspection), and one for each eight shards of images. A job has 128 shards in its queue at most, so a large one asks for
17 workers. What runs counts, too: otherwise the autoscaler would remove the last worker during its job, and a job whose
worker died would wait until the next job arrives."""
