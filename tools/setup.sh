#!/bin/sh
# Make .venv from requirements.lock: with uv where it is present, else with venv and pip. Called by make.
set -eu
python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 || {
  echo "error: there is no $python. Install Python 3.11 or newer, or name it: make setup PYTHON=python3.12" >&2
  exit 2
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "error: $("$python" --version) is too old; Octavo needs 3.11 or newer. Name one: make setup PYTHON=python3.12" >&2
  exit 2
}
rm -f .venv/.ready
if command -v uv >/dev/null 2>&1; then
  echo "==> setting up .venv from requirements.lock with uv (seconds when its cache is warm)"
  [ -x .venv/bin/python ] || uv venv -q --allow-existing --python "$(command -v "$python")" .venv
  uv pip sync -q --require-hashes --python .venv/bin/python requirements.lock
else
  echo "==> setting up .venv from requirements.lock with pip (about two minutes, 1.5 GB)"
  [ -x .venv/bin/pip ] || "$python" -m venv --clear .venv
  .venv/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
fi
# ml_utils is imported from this folder, wherever a notebook is run.
.venv/bin/python -c 'import pathlib, sysconfig
site = pathlib.Path(sysconfig.get_paths()["purelib"])
(site / "octavo.pth").write_text(str(pathlib.Path.cwd()) + "\n")'
.venv/bin/python -c 'import lightgbm' 2>/dev/null || {
  echo "error: LightGBM cannot be imported; it needs the system's OpenMP library." >&2
  echo "       Debian, Ubuntu: apt-get install libgomp1    macOS: brew install libomp    then: make setup" >&2
  exit 2
}
touch .venv/.ready
echo "==> .venv is ready"
