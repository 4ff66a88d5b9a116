"""Local state for stacks in a checkout, and the `make` commands for one stack.

Set-up uses `local_state` and `policy_pack`, which run on a bare `python3`; `stack` and `show` need the packages of `.venv`.
"""
