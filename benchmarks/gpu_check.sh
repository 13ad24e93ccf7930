#!/usr/bin/env bash
# All that only a device can tell, in one go: builds with nvcc on the spot, runs the tests with CUDA on, searches the
# kernels for bad accesses and races, and measures. Needs no network.
#
#   benchmarks/gpu_check.sh [OUTPUT]             OUTPUT: where the JSON goes, benchmarks/results by default
#   benchmarks/gpu_check.sh --dry-run [OUTPUT]   the same on a machine without a GPU, on the package as it is installed
#
# PYTHON: the interpreter that has torch. WHEELS: a folder of wheels for what that one lacks (pybind11, pytest, cmake,
# ninja; nibabel, scipy, typer, rich, matplotlib for the tests of `quicksilver`, which are skipped without them).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
dry=false
if [ "${1:-}" = --dry-run ]; then
  dry=true
  shift
fi
output=${1:-benchmarks/results}
mkdir -p "$output"
output=$(cd "$output" && pwd)
PYTHON=${PYTHON:-python3}

section() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }
# Does what only a device machine can do.
on_device() { if $dry; then echo "dry run: $*"; else "$@"; fi; }

section "what the interpreter lacks"
if [ -n "${WHEELS:-}" ]; then
  "$PYTHON" -m pip install --quiet --no-index --no-deps --upgrade --target build/gpu/site "$WHEELS"/*.whl
  export PYTHONPATH="$root/build/gpu/site:${PYTHONPATH:-}" PATH="$root/build/gpu/site/bin:$PATH"
fi

section "build"
architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d .) || true
on_device cmake -S . -B build/gpu -G Ninja -DQS_CUDA=ON -DQS_CUDA_ARCHITECTURES="${architecture:-90}" \
  -DPython_EXECUTABLE="$(command -v "$PYTHON")" -DCMAKE_LIBRARY_OUTPUT_DIRECTORY="$root/quicksilver_ext"
on_device cmake --build build/gpu
if ! $dry; then
  export PYTHONPATH="$root:$root/python:${PYTHONPATH:-}"
  "$PYTHON" -c 'import quicksilver_ext as qs, sys; print(qs.info()); sys.exit(not qs.info()["cuda"]["usable"])'
fi

section "tests"
pytest=("$PYTHON" -m pytest -q -p no:cacheprovider)
if $dry; then pytest+=(--collect-only); fi
# From elsewhere: a dry run must not import the sources, which have no compiled module beside them.
tests() { (cd "$output" && "${pytest[@]}" -c "$root/pyproject.toml" "$@" | tail -n 15); }
tests -m "not slow" "$root/tests/quicksilver_ext"
tests -m "not slow" "$root/tests/quicksilver" || echo "tests of quicksilver: failed or not all could be collected"

section "bad accesses and races"
kernels=("$root/tests/quicksilver_ext" -m "not slow" -k "cuda and (twin or transpose or fused)" -x -q -p no:cacheprovider)
for tool in memcheck racecheck; do
  on_device timeout 120 compute-sanitizer --tool "$tool" --error-exitcode 1 "$PYTHON" -m pytest "${kernels[@]}" | tail -n 15
done

section "measure"
if $dry; then "$PYTHON" -m benchmarks --smoke --output "$output"; else "$PYTHON" -m benchmarks --output "$output"; fi
section "done"
