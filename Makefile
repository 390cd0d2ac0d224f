# make demo | test | test-targets | lint | clean          options: VENV=/tmp/x  PYTHON=python3.11  PYTEST_ARGS="-k rate"
VENV ?= .venv
PYTHON ?= python3
PYTEST_ARGS ?=
# What installs Debian packages, if not root: make test-targets SUDO=sudo
SUDO ?=

BIN := $(VENV)/bin
# PIP_CONSTRAINT says what -c says, but also to the isolated builds of what comes as source only.
INSTALL := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install \
	--no-input --disable-pip-version-check -c constraints.txt
BURGERS := ir_examples/burgers

.PHONY: demo test test-targets lint clean install-demo install-dev install-chips install-targets
.DELETE_ON_ERROR:

demo: install-demo
	mkdir -p out
	$(BIN)/pinnir compile $(BURGERS)/model.onnx --domain "x=-1:1,t=0:1" \
		--reference $(BURGERS)/reference.npz --target norse -o out/burgers.nir
	$(BIN)/pinnir run out/burgers.nir --grid 256x101 --backend norse \
		-o out/burgers.npz --plot out/burgers.png

# One process a core, each with one thread.
test: install-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

# What runs exports: a cross compiler and an emulator from Debian, and environments of their own.
test-targets: install-dev install-targets
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal tests/backends $(PYTEST_ARGS)

# What needs no Debian package: simulators and mappers in environments of their own, below the
# user's cache or where PINNIR_LAVA, PINNIR_PYNN, PINNIR_SANAFE and PINNIR_SPINNAKER say.
install-chips: install-dev
	for target in lava pynn sanafe spinnaker; do $(BIN)/pinnir install $$target || exit 1; done

install-targets: install-chips
	command -v arm-none-eabi-gcc qemu-system-arm >/dev/null || { $(SUDO) apt-get update && \
		$(SUDO) apt-get install -y --no-install-recommends gcc-arm-none-eabi \
		libnewlib-arm-none-eabi qemu-system-arm; }
	for target in nir-stock lava-netx; do $(BIN)/pinnir install $$target || exit 1; done

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports importlinter.ini

# Only the default environment: VENV may name a folder that holds more than this project's.
clean:
	rm -rf .venv out build dist pinnir.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# pinnir itself is installed anew each time (seconds), so that what runs is what the folders hold.
# build/ goes before and after: a stale build/lib would ship modules that were deleted since.
define install_pinnir
rm -rf build pinnir.egg-info
$(INSTALL) --quiet --no-deps --no-build-isolation --force-reinstall .
rm -rf build pinnir.egg-info
endef

install-demo: $(VENV)/.deps-demo
	$(install_pinnir)

install-dev: $(VENV)/.deps-dev
	$(install_pinnir)

# Stamps: the dependencies are installed again only when the project file or the lock changed.
$(VENV)/.deps-demo: EXTRAS := norse,plot
$(VENV)/.deps-dev: EXTRAS := norse,plot,train,dev
$(VENV)/.deps-demo $(VENV)/.deps-dev: pyproject.toml constraints.txt | $(VENV)/.created
	$(INSTALL) setuptools ".[$(EXTRAS)]"
	touch $@

$(VENV)/.created:
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "error: $(PYTHON) cannot create" \
		"virtual environments; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@
