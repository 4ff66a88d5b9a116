"""Trainings and evaluations as durable workflows, and the processes that run them.

The API puts work into `queue`, `worker` takes it, and `workflows` defines the order of the steps. The result of a finished step
survives if the process is killed before the next. `learning` does the learning itself; `store` keeps its results.
"""
