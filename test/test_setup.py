"""tools/setup.sh with stand-ins for pip, dpkg and apt: what runs, what is skipped, what is said when one fails."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
INPUTS = ("requirements.txt", "requirements-files.txt", "setup.py", "setup.cfg", "pyproject.toml")

# Stands for .venv/bin/python: notes how it was called, and fails or kills its caller when the folder says so.
PYTHON = """#!/bin/bash
printf '%s\\n' "$*" >>calls
case "$*" in
    *"import pip"*) exit 0 ;;
    *"-r requirements.txt"*)
        [ ! -e offline ] || { echo "ERROR: no matching distribution"; exit 1; }
        [ ! -e kill ] || kill -KILL $PPID ;;
esac
"""
# Stands for python3.11: -m venv makes a .venv around the stand-in above.
MAKER = """#!/bin/bash
[ "$1" != - ] || exit 0
mkdir -p .venv/bin && cp python-stub .venv/bin/python && echo "made venv" >>calls
"""


class Machine:
    """A folder that looks like a checkout, on a machine whose commands are scripts of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tools").mkdir()
        (folder / "commands").mkdir()
        shutil.copy(REPOSITORY / "tools" / "setup.sh", folder / "tools")
        for name in INPUTS:
            (folder / name).write_text(f"{name}\n")
        executable(folder / "python-stub", PYTHON)
        self.command("python3.11", MAKER)
        self.installed(needed_packages())
        self.command("id", "echo 1000")

    def command(self, name: str, body: str) -> None:
        executable(self.folder / "commands" / name, body if body.startswith("#!") else f"#!/bin/bash\n{body}\n")

    def installed(self, packages: list[str]) -> None:
        listing = "\n".join(f"ii {package}" for package in packages)
        self.command("dpkg-query", f"cat <<'EOF'\n{listing}\nEOF")

    def setup(self) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.folder / 'commands'}:{os.defpath}", "HOME": str(self.folder)}
        return subprocess.run(
            ["tools/setup.sh"],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def calls(self) -> list[str]:
        """What was called since the last time that this was asked."""
        record = self.folder / "calls"
        lines = record.read_text().splitlines() if record.exists() else []
        record.unlink(missing_ok=True)
        return lines


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def needed_packages() -> list[str]:
    script = (REPOSITORY / "tools" / "setup.sh").read_text()
    return script.split("SYSTEM_PACKAGES=(")[1].split(")")[0].split()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def installs(calls: list[str]) -> list[str]:
    return [call for call in calls if "pip install" in call]


def test_first_run_does_every_step_and_second_run_only_asks_for_the_messages(machine: Machine) -> None:
    assert machine.setup().returncode == 0
    first = machine.calls()
    assert first[0] == "made venv"
    assert len(installs(first)) == 3
    assert first[-1] == "tools/build_interfaces.py"
    again = machine.setup()
    assert again.returncode == 0
    assert again.stderr == ""
    assert installs(machine.calls()) == []


@pytest.mark.parametrize(
    ("changed", "steps"), [("requirements.txt", 3), ("requirements-files.txt", 2), ("setup.py", 1)]
)
def test_only_what_depends_on_a_changed_file_is_done_again(machine: Machine, changed: str, steps: int) -> None:
    machine.setup()
    machine.calls()
    (machine.folder / changed).write_text("something else\n")
    assert machine.setup().returncode == 0
    calls = machine.calls()
    assert len(installs(calls)) == steps
    assert "made venv" not in calls


def test_a_failed_step_says_what_to_do_in_one_line_and_is_tried_again(machine: Machine) -> None:
    (machine.folder / "offline").touch()
    failed = machine.setup()
    assert failed.returncode == 1
    complaint = failed.stderr.splitlines()[-1]
    assert "no matching distribution" in complaint
    assert "Check the network" in complaint
    assert (machine.folder / "build/setup/wheels.log").is_file()
    (machine.folder / "offline").unlink()
    machine.calls()
    assert machine.setup().returncode == 0
    calls = machine.calls()
    assert len(installs(calls)) == 3
    assert "made venv" not in calls


def test_an_environment_whose_installation_was_killed_is_made_anew(machine: Machine) -> None:
    (machine.folder / "kill").touch()
    assert machine.setup().returncode != 0
    (machine.folder / "kill").unlink()
    machine.calls()
    assert machine.setup().returncode == 0
    assert "made venv" in machine.calls()
    machine.setup()
    assert installs(machine.calls()) == []


def test_missing_system_packages_name_the_exact_command(machine: Machine) -> None:
    machine.installed([package for package in needed_packages() if package not in ("g++", "libegl1")])
    done = machine.setup()
    assert done.returncode == 1
    line = "sudo apt-get install -y --no-install-recommends g++ libegl1"
    assert done.stderr.strip().endswith(line)
    assert machine.calls() == []


def test_root_installs_missing_system_packages(machine: Machine) -> None:
    machine.installed([package for package in needed_packages() if package != "libegl1"])
    machine.command("id", "echo 0")
    machine.command("apt-get", 'echo "apt-get $*" >>calls')
    assert machine.setup().returncode == 0
    assert machine.calls()[:2] == ["apt-get update", "apt-get install -y --no-install-recommends libegl1"]


def test_without_the_right_python_it_says_which_is_needed(machine: Machine) -> None:
    for name in ("python3.11", "python3"):
        machine.command(name, "exit 1")
    machine.command("apt-cache", "exit 1")
    done = machine.setup()
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "CPython 3.11" in done.stderr
    assert "python3.11-venv" in done.stderr
