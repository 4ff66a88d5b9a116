"""Stop the local services in FOLDER that a killed update left behind: `python -m` this module, and FOLDER.

`pulumi destroy` stops the services in its state. A CLI that is killed while it starts a service has not recorded it yet.
"""

import sys
from pathlib import Path

from vision_customization.components.local.service import stop_noted


def main() -> None:
    for note in sorted(Path(sys.argv[1]).glob("*/service.json")):
        if stop_noted(note.parent):
            print(f"stopped the {note.parent.name} that an interrupted update left running")


if __name__ == "__main__":
    main()
