"""How many workers there is work for, as an autoscaler asks the database."""

QUEUE_LENGTH_QUERY = (
    "SELECT (SELECT count(*) FROM models WHERE status IN ('notStarted', 'training', 'cancelling'))"
    " + (SELECT count(*) FROM evaluations WHERE status IN ('notStarted', 'running'))"
    " + (SELECT count(*) FROM recognition_runs WHERE status IN ('notStarted', 'running'))"
)
"""Trainings, evaluations and product recognition runs that wait or run, as one number. What runs counts too: else the last
job's worker would be taken away while it works, and a job whose worker died would wait for one until the next job comes."""
