"""Rewrite the last section of ``requirements.txt``: what the packages named above it pull in, as installed here.

Direct dependencies are written and pinned by hand; run this in the virtual environment after one of them changed.

    .venv/bin/python tools/lock_requirements.py [--check]
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE = Path(__file__).resolve().parent.parent / "requirements.txt"
MARK = "# --- pulled in by the above; written by tools/lock_requirements.py ---\n"


def main() -> int:
    """Write the section, or with ``--check`` only say whether it is up to date; returns the exit status."""
    text = FILE.read_text()
    direct = text.split(MARK)[0]
    wanted = direct + MARK + "".join(f"{line}\n" for line in closure(direct))
    if "--check" in sys.argv[1:]:
        return 0 if text == wanted else 1
    scratch = FILE.with_suffix(".partial")
    scratch.write_text(wanted)
    scratch.replace(FILE)
    return 0


def closure(direct: str) -> list[str]:
    """Pins of everything that the packages of ``direct`` need and that it does not name itself, sorted."""
    lines = [line.split("#")[0].strip() for line in direct.splitlines()]
    named = [Requirement(line) for line in lines if line]
    done = {canonicalize_name(requirement.name) for requirement in named}
    queue, pins = list(named), {}
    while queue:
        requirement = queue.pop()
        for needed in requirements_of(requirement):
            name = canonicalize_name(needed.name)
            if name in done and not needed.extras:
                continue
            if name not in done:
                done.add(name)
                version = importlib.metadata.version(name).split("+")[0]
                pins[name] = f"{name}=={version}"
            queue.append(needed)
    return [pins[name] for name in sorted(pins)]


def requirements_of(requirement: Requirement) -> list[Requirement]:
    """What an installed package needs on this machine, with the extras that were asked for."""
    declared = [Requirement(line) for line in importlib.metadata.requires(requirement.name) or []]
    extras = requirement.extras or {""}
    return [need for need in declared if not need.marker or any(need.marker.evaluate({"extra": e}) for e in extras)]


if __name__ == "__main__":
    raise SystemExit(main())
