# Two commands do everything on a fresh machine with Python and a C++ compiler: make demo, make test.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Bytecode is made of what is imported, when it is: making all of it would take as long as the rest of an installation.
INSTALL = $(BIN)/pip install --quiet --no-compile
TORCH ?= torch==2.13.0
# What is installed: the sources, or a wheel of them.
SOURCE ?= .
# Most tests are too small for two threads: two processes take little more than half the time. Their threads must not spin.
# Modules of bridges need packages that are not installed here; what they show is tested by docs/bridges.md.
PYTEST = OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -q -n 2 --dist worksteal --doctest-modules \
	--ignore-glob='/*-packages/quicksilver/bridges/*'

.PHONY: demo test test-full lint docs gallery benchmark clean

# CUDA is compiled where a GPU is there to run it; elsewhere, with nvcc, by QS_CUDA=ON.
export QS_CUDA ?= $(if $(shell nvidia-smi -L 2>/dev/null),AUTO,OFF)

# Compiling needs no torch: one core fetches and unpacks it while the others compile.
MAKEFLAGS += --jobs=2

$(VENV)/pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	touch $@

$(VENV)/torch: $(VENV)/pip
	$(INSTALL) "$(TORCH)"
	touch $@

$(VENV)/wheel: $(VENV)/pip setup.py pyproject.toml CMakeLists.txt $(shell find csrc quicksilver_ext python -type f -not -name '*.so' -not -path '*/__pycache__/*')
	rm -rf $@.new
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir $@.new "$(SOURCE)"
	rm -rf $@ && mv $@.new $@

# Tests run against what is installed, not against the sources.
$(VENV)/installed: $(VENV)/torch $(VENV)/wheel
	$(INSTALL) --force-reinstall --no-deps $(VENV)/wheel/*.whl
	$(INSTALL) $(VENV)/wheel/*.whl
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(INSTALL) "$$(echo $(VENV)/wheel/*.whl)[test]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/quicksilver demo

test: $(VENV)/tested
	$(PYTEST) -m "not slow" tests --pyargs quicksilver_ext quicksilver

test-full: $(VENV)/tested
	$(INSTALL) "$$(echo $(VENV)/wheel/*.whl)[peers]"
	$(PYTEST) tests --pyargs quicksilver_ext quicksilver

lint: $(VENV)/tested
	$(INSTALL) --group dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(shell find csrc tests/csrc -name '*.h' -o -name '*.cu' -o -name '*.cpp')
	$(BIN)/codespell
	$(BIN)/mypy

docs: $(VENV)/installed
	$(INSTALL) --group docs
	$(BIN)/mkdocs build --quiet --strict

gallery: $(VENV)/installed
	$(BIN)/python docs/gallery.py

benchmark: $(VENV)/installed
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist *.egg-info
