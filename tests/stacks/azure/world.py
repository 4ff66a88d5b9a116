"""What the plugin's stand-in tells of: the services of `services.AzureWorld`, which run what a resource stands for.

Little is imported here, since each start of the plugin pays for it.
"""

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.stacks.azure.failure import Failure

NOTE = "world.json"
SECRET_HEADER = "X-World"
_SECONDS = 600
"""A container may have to load its libraries, and a database to be made."""

Values = dict[str, Any]


class WorldFailure(Failure):
    """A resource is declared well, and what it stands for does not come up."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.message = message


def apply(type_: str, id_: str, inputs: Values, outputs: Values) -> Values:
    """Run what a resource stands for, as it is now declared; its outputs as they are then. Raises WorldFailure."""
    return _ask("apply", {"type": type_, "id": id_, "inputs": inputs, "outputs": outputs})


def remove(type_: str, id_: str) -> None:
    """Stop what a resource stood for, if it runs. Raises WorldFailure."""
    _ask("remove", {"type": type_, "id": id_})


def _ask(what: str, document: Values) -> Values:
    note = json.loads((Path(os.environ["AZURE_STAND_IN"]) / NOTE).read_text())
    request = urllib.request.Request(
        f"{note['url']}/{what}",
        data=json.dumps(document).encode(),
        headers={"Content-Type": "application/json", SECRET_HEADER: note["secret"]},
        method="POST",
    )
    # A proxy of the environment knows nothing of this machine's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as reply:
            answer: Values = json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            raise WorldFailure(**json.load(error)) from None
    return answer
