"""Trainings and evaluations as durable workflows, and the processes that run them.

`queue` is where the API puts work, `worker` who takes it, `workflows` the order of the steps; a step survives whatever kills
the process between it and the next. How a classifier is learnt is `learning`'s, what is remembered of it `store`'s.
"""
