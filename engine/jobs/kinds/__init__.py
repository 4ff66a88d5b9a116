"""The jobs: trainings of each kind of model, evaluations and product recognition runs."""
