#!/usr/bin/env bash
# Bring a fresh machine to a working .venv: system packages, virtual environment, pinned wheels, this package, messages.
# Each step that succeeded leaves a stamp that is keyed on what it was made from, so a second run does only what changed;
# a failed or interrupted step leaves none. Everything a step prints goes to build/setup/STEP.log.
#
#   PYTHON=/path/to/python3.11 tools/setup.sh     to use a particular interpreter
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.venv
LOGS=build/setup
STAMPS=$VENV/.autodrive-setup
# The last four are what the libsumo wheel links to and does not carry.
SYSTEM_PACKAGES=(cmake g++ make libegl1 libegl-mesa0 libgl1 libgles2 libatomic1 libx11-6 libxext6 libxrender1)
PYTHON_PACKAGES=(python3.11 python3.11-venv python3.11-dev)

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
digest() { cat -- "$@" | sha256sum | cut -d' ' -f1; }
is_done() { [ "$(cat "$STAMPS/$1" 2>/dev/null)" = "$2" ]; }
mark_done() { mkdir -p "$STAMPS" && printf '%s\n' "$2" >"$STAMPS/$1.partial" && mv "$STAMPS/$1.partial" "$STAMPS/$1"; }

logged() { # NAME ADVICE COMMAND...
    local name=$1 advice=$2
    shift 2
    "$@" >"$LOGS/$name.log" 2>&1 || fail "$name failed: $advice (what it printed: $LOGS/$name.log)"
}

apt_install() { # PACKAGE...
    local line="apt-get install -y --no-install-recommends $*"
    [ "$(id -u)" = 0 ] || fail "system packages are missing; run: sudo $line"
    say "$line"
    logged apt-update "is this machine online? run: apt-get update" apt-get update
    logged apt-install "run by hand: $line" env DEBIAN_FRONTEND=noninteractive $line
}

system_packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian or Ubuntu system: make sure that it has the equivalents of ${SYSTEM_PACKAGES[*]}"
        return
    fi
    local installed package missing=()
    installed=$(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n')
    for package in "${SYSTEM_PACKAGES[@]}"; do
        grep -qxF "ii $package" <<<"$installed" || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
}

is_python() { # INTERPRETER: the right version, with venv and headers
    "$1" - 2>/dev/null <<'PY'
import ensurepip, pathlib, sys, sysconfig, venv
sys.exit(sys.version_info[:2] != (3, 11) or not pathlib.Path(sysconfig.get_paths()["include"], "Python.h").is_file())
PY
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3 "$HOME"/.pyenv/versions/3.11*/bin/python3.11}; do
        if is_python "$candidate"; then printf '%s\n' "$candidate" && return; fi
    done
    return 1
}

interpreter() {
    find_python && return
    [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is not a CPython 3.11 with venv and headers"
    if apt-cache show "${PYTHON_PACKAGES[0]}" >/dev/null 2>&1; then
        apt_install "${PYTHON_PACKAGES[@]}"
        find_python && return
    fi
    fail "CPython 3.11 with its headers is needed (the ROS 2 wheels exist for it only); install ${PYTHON_PACKAGES[*]}," \
        "or build it with pyenv, and say PYTHON=/path/to/python3.11 make setup"
}

virtual_environment() {
    # An interrupted pip can leave half-written packages that pip itself takes for installed: start over.
    [ ! -e "$STAMPS/wheels.running" ] || { say "the last set-up was interrupted: making $VENV anew" && rm -rf "$VENV"; }
    if "$VENV/bin/python" -c 'import pip, sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then return; fi
    local python
    python=$(interpreter)
    say "making $VENV with $python"
    logged venv "is there space left on this disk?" "$python" -m venv --clear "$VENV"
}

wheels() {
    local key
    key=$(digest requirements.txt requirements-files.txt)
    is_done wheels "$key" && return
    say "installing the pinned packages (about 1.2 GB; minutes)"
    mkdir -p "$STAMPS" && touch "$STAMPS/wheels.running"
    if ! { "$VENV/bin/python" -m pip install --disable-pip-version-check -r requirements.txt &&
        "$VENV/bin/python" -m pip install --disable-pip-version-check --no-deps -r requirements-files.txt; } >"$LOGS/wheels.log" 2>&1; then
        rm "$STAMPS/wheels.running"
        fail "pip could not install the pinned packages: $(grep -m1 -E '^ERROR|No space left' "$LOGS/wheels.log" || true)" \
            "Check the network and the disk, then run again (what it printed: $LOGS/wheels.log)"
    fi
    mark_done wheels "$key"
    rm "$STAMPS/wheels.running"
}

this_package() {
    local key
    key=$(digest setup.py setup.cfg pyproject.toml requirements.txt; pwd)
    is_done package "${key//$'\n'/ }" && return
    say "linking this package into $VENV"
    logged package "see the log" "$VENV/bin/python" -m pip install --disable-pip-version-check \
        --no-deps --no-build-isolation --editable .
    mark_done package "${key//$'\n'/ }"
}

main() {
    mkdir -p "$LOGS"
    exec 9>"$LOGS/lock"
    flock -n 9 || { say "waiting for another set-up in this folder" && flock 9; }
    system_packages
    virtual_environment
    wheels
    this_package
    "$VENV/bin/python" tools/build_interfaces.py || exit 1
}

main "$@"
