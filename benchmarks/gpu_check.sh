#!/usr/bin/env bash
# What only a device can tell, in steps that each stand alone and fit into ten minutes: docs/gpu.md has the plan. No network.
#
#   benchmarks/gpu_check.sh [--dry-run] STEP OUTPUT
#
# STEP     build      versions, build with all cores, one smoke test, one timing of each aim; leaves the compiled module in place
#          tests      operator tests, each with a time limit
#          sanitize   memcheck, racecheck, synccheck and initcheck on the kernels' tests
#          measure    every operator, with torch's, cuFFT and the copy bandwidth beside
#          profile    ncu on the hot kernels
#          register   prediction, correction and shooting, and whole registrations
# OUTPUT   folder of the logs (STEP.log, whole) and of the JSON, written as they come
#
# --dry-run does what a machine without a GPU can do of a step, on the package as it is installed.
# PYTHON: the interpreter that has torch. WHEELS: a folder of wheels for what it lacks (pybind11, pytest, pytest-xdist, cmake, ninja).
# A part of a step that fails is told at its end, and by the exit code; the parts after it run all the same.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit
dry=false
if [ "${1:-}" = --dry-run ]; then
  dry=true
  shift
fi
if [ $# -ne 2 ]; then
  sed -n '2,17s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
step=$1
mkdir -p "$2" || exit
output=$(cd "$2" && pwd)
python=${PYTHON:-python3}
failed=()

# part NAME COMMAND...: runs a part of the step, with its output in the log and here.
part() {
  printf '\n== %s (%s s)\n' "$1" "$SECONDS"
  "${@:2}" || failed+=("$1")
}

# Does what only a device machine can do.
on_device() { if $dry; then echo "dry run: $*"; else "$@"; fi; }

# Runs Python from elsewhere: a dry run must not import the sources, which have no compiled module beside them.
run_python() { (cd "$output" && "$python" "$@"); }

run_tests() { run_python -m pytest -q -p no:cacheprovider -c "$root/pyproject.toml" "$@"; }

run_benchmarks() {
  if $dry; then ln -sfn "$root/benchmarks" "$output/benchmarks"; fi
  run_python -m benchmarks --output "$output" "$@"
}

time_operators() {
  local words=(--operators "$@")
  if $dry; then words+=(--smoke); fi
  run_benchmarks "${words[@]}"
}

compile() {
  local architecture
  architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d .)
  on_device cmake -S . -B build/gpu -G Ninja -DQS_CUDA=ON -DQS_CUDA_ARCHITECTURES="${architecture:-90}" \
    -DPython_EXECUTABLE="$(command -v "$python")" -DCMAKE_LIBRARY_OUTPUT_DIRECTORY="$root/quicksilver_ext" &&
    on_device cmake --build build/gpu && on_device strip quicksilver_ext/_core*.so
}

build() {
  part versions on_device nvidia-smi
  part build compile
  part smoke run_python -c "import quicksilver_ext as qs, sys; print(qs.info()); sys.exit(not ($($dry && echo True || echo False) or qs.info()['cuda']['usable']))"
  for aim in "copy" "warp, 229" "sharp, 128" "sharp, 229" "shoot, 96 x 96 x 96, 10"; do
    part "aim: $aim" time_operators --budget 1 --only "$aim"
  done
}

tests() {
  local how=(-n auto -m "not slow")
  if $dry; then how=(--collect-only -q); fi
  part operators run_tests "${how[@]}" "$root/tests/quicksilver_ext"
}

sanitize() {
  local kernels=("$root/tests/quicksilver_ext/ops" -m "not slow" -k "cuda and (twin or transpose or fused)")
  for tool in memcheck racecheck synccheck initcheck; do
    part "$tool" on_device timeout 130 compute-sanitizer --tool "$tool" --error-exitcode 1 \
      "$python" -m pytest -q -x -p no:cacheprovider "${kernels[@]}"
  done
  if $dry; then part collection run_tests --collect-only -q "${kernels[@]/cuda and /}"; fi
}

measure() {
  part operators time_operators
}

profile() {
  for kernel in Rows Columns Advance AdStar Follow Warp; do
    part "ncu: $kernel" on_device timeout 90 ncu --set full --clock-control none --launch-count 3 --kernel-name "regex:$kernel" \
      --export "$output/$kernel" "$python" -m benchmarks --operators --budget 0.1 --only "shoot, 96 x 96 x 96, 5" --output "$output/ncu"
  done
}

register() {
  local words=(--document "$output/benchmarks.md")
  if $dry; then words+=(--smoke --only "register"); fi
  part registrations run_benchmarks "${words[@]}"
}

case $step in
  build | tests | sanitize | measure | profile | register) ;;
  *)
    echo "gpu_check.sh: expected one of build, tests, sanitize, measure, profile and register, found $step" >&2
    exit 2
    ;;
esac
if [ -n "${WHEELS:-}" ]; then
  part wheels "$python" -m pip install --quiet --no-index --no-deps --upgrade --target build/gpu/site "$WHEELS"/*.whl
  export PYTHONPATH="$root/build/gpu/site:${PYTHONPATH:-}" PATH="$root/build/gpu/site/bin:$PATH"
fi
if ! $dry; then export PYTHONPATH="$root:$root/python:${PYTHONPATH:-}"; fi
exec > >(tee "$output/$step.log") 2>&1
"$step"
if [ ${#failed[@]} -gt 0 ]; then
  printf '\n== failed of %s:' "$step" && printf ' [%s]' "${failed[@]}" && echo
  exit 1
fi
printf '\n== %s: done (%s s)\n' "$step" "$SECONDS"
