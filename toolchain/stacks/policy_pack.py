"""The policy pack's environment, and the analyzer plugin with which any Pulumi CLI starts the pack."""

from __future__ import annotations

import shlex

from toolchain.packages import NETWORK, PYTHONS, find_uv
from toolchain.places import Places
from toolchain.steps import Made, Step, digest_of, replace_text

RUNTIME = "vision-policy"
"""The pack's runtime in `.vision/policy`. No language host has this name, so the engine asks for the plugin below instead."""

PLUGIN = f"pulumi-analyzer-policy-{RUNTIME}"


def plugin_script(places: Places) -> str:
    """The plugin's text. The engine passes it an address; the pack's modules are in the checkout."""
    pack = places.checkout / "policy"
    python = shlex.quote(str(pack / ".venv" / "bin" / "python"))
    return f'#!/bin/sh\nexec {python} -u -m pulumi.policy "$1" {shlex.quote(str(pack))}\n'


def project_text(project: str) -> str:
    """PulumiPolicy.yaml with the plugin's runtime instead of Python's."""
    kept, _, _ = project.partition("runtime:")
    return f"{kept}runtime: {RUNTIME}\n"


def policy_step(places: Places) -> Step:
    """Create `policy/.venv` with the packages of the pack's lock, and `.vision/policy`, which every CLI can load."""
    pack = places.checkout / "policy"
    lock, environment = pack / "requirements.txt", pack / ".venv"
    plugin, project = places.programs / PLUGIN, places.state / "policy" / "PulumiPolicy.yaml"

    def make() -> Made:
        uv = find_uv(places)
        uv(
            "venv",
            "--quiet",
            "--clear",
            "--no-project",
            "--python",
            PYTHONS,
            environment,
            advice="The pack runs on Python 3.11 to 3.13.",
        )
        python = environment / "bin" / "python"
        uv("pip", "sync", "--quiet", "--require-hashes", "--python", python, lock, advice=NETWORK)
        replace_text(plugin, plugin_script(places), mode=0o755)
        replace_text(project, project_text((pack / "PulumiPolicy.yaml").read_text()))
        return Made((python, plugin, project), "pulumi-policy")

    return Step(
        "policy",
        "The policy pack's environment",
        "10 s",
        digest_of(lock, pack / "PulumiPolicy.yaml", str(places.checkout)),
        make,
    )
