#!/usr/bin/env bash
# Every parser for SECONDS each: tools/fuzz.sh PYTHON SECONDS OUT [TARGET...]. Status 1 when one of them has a finding.
set -uo pipefail
python=$1 seconds=$2 out=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH=$here/..:$here:${PYTHONPATH:-}
[ $# -gt 0 ] || mapfile -t targets < <("$python" -c 'from fuzz_targets import TARGETS; print(*TARGETS, sep="\n")')
[ $# -eq 0 ] || targets=("$@")
found=0
for target in "${targets[@]}"; do
    mkdir -p "$out/$target"
    if "$python" "$here/fuzz.py" "$target" "$seconds" "$out" > "$out/$target/log" 2>&1; then said=clean; else said=FOUND found=1; fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target/log")
    printf '%-12s %-6s %10s runs   %s\n' "$target" "$said" "${runs:-?}" "$out/$target/log"
done
exit $found
