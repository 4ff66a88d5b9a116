"""`make setup`: installs everything that a new machine needs, each part once. Runs on a bare `python3`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from toolchain.commands import duration, say
from toolchain.errors import ToolchainError
from toolchain.packages import azure_step, packages_step
from toolchain.places import Places, find_places
from toolchain.programs.azurite import azurite_step
from toolchain.programs.pulumi_cli import pulumi_step
from toolchain.programs.studio_checks import studio_checks_step
from toolchain.programs.studio_files import studio_step
from toolchain.samples import STEPS, textile_step
from toolchain.stacks.local_state import state_step
from toolchain.stacks.policy_pack import policy_step
from toolchain.steps import Step, do_steps
from toolchain.weights import weights_step


def steps(places: Places, *, stack: str = "local", azure: bool) -> list[Step]:
    """All steps of a stack, each after those it depends on; `azure`: including those of the Azure stacks and of the tests."""
    makers = [packages_step, azurite_step, studio_step, pulumi_step, state_step, weights_step, textile_step]
    if stack in STEPS and STEPS[stack] not in makers:
        makers.append(STEPS[stack])
    made = [make(places) for make in makers]
    return [*made, azure_step(places), policy_step(places), studio_checks_step(places)] if azure else made


def set_up(places: Places, *, stack: str = "local", azure: bool, only: str | None = None) -> None:
    """Run the steps that are not done yet; `only`: no other than the step of that name.

    Raises:
        ToolchainError: a step failed, or none has that name.
    """
    started = time.monotonic()
    wanted = steps(places, stack=stack, azure=azure)
    if only is not None:
        names = [step.name for step in wanted]
        wanted = [step for step in wanted if step.name == only]
        if not wanted:
            raise ToolchainError(f"There is no step {only!r}; choose from {', '.join(names)}.")
    done = do_steps(wanted, places.state / "setup.json", places.cache / "setup.lock")
    if done:
        say(f"Set-up done in {duration(time.monotonic() - started)}. The cache is {places.cache}.")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m toolchain.setup")
    parser.add_argument("--stack", default="local", help="the stack to create the sample dataset for, if it has one")
    parser.add_argument("--azure", action="store_true", help="also install what the Azure stacks and the tests need")
    parser.add_argument("--only", metavar="STEP", help="run only this step; it must not need another that is not done")
    options = parser.parse_args(arguments)
    try:
        set_up(find_places(), stack=options.stack, azure=options.azure, only=options.only)
    except ToolchainError as error:
        print(f"\nSet-up stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted. Run `make setup` again to continue.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
