"""docs/gitops.md, "The backend": its commands, run with programs that refuse what Azure's roles refuse."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.places import DOCS

AZ = '''\
"""az and pulumi, as far as the page goes: who may do what on the data plane, by roles that work after a while."""
import json, os, sys
from pathlib import Path

words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
options = {word[2:]: value for word, value in zip(words, words[1:] + [""]) if word.startswith("--")}
file = Path(os.environ["AZURE_STATE"])
state = json.loads(file.read_text()) if file.exists() else {"roles": {}, "made": []}
NEEDS = {
    "az storage container create": ("Storage Blob Data Contributor",),
    "az keyvault key create": ("Key Vault Crypto Officer",),
    "pulumi stack init": ("Key Vault Crypto Officer", "Key Vault Crypto User"),
}
command = next((known for known in NEEDS if " ".join(words).startswith(known)), None)
code = 0
if words[1:4] == ["role", "assignment", "create"]:
    assert options["assignee-object-id"] == "me" and options["scope"].startswith("/")
    state["roles"][options["role"]] = 2  # so many attempts are refused before the role works
elif command:
    held = [role for role in NEEDS[command] if role in state["roles"]]
    if held and state["roles"][held[0]] == 0:
        state["made"].append(f"{command} {options.get('name') or words[3]}")
    else:
        state["roles"].update({role: state["roles"][role] - 1 for role in held})
        print("(Forbidden) Caller is not authorized to perform action on resource.", file=sys.stderr)
        code = 1
elif "show" in words:
    print("me" if words[1] == "ad" else "/subscriptions/1/providers/" + options["name"] if "name" in options else "1")
file.write_text(json.dumps(state))
sys.exit(code)
'''


def programs(folder: Path) -> Path:
    folder.mkdir()
    for name in ("az", "pulumi"):
        (folder / name).write_text(f"#!{sys.executable}\n{AZ}")
    (folder / "sleep").write_text("#!/bin/sh\n")
    for program in folder.iterdir():
        program.chmod(0o755)
    return folder


def test_the_backend_is_made_with_the_roles_that_the_commands_give(tmp_path: Path) -> None:
    section = (DOCS / "gitops.md").read_text().partition("### 1. The backend\n")[2].partition("\n### ")[0]
    blocks = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    environment = {
        "PATH": os.pathsep.join([str(programs(tmp_path / "bin")), os.environ["PATH"]]),
        "AZURE_STATE": str(tmp_path / "state.json"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = (tmp_path / "state.json").read_text()
    assert "az storage container create pulumi" in made
    for stack in ("dev", "staging", "prod"):
        assert f"az keyvault key create pulumi-{stack}" in made
        assert f"pulumi stack init {stack}" in made
