"""requirements.txt pins everything, says why, and is complete; the documented apt line is the one that set-up runs."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[1]
DIRECT, PULLED_IN = (REPOSITORY / "requirements.txt").read_text().split("# --- pulled in by the above")
FILES_ONLY = (REPOSITORY / "requirements-files.txt").read_text()  # installed without what they declare to need


def pins(text: str) -> list[Requirement]:
    """The requirements of a part of the file; what precedes the first line break is the rest of a comment."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(";")]


def test_everything_is_pinned_to_one_version_and_installed_in_it() -> None:
    everything = pins(DIRECT) + pins(PULLED_IN.partition("\n")[2]) + pins(FILES_ONLY)
    assert len(everything) > 100
    for requirement in everything:
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert requirement.specifier.contains(importlib.metadata.version(requirement.name)), requirement


def test_what_the_direct_dependencies_pull_in_is_listed() -> None:
    check = [sys.executable, str(REPOSITORY / "tools" / "lock_requirements.py"), "--check"]
    assert subprocess.run(check, timeout=60, check=False).returncode == 0, "run tools/lock_requirements.py"


def imported_modules(path: Path) -> set[str]:
    """Top-level modules that a source file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_every_package_that_is_imported_is_a_direct_dependency() -> None:
    owners = importlib.metadata.packages_distributions()
    direct = {canonicalize_name(requirement.name) for requirement in pins(DIRECT) + pins(FILES_ONLY)}
    undeclared = set()
    for folder in ("autodrive", "autodrive_nodes", "optimus_nodes", "tools", "test"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for module in imported_modules(path):
                distributions = {canonicalize_name(name) for name in owners.get(module, [])} - {"autodrive"}
                is_ros = module == "rclpy" or module.endswith(("_msgs", "_srvs", "_interfaces"))
                if distributions and not is_ros and not distributions & direct:
                    undeclared.add(f"{path.relative_to(REPOSITORY)} imports {module} of {sorted(distributions)}")
    assert undeclared == set()


def test_every_direct_dependency_has_its_reason() -> None:
    reasons = [line for line in (REPOSITORY / "docs" / "dependencies.md").read_text().splitlines() if "| " in line]
    explained = {name.strip() for line in reasons for name in line.split("|")[1].split(",")}
    assert {requirement.name for requirement in pins(DIRECT) + pins(FILES_ONLY)} - explained == set()


def test_the_documented_apt_line_is_the_one_that_set_up_runs() -> None:
    script = (REPOSITORY / "tools" / "setup.sh").read_text()
    packages = " ".join(script.split("SYSTEM_PACKAGES=(")[1].split(")")[0].split())
    line = f"apt-get install -y --no-install-recommends {packages}"
    assert line in (REPOSITORY / "docs" / "dependencies.md").read_text()


def test_no_package_source_of_one_machine_is_committed() -> None:
    text = DIRECT + PULLED_IN
    assert "--" not in text.replace("# ---", "").replace(" ---", "")
    assert "://" not in text + FILES_ONLY
