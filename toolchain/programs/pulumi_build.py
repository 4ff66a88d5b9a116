"""The Pulumi CLI built from its Go modules, for machines that reach only package registries.

Two main modules are pinned by `go.mod` and checked by `go.sum` in `toolchain/programs/pulumi`. `cli` is the CLI.
`language` is the Python language host: its current module is not published, so it comes from SDK 3.79.0, the last one
that contains it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from toolchain.commands import duration, probe, run, run_with_progress, say
from toolchain.errors import NotHere
from toolchain.versions import Version, read_version, shown, will_do

CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
LANGUAGE_PACKAGE = "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"
# Scripts that the SDK's module ships beside its Go code, and that the CLI looks for beside itself.
SDK_PROGRAMS = ("python/dist/pulumi-resource-pulumi-python", "python/cmd/pulumi-language-python-exec")

LEAST_GO: Version = (1, 25, 11)
# From 1.21 on, Go downloads a later toolchain by itself, unless that is disabled.
LEAST_GO_THAT_UPDATES: Version = (1, 21, 0)

# Measured: 35 s of download; 5 min of compiling and linking on two cores, which is what the estimate scales by.
COMPILE_CORE_SECONDS = 600

_ADVICE = (
    "The build needs a reachable Go module proxy (GOPROXY), about 2 GB of memory and 4 GB of disk.\n"
    "Compiled packages are kept: run `make setup` again to continue."
)


def go_will_do(version: Version | None, toolchain: str) -> bool:
    """Whether a Go of this version can build the CLI; `toolchain` is its GOTOOLCHAIN."""
    return will_do(version, LEAST_GO) or (will_do(version, LEAST_GO_THAT_UPDATES) and "auto" in toolchain)


def find_go() -> Path:
    """The Go command.

    Raises:
        NotHere: Go is missing or too old.
    """
    go = shutil.which("go")
    if not go:
        raise NotHere("no `go` on PATH to build it with")
    version, _, toolchain = (probe([go, "env", "GOVERSION", "GOTOOLCHAIN"]) or "").partition("\n")
    if not go_will_do(read_version(version), toolchain):
        raise NotHere(f"{go} is {version or 'of an unknown version'}, but {shown(LEAST_GO)} or later is needed")
    return Path(go)


def estimate_seconds(cores: int) -> int:
    """How long compiling takes on an otherwise idle machine."""
    return COMPILE_CORE_SECONDS // max(1, cores)


def build(version: str, modules: Path, folder: Path) -> None:
    """Build both programs into `folder` and put the SDK's two scripts beside them.

    Raises:
        NotHere: there is no Go that can build them.
        ToolchainError: the download or the build failed.
    """
    go = find_go()
    _build_program(go, modules / "cli", CLI_PACKAGE, folder / "pulumi", version)
    _build_program(go, modules / "language", LANGUAGE_PACKAGE, folder / "pulumi-language-python", version)
    sdk = Path(
        run([go, "list", "-m", "-f", "{{.Dir}}", SDK_MODULE], cwd=modules / "cli", env=go_environment(), advice=_ADVICE).strip()
    )
    for name in SDK_PROGRAMS:
        shutil.copyfile(sdk / name, folder / Path(name).name)
        (folder / Path(name).name).chmod(0o755)


def go_environment() -> dict[str, str]:
    """The environment for a pinned build: without the user's Go workspace and flags, and without a C compiler."""
    return {**os.environ, "GOWORK": "off", "GOFLAGS": "-mod=readonly", "CGO_ENABLED": "0"}


def _build_program(go: Path, module: Path, package: str, program: Path, version: str) -> None:
    say(f"        {program.name}: downloading its Go modules (about 1 min the first time) …")
    packages = run_with_progress(
        [go, "list", "-deps", package],
        lambda lines, seconds: f"{lines} modules so far, {duration(seconds)}",
        cwd=module,
        env=go_environment(),
        advice=_ADVICE,
    ).count("\n")
    cores = os.cpu_count() or 1
    guess = estimate_seconds(cores) if package == CLI_PACKAGE else estimate_seconds(cores) // 6
    expected = f"about {duration(guess)} on {cores} cores, less if some are cached"
    say(f"        {program.name}: compiling {packages:,} packages ({expected}) …")
    run_with_progress(
        [
            *(go, "build", "-v", "-trimpath", "-o", program),
            *("-ldflags", f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}"),
            package,
        ],
        lambda lines, seconds: f"{lines:,} of at most {packages:,} packages compiled, {duration(seconds)} so far",
        cwd=module,
        env=go_environment(),
        advice=_ADVICE,
    )
