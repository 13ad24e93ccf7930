#!/usr/bin/env bash
# What only a device can tell, in steps that each stand alone and fit into ten minutes: docs/gpu.md has the plan. No network.
#
#   benchmarks/gpu_check.sh [--dry-run] STEP OUTPUT
#
# STEP     build      versions, build with all cores, one smoke test, one timing of each aim; leaves the compiled module in place
#          tests      operator tests, each with a time limit
#          sanitize   memcheck, racecheck, synccheck and initcheck on the driver of all kernels (tests/csrc/kernel_driver.cpp)
#          measure    every operator, with torch's, cuFFT and the copy bandwidth beside; the aims first
#          profile    ncu on the hot kernels
#          register   networks with shooting, batches of pairs and, where the package's dependencies are, whole registrations
# OUTPUT   folder of the logs (STEP.log, whole) and of the JSON, written as they come
#
# --dry-run does what a machine without a GPU can do of a step, on the package as it is installed.
# PYTHON: the interpreter that has torch. WHEELS: a folder of wheels for what it lacks (docs/gpu.md names them).
# QUICKSILVER_TEST_DATA: a folder with oracle/, the arrays of the original's operators; without, the tests of parity are skipped.
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
  sed -n '2,18s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
step=$1
mkdir -p "$2" || exit
output=$(cd "$2" && pwd)
python=${PYTHON:-python3}
driver=build/gpu/tests/csrc/kernel_driver
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
  on_device cmake -S . -B build/gpu -G Ninja -DQS_CUDA=ON -DQS_TESTS=ON -DQS_CUDA_ARCHITECTURES="${architecture:-90}" \
    -DPython_EXECUTABLE="$(command -v "$python")" -DCMAKE_LIBRARY_OUTPUT_DIRECTORY="$root/quicksilver_ext" &&
    on_device cmake --build build/gpu --target _core kernel_driver &&
    on_device strip quicksilver_ext/_core*.so "$driver"
}

build() {
  part versions on_device nvidia-smi
  part build compile
  part smoke run_python -c "import quicksilver_ext as qs, sys; print(qs.info()); sys.exit(not ($($dry && echo True || echo False) or qs.info()['cuda']['usable']))"
  for aim in copy warp "sharp, 128" "sharp, 192" "sharp, 229" "shoot padded, 229" "shoot padded linear"; do
    part "aim: $aim" time_operators --budget 1 --only "$aim"
  done
}

tests() {
  # A test that hangs ends its process, which is told and replaced.
  local how=(-n auto -m "not slow" -o faulthandler_timeout=60 -o faulthandler_exit_on_timeout=true)
  if $dry; then how+=(--collect-only); fi
  part operators run_tests "${how[@]}" "$root/tests/quicksilver_ext"
}

# Compiles what the CUDA target's driver is made of, where it cannot run.
compile_driver() {
  for source in kernel_driver device; do
    nvcc -std=c++17 -Werror all-warnings -I csrc -c "tests/csrc/$source.cpp" -o "$output/$source.o" || return
  done
}

sanitize() {
  if [ ! -x "$driver" ]; then part build compile; fi
  if $dry && command -v nvcc >/dev/null; then part driver compile_driver; fi
  for tool in memcheck racecheck synccheck initcheck; do
    part "$tool" on_device timeout 130 compute-sanitizer --tool "$tool" --error-exitcode 1 "$driver"
  done
}

measure() {
  part operators time_operators
}

profile() {
  for kernel in Rows Columns Advance AdStar Follow Warp; do
    local only="shoot padded, 229"
    if [ "$kernel" = Warp ]; then only="warp, 229"; fi
    part "ncu: $kernel" on_device timeout 90 ncu --set full --clock-control none --launch-count 3 --kernel-name "regex:$kernel" \
      --export "$output/$kernel" "$python" -m benchmarks --operators --budget 0.1 --only "$only" --output "$output/ncu"
  done
}

register() {
  part "prediction, correction and shooting" time_operators --only predict
  part "batches at 2 mm" time_operators --only "shoot padded, 96 x 112 x 96"
  if ! run_python -c "import nibabel, pydantic, isal" 2>/dev/null; then
    echo "whole registrations are left out: they need the package's dependencies"
    return
  fi
  local words=(--document "$output/benchmarks.md")
  if $dry; then words+=(--smoke); fi
  part registrations run_benchmarks "${words[@]}" --only register
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
