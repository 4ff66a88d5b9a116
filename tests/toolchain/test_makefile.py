"""What `make` takes for the stack of one's own images."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.places import CHECKOUT


def asked(*variables: str, target: str = "new") -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "STACK", "MODEL"))}
    return subprocess.run(
        ["make", "-n", target, *variables], cwd=CHECKOUT, env=own, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("variables", "command"),
    [
        (["IMAGES=/a/my photos (2)"], 'vision new "my-photos-2" --images "/a/my photos (2)" --stack "my-photos-2"'),
        (["IMAGES=/a/labels.csv"], 'vision new "labels" --images "/a/labels.csv" --stack "labels"'),
        (["IMAGES=/a/prod", "STACK=prod"], 'vision new "prod" --images "/a/prod" --stack "prod"'),
        (["IMAGES=/a/x", "MODEL=leaves"], 'vision new "leaves" --images "/a/x" --stack "leaves"'),
    ],
)
def test_own_images_have_a_stack_of_their_own(variables: list[str], command: str) -> None:
    assert f".venv/bin/{command} \n" in asked(*variables).stdout
    # `make up` does what the command would say to do next.
    assert f".venv/bin/{command} --no-next\n" in asked(*variables, target="up").stdout


@pytest.mark.parametrize("stack", sorted(file.name.split(".")[1] for file in (CHECKOUT / "stacks").glob("Pulumi.*.yaml")))
def test_a_stack_of_something_else_is_not_taken(stack: str) -> None:
    done = asked(f"IMAGES={Path('/a') / stack}")
    assert done.returncode != 0
    assert f"there is a stack {stack} already, without such a model" in done.stderr
