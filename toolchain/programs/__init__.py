"""How set-up gets each program: downloaded or built, always in the version pinned here. Runs on a bare `python3`."""
