"""The ament_python package: modules to site-packages, executables to lib/autodrive, the rest to share/autodrive."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
SHARED_FOLDERS = ("launch", "config", "urdf", "engines")
MODULES = ("autodrive", "autodrive_nodes", "optimus_nodes")


def files_under(folder):
    """Files below a folder, relative to the repository, without what interpreters and editors leave behind."""
    found = (path.relative_to(ROOT) for path in sorted((ROOT / folder).rglob("*")) if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts and not path.name.startswith(".")]


def shared_files():
    """``data_files`` entries that put the shared folders below share/autodrive with their structure kept."""
    entries = {}
    for folder in SHARED_FOLDERS:
        for path in files_under(folder):
            entries.setdefault(f"share/autodrive/{path.parent}", []).append(str(path))
    return sorted(entries.items())


def package_data():
    """Files that live beside the modules that read them (towns, shaders), by top-level package."""
    return {
        module: [str(path.relative_to(module)) for path in files_under(module) if path.suffix != ".py"]
        for module in MODULES
    }


setup(
    name="autodrive",
    version="0.1.0",
    description="One vision brain for a self-driving car and a humanoid, as ROS 2 nodes.",
    author="autodrive maintainers",
    maintainer="autodrive maintainers",
    maintainer_email="maintainers@autodrive.example.org",
    license="Apache-2.0",
    packages=find_packages(include=[pattern for name in MODULES for pattern in (name, f"{name}.*")]),
    package_data=package_data(),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/autodrive"]),
        ("share/autodrive", ["package.xml"]),
        *shared_files(),
    ],
    python_requires=">=3.10",
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "autodrive = autodrive_nodes.cli:main",
            "container = autodrive_nodes.container:main",
        ],
    },
)
