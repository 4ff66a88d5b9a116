"""A Dockerfile, read: its instructions by stage."""

import re
from dataclasses import dataclass, field


@dataclass
class Stage:
    """One `FROM` and what follows it: instructions as (name, rest of the line)."""

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [rest for name, rest in self.instructions if name == instruction]


def read_dockerfile(text: str) -> tuple[dict[str, str], list[Stage]]:
    """The arguments before the first stage with their defaults, and the stages, bases with those arguments filled in."""
    lines = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in filter(str.strip, lines):
        name, _, rest = line.strip().partition(" ")
        rest = " ".join(rest.split())
        if name == "FROM":
            base, _, alias = rest.partition(" AS ")
            stages.append(Stage(re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], base), alias))
        elif not stages:
            key, _, value = rest.partition("=")
            arguments[key] = value
        else:
            stages[-1].instructions.append((name, rest))
    return arguments, stages
