"""Build the message packages of ``interfaces/`` into the virtual environment that runs this script.

pip has wheels for the common ROS 2 messages, but none for ``tf2_msgs`` and ``autoware_*_msgs``. Each package is
configured, built and installed with CMake, as a ROS distribution builds it, so that it imports with no environment
variable set. A package that is already there (from a wheel, or from a sourced ROS distribution) is left alone, and so
is one whose sources and generators have not changed since it was built.

    .venv/bin/python tools/build_interfaces.py
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "interfaces"
PREFIX = Path(sys.prefix)
BUILD = PREFIX / "build-interfaces"
STAMP = "autodrive_source.sha256"
JOBS = "2"
PYTHON_HEADERS = re.compile(r"/opt/python/[^/;\"\s]+/include/python3\.\d+")
NUMPY_HEADERS = re.compile(r"/opt/python/[^;\"\s]+/numpy/_core/include")


class BuildError(Exception):
    """A package could not be built; the message says which, and where its log is."""


def main() -> int:
    """Build what is missing or out of date; returns the exit status."""
    try:
        packages = in_dependency_order(SOURCES)
        stale = [package for package in packages if not is_provided(package.name) and not is_current(package)]
        if stale:
            require_toolchain()
            repair_exported_includes(PREFIX)
        for package in stale:
            say(f"building {package.name}")
            build(package)
    except BuildError as error:
        say(str(error))
        return 1
    return 0


def say(line: str) -> None:
    """One line for the person who runs the set-up."""
    sys.stderr.write(f"interfaces: {line}\n")
    sys.stderr.flush()


def in_dependency_order(sources: Path) -> list[Path]:
    """Package folders under ``sources`` such that each comes after those that its package.xml depends on."""
    folders = {path.parent.name: path.parent for path in sorted(sources.glob("*/package.xml"))}
    ordered: list[Path] = []

    def visit(name: str) -> None:
        if name not in folders or folders[name] in ordered:
            return
        for depend in ElementTree.parse(folders[name] / "package.xml").findall("depend"):
            visit((depend.text or "").strip())
        ordered.append(folders[name])

    for name in folders:
        visit(name)
    return ordered


def is_provided(name: str) -> bool:
    """Whether a wheel or a ROS distribution outside this environment already carries the package."""
    try:
        importlib.metadata.distribution(f"ros-{name.replace('_', '-')}")
    except importlib.metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(name)
        return spec is not None and spec.origin is not None and PREFIX not in Path(spec.origin).parents
    return True


def fingerprint(package: Path) -> str:
    """Hash of everything that the built package depends on: its sources, the interpreter and the generators."""
    digest = hashlib.sha256()
    digest.update(f"{sys.version}\n{PREFIX}\n".encode())
    for version in generator_versions():
        digest.update(version.encode())
    for file in sorted(path for path in package.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(package)}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def generator_versions() -> Iterator[str]:
    """Name and version of every installed wheel whose code ends up in a built package."""
    found = {
        f"{distribution.name}=={distribution.version}\n"
        for distribution in importlib.metadata.distributions()
        if distribution.name.startswith(("ros-rosidl", "ros-ament-cmake", "ros-fastcdr"))
    }
    yield from sorted(found)


def is_current(package: Path) -> bool:
    """Whether the installed package was built from exactly these sources."""
    stamp = PREFIX / "share" / package.name / STAMP
    return stamp.is_file() and stamp.read_text().strip() == fingerprint(package)


def require_toolchain() -> None:
    """Fail early, by name, when a compiler or CMake is missing."""
    missing = [tool for tool in ("cmake", "g++", "make") if shutil.which(tool) is None]
    if missing:
        raise BuildError(f"{', '.join(missing)} not found; run: apt-get install -y {' '.join(missing)}")


def repair_exported_includes(prefix: Path) -> None:
    """Point the wheels' CMake files at this machine's headers of Python and numpy.

    The exported targets of the wheels name the include folders of the machine that built them, which CMake refuses.
    """
    for file in prefix.glob("share/**/cmake/*.cmake"):
        text = file.read_text()
        repaired = NUMPY_HEADERS.sub(lambda _: numpy.get_include(), text)
        repaired = PYTHON_HEADERS.sub(lambda _: sysconfig.get_paths()["include"], repaired)
        if repaired != text:
            replace_file(file, repaired)


def build(package: Path) -> None:
    """Configure, build and install one package; its stamp is written last, so a failed build leaves none."""
    folder = BUILD / package.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stamp = PREFIX / "share" / package.name / STAMP
    stamp.unlink(missing_ok=True)
    log = BUILD / f"{package.name}.log"
    with log.open("w") as output:
        for command in commands(package, folder):
            done = subprocess.run(command, env=environment(), stdout=output, stderr=subprocess.STDOUT, check=False)
            if done.returncode != 0:
                raise BuildError(f"{package.name} did not build ({first_error(log)}); the whole log is {log}")
    shutil.rmtree(folder)
    replace_file(stamp, fingerprint(package) + "\n")


def commands(package: Path, folder: Path) -> list[list[str]]:
    """The CMake command lines of one package."""
    configure = [
        *("cmake", "-S", str(package), "-B", str(folder), "-G", "Unix Makefiles"),
        "-DCMAKE_BUILD_TYPE=Release",
        "-DBUILD_TESTING=OFF",
        f"-DCMAKE_INSTALL_PREFIX={PREFIX}",
        f"-DCMAKE_INSTALL_RPATH={PREFIX / 'lib'}",
        f"-DPython3_EXECUTABLE={sys.executable}",
    ]
    return [configure, ["cmake", "--build", str(folder), "-j", JOBS], ["cmake", "--install", str(folder)]]


def environment() -> dict[str, str]:
    """The caller's environment, with this virtual environment first."""
    values = dict(os.environ)
    values["PATH"] = f"{PREFIX / 'bin'}{os.pathsep}{values.get('PATH', os.defpath)}"
    values["AMENT_PREFIX_PATH"] = values["CMAKE_PREFIX_PATH"] = str(PREFIX)
    values.pop("PYTHONPATH", None)
    return values


def first_error(log: Path) -> str:
    """The first line of the log that says what went wrong."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next((line for line in lines if "error" in line.lower()), "no error line in the log")


def replace_file(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    scratch = path.with_name(path.name + ".partial")
    with scratch.open("w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    scratch.replace(path)


if __name__ == "__main__":
    raise SystemExit(main())
