"""What stacks need in a checkout, and what `make` asks of one stack and shows of it.

Set-up uses `local_state` and `policy_pack`, which run on a bare `python3`; `stack` and `show` need the packages of `.venv`.
"""
