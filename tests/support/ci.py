"""Whether this is CI, in which nothing that a test needs may be missing."""

import os

IN_CI = os.environ.get("CI") == "true"
