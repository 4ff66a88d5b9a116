"""How set-up gets each program: fetched or built, always the version that is pinned here. Runs on a bare `python3`."""
