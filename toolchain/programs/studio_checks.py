"""What checks the Studio in development, from pinned npm packages: TypeScript's compiler, and axe-core for browser tests."""

from __future__ import annotations

import shlex

from toolchain.places import Places
from toolchain.programs.azurite import find_node
from toolchain.programs.npm_package import NpmPackage, unpack
from toolchain.steps import Made, Step, digest_of, replace_text

TYPESCRIPT = NpmPackage(
    name="typescript",
    version="5.9.3",
    integrity="sha512-jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw==",
    licence="Apache-2.0, by its LICENSE.txt",
    files=("lib/tsc.js", "lib/_tsc.js", "lib/lib*.d.ts", "package.json", "LICENSE.txt", "ThirdPartyNoticeText.txt"),
)
"""The last major version whose compiler is JavaScript: 7 is a program for each platform."""
AXE = NpmPackage(
    name="axe-core",
    version="4.14.1",
    integrity="sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    licence="MPL-2.0, by its LICENSE; only tests use it, and no package contains it",
    files=("axe.min.js", "LICENSE", "LICENSE-3RD-PARTY.txt"),
)


def studio_checks_step(places: Places) -> Step:
    """Both in the cache, and the launcher `.venv/bin/tsc`."""
    launcher = places.programs / "tsc"

    def make() -> Made:
        node = find_node(places)
        program = unpack(TYPESCRIPT, places) / "lib" / "tsc.js"
        axe = unpack(AXE, places) / "axe.min.js"
        command = f"{shlex.quote(str(node.program))} {shlex.quote(str(program))}"
        replace_text(launcher, f'#!/bin/sh\nexec {command} "$@"\n', mode=0o755)
        return Made((launcher, node.program, program, axe), f"{TYPESCRIPT.source}, {AXE.source}")

    sources = digest_of(TYPESCRIPT.key, AXE.key, str(places.environment), str(places.cache))
    return Step("studio-checks", "TypeScript and axe-core, to check the Studio", "5 s the first time", sources, make)
