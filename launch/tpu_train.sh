#!/usr/bin/env bash
# Trains on a TPU pod: launch/tpu_train.sh plan|create|run|status|logs|resume|delete …
#
# Finds a Python that has what xtl_jax needs and hands everything to `xtl launch`;
# `launch/tpu_train.sh run --help` tells the flags. XTL_PYTHON names another Python.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH="$root:$root/tasks${PYTHONPATH:+:$PYTHONPATH}"

for python in "${XTL_PYTHON:-}" python3 python python3.13 python3.12 python3.11; do
  if [[ -n $python ]] && "$python" -c 'import gin, rich, sys; assert sys.version_info >= (3, 11)' 2>/dev/null; then
    exec "$python" -m xtl_jax.cli.main launch "$@"
  fi
done
echo "tpu_train.sh: no Python of 3.11 or later with the packages of xtl_jax is on PATH." >&2
echo "Install it (pip install $root), or name one: XTL_PYTHON=/path/to/python" >&2
exit 2
