"""Steps of a workflow: retries, cancellation, and the resources that they measure."""
