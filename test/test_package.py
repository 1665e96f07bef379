"""The ROS package: colcon builds and installs it whole, its parts parse, and the library stays free of ROS."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
MODULES = ("autodrive", "autodrive_nodes", "optimus_nodes")
SHARED_FOLDERS = ("launch", "config", "urdf", "engines")
# Standard-library names that Python 3.10, which ROS 2 Humble runs on, does not have yet.
NEWER_THAN_3_10 = {"tomllib", "Self", "StrEnum", "UTC", "ExceptionGroup", "TaskGroup", "assert_never", "LiteralString"}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))


def relative(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def imported_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func
            called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if called in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)


def is_ros(name: str) -> bool:
    top = name.split(".")[0]
    return top.endswith(("_msgs", "_interfaces", "_nodes")) or top in ("rclpy", "launch", "launch_ros", "tf2_ros")


def ros_imports(text: str) -> list[tuple[int, str]]:
    return [(line, name) for line, name in imported_names(ast.parse(text)) if is_ros(name)]


@pytest.mark.parametrize(
    "text",
    [
        "import rclpy",
        "from rclpy.node import Node",
        "def f():\n    from sensor_msgs.msg import Image",
        "import importlib\nimportlib.import_module('std_msgs.msg')",
        "from autodrive_nodes import contracts",
    ],
)
def test_the_import_check_sees_every_way_to_import_ros(text: str) -> None:
    assert len(ros_imports(text)) == 1


def test_the_library_never_imports_ros() -> None:
    found = [
        f"{relative(path)}:{line} imports {name}"
        for path in sources("autodrive")
        for line, name in ros_imports(path.read_text())
    ]
    assert found == []


def test_package_xml_declares_every_ros_package_that_is_imported() -> None:
    root = ElementTree.parse(REPOSITORY / "package.xml").getroot()
    declared = {element.text for element in root if element.tag.endswith("depend")}
    used = {
        name.split(".")[0]
        for path in sources("autodrive_nodes", "optimus_nodes", "launch")
        for _, name in ros_imports(path.read_text())
    }
    assert used - set(MODULES) - declared == set()
    assert root.get("format") == "3"
    assert root.findtext("export/build_type") == "ament_python"


def test_sources_run_on_the_python_of_every_supported_distribution() -> None:
    found = []
    for path in [*sources(*MODULES, "launch"), REPOSITORY / "setup.py"]:
        tree = ast.parse(path.read_text(), filename=str(path), feature_version=(3, 10))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            if isinstance(node, ast.ImportFrom) and node.module == "typing_extensions":
                continue
            found += [f"{relative(path)}: {name}" for name in names if name in NEWER_THAN_3_10]
    assert found == []


def test_every_yaml_file_parses() -> None:
    files = [
        path
        for folder in ("config", "engines", "autodrive", "launch")
        for path in (REPOSITORY / folder).rglob("*.y*ml")
    ]
    assert files
    for path in [*files, REPOSITORY / ".pre-commit-config.yaml"]:
        assert yaml.safe_load(path.read_text()) is not None, f"{relative(path)} is empty"


def launch_files() -> list[Path]:
    return sorted((REPOSITORY / "launch").glob("*.launch.py"))


def test_every_launch_file_defines_generate_launch_description() -> None:
    assert launch_files()
    for path in launch_files():
        functions = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
        assert "generate_launch_description" in functions, relative(path)


@pytest.mark.skipif(importlib.util.find_spec("launch_ros") is None, reason="launch_ros comes with a ROS distribution")
@pytest.mark.parametrize("path", launch_files(), ids=lambda path: path.name)
def test_launch_file_describes_something(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(path.stem.replace(".", "_"), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.generate_launch_description().entities


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prefix that colcon installed the package to."""
    folder = tmp_path_factory.mktemp("colcon")
    command = [
        *(sys.executable, "-m", "colcon", "--log-base", str(folder / "log")),
        *(
            "build",
            "--base-paths",
            str(REPOSITORY),
        ),
        *("--build-base", str(folder / "build"), "--install-base", str(folder / "install")),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "install" / "autodrive"


def site_packages(prefix: Path) -> Path:
    return next(prefix.glob("lib/python3*/site-packages"))


def kept_files(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in files if "__pycache__" not in path.parts and not path.name.startswith(".")}


def test_colcon_puts_executables_where_ros2_run_looks(installed: Path) -> None:
    for name in ("autodrive", "container"):
        executable = installed / "lib" / "autodrive" / name
        assert os.access(executable, os.X_OK)
    assert (installed / "share/ament_index/resource_index/packages/autodrive").is_file()
    assert (installed / "share/autodrive/package.xml").is_file()


@pytest.mark.parametrize("folder", SHARED_FOLDERS)
def test_colcon_installs_every_shared_file(installed: Path, folder: str) -> None:
    assert kept_files(installed / "share" / "autodrive" / folder) == kept_files(REPOSITORY / folder) != set()


@pytest.mark.parametrize("module", MODULES)
def test_colcon_installs_every_module_and_the_data_beside_it(installed: Path, module: str) -> None:
    assert kept_files(site_packages(installed) / module) == kept_files(REPOSITORY / module)


def test_the_installed_command_runs_from_its_own_files(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site_packages(installed))}
    shown = subprocess.run(
        [installed / "lib" / "autodrive" / "autodrive", "--help"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert "doctor" in shown.stdout
    where = subprocess.run(
        [sys.executable, "-c", "from autodrive_nodes.paths import SHARE; print(SHARE)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert where.stdout.strip() == str(installed / "share" / "autodrive")
