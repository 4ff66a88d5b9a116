"""actionlint, the checker of GitHub's workflows, built from its Go module once and kept in the cache."""

from __future__ import annotations

from pathlib import Path

from toolchain.commands import run, say
from toolchain.places import Places
from toolchain.programs.pulumi_build import find_go, go_environment
from toolchain.steps import digest_of, new_folder

PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"


def find_actionlint(places: Places) -> Path:
    """The program, pinned by `go.mod` and checked by `go.sum` in `tests/support/actionlint`.

    Raises:
        NotHere: it is not in the cache, and Go is not installed to build it.
        ToolchainError: the download or the build failed.
    """
    module = places.checkout / "tests" / "support" / "actionlint"
    folder = places.cache / "actionlint" / digest_of(module / "go.mod", module / "go.sum")[:16]
    program = folder / "actionlint"
    if not program.exists():
        go = find_go()
        say("        actionlint: building it from its Go module (about 20 s) …")
        with new_folder(folder) as new:
            run(
                [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", new / "actionlint", PACKAGE],
                cwd=module,
                env=go_environment(),
                advice="The Go module proxy has to be reachable (GOPROXY).",
            )
    return program
