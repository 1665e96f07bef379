"""``autodrive doctor``: what this machine has, what it lacks, and the line that repairs it."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from autodrive.environment import ask, free_shared_memory, is_importable, pinned_versions, version_of
from autodrive.errors import EngineError

Status = Literal["ok", "missing", "warn"]

SETUP = "run: make setup"
SUPPORTED_PYTHON = ((3, 10), (3, 12))
MESSAGES = (
    "builtin_interfaces",
    "diagnostic_msgs",
    "geometry_msgs",
    "nav_msgs",
    "rosgraph_msgs",
    "sensor_msgs",
    "std_msgs",
    "tf2_msgs",
    "autoware_control_msgs",
    "autoware_perception_msgs",
    "autoware_planning_msgs",
    "autoware_vehicle_msgs",
)
# Eight 640x480 rgb8 cameras in a ring of eight slots, and as much again for Fast DDS.
SHARED_MEMORY_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Finding:
    """One line of the report: ``missing`` stops the demo, ``warn`` costs speed or a feature; ``fix`` is what to do."""

    name: str
    status: Status
    detail: str
    fix: str = ""


def examine(share: Path) -> list[Finding]:
    """Look at everything; ``share`` is the folder that holds ``engines/`` (and, in a checkout, requirements.txt)."""
    checks: list[Callable[[], list[Finding]]] = [
        check_python,
        check_ros,
        check_messages,
        check_graphics,
        check_gpu,
        check_tensorrt,
        *(lambda module=module: check_library(module) for module in ("onnxruntime", "torch", "mujoco", "libsumo")),
        lambda: check_versions(share / "requirements.txt"),
        check_shared_memory,
        lambda: check_engines(share / "engines"),
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:  # the probes wait for subprocesses
        return [finding for found in pool.map(lambda check: check(), checks) for finding in found]


def check_python() -> list[Finding]:
    """The interpreter: ROS distributions bring 3.10 to 3.12, the ROS wheels exist for CPython 3.11 only."""
    version = platform.python_version()
    if SUPPORTED_PYTHON[0] <= sys.version_info[:2] <= SUPPORTED_PYTHON[1]:
        return [Finding("python", "ok", version)]
    return [Finding("python", "warn", f"{version} is untested", "use Python 3.11, or the one of a ROS 2 distribution")]


def check_ros() -> list[Finding]:
    """rclpy, where it comes from, and the middleware that it would use."""
    answer = ask(
        "import json, rclpy.utilities as u; print(json.dumps([u.get_rmw_implementation_identifier(), u.__file__]))"
    )
    if not answer.ok:
        fix = f"{SETUP}, or source /opt/ros/<distribution>/setup.bash"
        return [Finding("ros", "missing", answer.error, fix), Finding("rmw", "missing", "needs rclpy", fix)]
    rmw, _ = answer.value
    wheel = version_of("ros-rclpy")
    source = f"kilted wheels, rclpy {wheel}" if wheel else f"{os.environ.get('ROS_DISTRO', 'unnamed')} distribution"
    return [Finding("ros", "ok", source), Finding("rmw", "ok", rmw)]


def check_messages() -> list[Finding]:
    """Every message package of the graph: that it is there, and that one of the built ones loads its C libraries."""
    lacking = [package for package in MESSAGES if not is_importable(package)]
    if lacking:
        fix = f"{SETUP}, or with a ROS distribution: colcon build --base-paths . interfaces"
        return [Finding("messages", "missing", ", ".join(lacking), fix)]
    loaded = ask(
        "from autoware_perception_msgs.msg import TrackedObjects as m; m.__class__.__import_type_support__();"
        "assert m.__class__._TYPE_SUPPORT is not None; print(1)"
    )
    if not loaded.ok:
        return [Finding("messages", "missing", loaded.error, "run: rm -rf .venv/share/autoware_* && make setup")]
    return [Finding("messages", "ok", f"{len(MESSAGES)} packages")]


def check_graphics() -> list[Finding]:
    """Whether an off-screen EGL context can be made, which the camera renderer needs."""
    answer = ask(
        "import json, moderngl; c = moderngl.create_standalone_context(backend='egl');"
        "print(json.dumps([c.info['GL_RENDERER'], c.version_code]))"
    )
    fix = "run: apt-get install -y libegl1 libegl-mesa0 libgl1 libgles2"
    if not answer.ok:
        return [Finding("graphics", "missing", answer.error, fix)]
    renderer, code = answer.value
    if code < 330:
        return [Finding("graphics", "missing", f"{renderer}: OpenGL {code / 100:.1f}, needs 3.3", fix)]
    return [Finding("graphics", "ok", f"{renderer}, OpenGL {code // 100}.{code % 100 // 10}")]


def check_gpu() -> list[Finding]:
    """The NVIDIA driver, asked through libcuda itself: tools may be absent where the driver is not."""
    answer = ask(
        "import ctypes, json; l = ctypes.CDLL('libcuda.so.1'); n = ctypes.c_int(); v = ctypes.c_int();"
        "assert l.cuInit(0) == 0, 'cuInit failed'; l.cuDeviceGetCount(ctypes.byref(n));"
        "l.cuDriverGetVersion(ctypes.byref(v)); s = ctypes.create_string_buffer(100); l.cuDeviceGetName(s, 100, 0);"
        "assert n.value > 0, 'no device'; print(json.dumps([n.value, s.value.decode(), v.value]))"
    )
    if not answer.ok:
        fix = "optional: install NVIDIA's driver for your card; the CPU runtime is used until then"
        return [Finding("gpu", "warn", f"none ({answer.error})", fix)]
    count, name, cuda = answer.value
    return [Finding("gpu", "ok", f"{count} x {name}, driver for CUDA {cuda // 1000}.{cuda % 1000 // 10}")]


def check_tensorrt() -> list[Finding]:
    """TensorRT in either form, and pycuda for the pre-processing kernels."""
    version = version_of("tensorrt", "tensorrt-rtx-cu13", "tensorrt-rtx")
    module = next((name for name in ("tensorrt", "tensorrt_rtx") if is_importable(name)), None)
    pycuda = version_of("pycuda")
    return [
        Finding("tensorrt", "ok", f"{module} {version or ''}".strip())
        if module
        else Finding(
            "tensorrt",
            "warn",
            "none",
            "optional, with an NVIDIA GPU: pip install -r requirements-gpu.txt, docs/engines.md",
        ),
        Finding("pycuda", "ok", pycuda)
        if pycuda
        else Finding("pycuda", "warn", "none", "optional, with an NVIDIA GPU: pip install pycuda"),
    ]


def check_library(module: str) -> list[Finding]:
    """Whether a native library loads, and its version."""
    answer = ask(f"import json, {module}; print(json.dumps(getattr({module}, '__version__', '')))")
    if answer.ok:
        return [Finding(module, "ok", answer.value or version_of(module) or "unknown version")]
    status: Status = "warn" if module == "torch" else "missing"  # torch trains; driving does not need it
    return [Finding(module, status, answer.error, SETUP)]


def check_versions(requirements: Path) -> list[Finding]:
    """Installed versions against the pins; only a checkout has pins."""
    if version_of("ros-rclpy") is None:  # a ROS distribution brings versions of its own
        return []
    different = [
        f"{name} {version_of(name) or 'absent'} (pinned {pin})"
        for name, pin in pinned_versions(requirements).items()
        if version_of(name) != pin
    ]
    if different:
        return [Finding("versions", "warn", ", ".join(different), SETUP)]
    pins = len(pinned_versions(requirements))
    return [Finding("versions", "ok", f"{pins} packages as pinned")] if pins else []


def check_shared_memory() -> list[Finding]:
    """Room in /dev/shm for camera frames."""
    free = free_shared_memory()
    detail = f"{free / 2**20:.0f} MiB free in /dev/shm"
    if free >= SHARED_MEMORY_BYTES:
        return [Finding("shared memory", "ok", detail)]
    fix = f"free {SHARED_MEMORY_BYTES // 2**20} MiB there; in a container: docker run --shm-size=1g"
    return [Finding("shared memory", "missing", detail, fix)]


def check_engines(folder: Path) -> list[Finding]:
    """Every manifest in ``folder``: who signed it, and that its network file is the one that was measured."""
    manifests = sorted(folder.glob("*.yaml"))
    if not manifests:
        return [Finding("engines", "missing", f"no manifest in {folder}", "restore engines/ from the repository")]
    return [check_engine(manifest) for manifest in manifests]


def check_engine(manifest: Path) -> Finding:
    """One manifest, its signature, and the file beside it."""
    name = f"engine {manifest.stem}"
    try:
        from autodrive.inference.manifest import read_network  # where cryptography is missing, the rest is still told
        from autodrive.inference.signing import is_development
    except ImportError as error:
        return Finding(name, "missing", str(error), SETUP)
    try:
        described, network = read_network(manifest)
    except EngineError as error:
        fix = f"restore {manifest.parent.name}/ from the repository: git checkout -- {manifest.parent.name}"
        return Finding(name, "missing", str(error), fix)
    detail = f"{described.file} {described.sha256[:12]}, {len(network) / 1e6:.1f} MB"
    if described.signature is not None and is_development(described.signature):
        detail += ", signed with the published development key: anybody could have made it"
        return Finding(
            name, "warn", detail, "before a robot leaves the bench: sign with a key of your own, docs/engines.md"
        )
    return Finding(name, "ok", detail)


def is_ready(findings: Sequence[Finding]) -> bool:
    """Whether nothing that the demo needs is missing."""
    return all(finding.status != "missing" for finding in findings)


def as_json(findings: Sequence[Finding]) -> str:
    """The findings as one JSON document."""
    return json.dumps({"ready": is_ready(findings), "findings": [asdict(finding) for finding in findings]}, indent=2)


def as_table(findings: Sequence[Finding]) -> str:
    """The findings for a person: one line each, the fix below what is not ok."""
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<8}{finding.name:<{width + 2}}{finding.detail}")
        if finding.fix:
            lines.append(f"{'':8}{'':{width + 2}}-> {finding.fix}")
    lines.append("Ready to drive." if is_ready(findings) else "Driving needs what is missing above.")
    return "\n".join(lines)
