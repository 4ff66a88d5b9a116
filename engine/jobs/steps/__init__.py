"""Steps of a workflow: retries and cancellation."""
