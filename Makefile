# Everything runs in .venv, installed with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: bench demo gtea-standin test lint format clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

# The judge of tracks, without its opencv-python: that would write over the files of opencv-python-headless.
$(VENV)/trackeval-installed: $(VENV)/installed
	$(BIN)/pip install --quiet --no-deps -c constraints.txt trackeval
	touch $@

# Eight rendered scenes with a known truth through the whole main job: the table of scores, and where the report is.
demo: $(VENV)/demo-installed
	$(BIN)/lapsdata demo --out demo

$(VENV)/demo-installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

# Rendered videos for the labels of GTEA, in gtea-standin/, for `lapsdata run --recipe gtea --root gtea-standin --split 1`.
# SECONDS=20 cuts all of them; STANDIN names another folder.
STANDIN ?= gtea-standin
LAPSDATA_REAL_DATA ?= ../shared/data
gtea-standin: $(VENV)/demo-installed
	$(BIN)/python benchmarks/standin.py $(LAPSDATA_REAL_DATA)/gtea $(STANDIN) $(if $(SECONDS),--seconds $(SECONDS))

# Two NumPy releases laid over each other reproduce the fault that `lapsdata doctor` names.
$(VENV)/numpy-wheels/done: $(VENV)/installed
	$(BIN)/pip download --quiet --no-deps --only-binary :all: -d $(VENV)/numpy-wheels numpy==2.1.3
	$(BIN)/pip download --quiet --no-deps --only-binary :all: -d $(VENV)/numpy-wheels numpy==1.26.4
	touch $@

# torchcodec brings no FFmpeg: here it takes that of PyAV's wheel.
$(VENV)/ffmpeg/done: $(VENV)/installed tests/ffmpeg_of_pyav.py
	$(BIN)/python tests/ffmpeg_of_pyav.py $(VENV)/ffmpeg
	touch $@

# Pages are opened in Debian's Chromium; another one that is there already, or named by LAPSDATA_CHROMIUM, will do.
$(VENV)/chromium-found:
	mkdir -p $(VENV)
	test -n "$$LAPSDATA_CHROMIUM" || command -v chromium >/dev/null || \
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; }
	touch $@

# Threads of OpenBLAS that have nothing to do wait by turning round: in hundreds of short processes a minute or two.
# Hundreds of processes import the package: bytecode is kept, whatever the machine is set to.
test: $(VENV)/installed $(VENV)/trackeval-installed $(VENV)/numpy-wheels/done $(VENV)/ffmpeg/done $(VENV)/chromium-found
	PYTHONDONTWRITEBYTECODE= OPENBLAS_THREAD_TIMEOUT=4 LAPSDATA_NUMPY_WHEELS=$(CURDIR)/$(VENV)/numpy-wheels \
	LD_LIBRARY_PATH=$(CURDIR)/$(VENV)/ffmpeg$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH} $(BIN)/python -m pytest -n 2 --dist worksteal

# The reader beside every rival, on data written once; rivals that clash with ours get environments of their own.
bench: $(VENV)/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/peer_env.py
	for name in windows stream catalog frames feeding; do $(BIN)/python benchmarks/bench_$$name.py || exit 1; done
	$(BIN)/python benchmarks/table.py

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
