#!/usr/bin/env bash
# What runs on every host of a TPU; `xtl launch` puts it there and calls it:
#
#   prepare          code and packages, by content hash; what is there is not fetched
#   start WORDS...   `xtl WORDS...` in the background, after stopping what was there
#   run WORDS...     both, in the foreground, for containers
#   stop             SIGTERM to it, and SIGKILL after XTL_STOP_SECONDS
#
# Settings come as XTL_* variables. When the command ends, an empty file named
# SLICE-WORKER.EXITCODE appears in XTL_RUN/exit/.
set -euo pipefail

verb=$1
shift
root=${XTL_ROOT:-$HOME/xtl_launch}
here=$root/$XTL_JOB
site=$root/code-$XTL_CODE
venv=$root/venv-$XTL_LOCK
# The hosts of a TPU VM are called …-w-0, …-w-1 and so on; GKE sets the variables.
host=${MEGASCALE_SLICE_ID:-${XTL_SLICE:-0}}-${TPU_WORKER_ID:-${HOSTNAME##*-w-}}

fail() {
  echo "host $host: $*" >&2
  exit 5
}

fetch() { # NAME BEGINNING_OF_SHA256
  local sum
  if [[ ! -f $root/$1 ]]; then
    gcloud storage cp --quiet "$XTL_BASE/$1" "$root/$1.part"
    mv "$root/$1.part" "$root/$1"
  fi
  sum=$(sha256sum <"$root/$1")
  if [[ $sum != "$2"* ]]; then
    rm -f "${root:?}/$1"
    fail "$1 is not what its name says: damaged on the way, or changed in the bucket"
  fi
}

prepare() {
  mkdir -p "$here"
  fetch "code-$XTL_CODE.tar.gz" "$XTL_CODE"
  fetch "lock-$XTL_LOCK.txt" "$XTL_LOCK"
  if [[ ! -d $site ]]; then
    rm -rf "$site.part"
    mkdir "$site.part"
    tar -xzf "$root/code-$XTL_CODE.tar.gz" -C "$site.part"
    mv "$site.part" "$site"
  fi
  # The machines' own Python is older than what JAX needs; uv brings one.
  if [[ ! -f $venv/whole ]]; then
    export PATH="$HOME/.local/bin:$PATH"
    if ! command -v uv >/dev/null; then
      python3 -m pip install --quiet --user uv ||
        curl -LsSf https://astral.sh/uv/install.sh | sh
    fi
    rm -rf "$venv"
    uv venv --quiet --python "$XTL_PYTHON" "$venv"
    uv pip install --quiet --python "$venv/bin/python" -r "$root/lock-$XTL_LOCK.txt"
    touch "$venv/whole"
  fi
  echo "xtl-host-ready $host"
}

is_up() { # FILE WITH A PROCESS ID
  [[ -f $1 ]] && kill -0 "$(cat "$1")" 2>/dev/null
}

end() { # FILE WITH A PROCESS ID, WHEN TO KILL IT
  while is_up "$1" && ((SECONDS < $2)); do
    sleep 0.2
  done
  if is_up "$1"; then
    kill -KILL "$(cat "$1")" 2>/dev/null || true
  fi
  rm -f "$1"
}

stop() {
  # Of any job: a TPU serves one process at a time.
  local file deadline
  deadline=$((SECONDS + XTL_STOP_SECONDS))
  for file in "$root"/*/pid; do
    if is_up "$file"; then
      kill -TERM "$(cat "$file")" 2>/dev/null || true
    fi
  done
  for file in "$root"/*/pid; do
    end "$file" "$deadline"
  done
  for file in "$root"/*/supervisor; do
    end "$file" $((SECONDS + 20)) # it writes log and exit code to the bucket
  done
  rm -f /tmp/libtpu_lockfile 2>/dev/null || true # a killed process leaves it
}

upload() { # FILE NAME
  local try
  for try in 1 2 3 4 5; do
    gcloud storage cp --quiet "$1" "$XTL_RUN/$2" >/dev/null 2>&1 && return
    sleep "$try"
  done
  echo "host $host: $2 could not be written to $XTL_RUN" >&2
}

supervise() {
  local log=$here/$XTL_ATTEMPT.log code=0 child next
  export PYTHONPATH=$site PYTHONUNBUFFERED=1
  export XTL_COORDINATOR=${XTL_COORDINATOR:-auto} # the TPU tells JAX who is there
  mkdir -p "$site/files"
  cd "$site/files"
  echo "host $host, attempt $XTL_ATTEMPT: xtl $*" >>"$log"
  "$venv/bin/python" -m xtl_jax.cli.main "$@" > >(tee -a "$log") 2>&1 &
  child=$!
  echo "$child" >"$here/pid"
  trap 'kill -TERM "$child" 2>/dev/null || true' TERM INT HUP
  next=$((SECONDS + 60))
  while kill -0 "$child" 2>/dev/null; do
    sleep 1 &
    wait $! || true # a signal ends this wait; the trap has passed it on
    if ((SECONDS >= next)); then
      upload "$log" "log/$host.log"
      next=$((SECONDS + 60))
    fi
  done
  wait "$child" || code=$?
  rm -f "$here/pid"
  upload "$log" "log/$host.log"
  : >"$here/empty"
  upload "$here/empty" "exit/$host.$code"
  return "$code"
}

case $verb in
  prepare) prepare ;;
  stop) stop ;;
  start)
    if [[ -f $here/attempt && $(cat "$here/attempt") == "$XTL_ATTEMPT" ]]; then
      exit 0 # asked twice, after an answer that was lost
    fi
    stop
    echo "$XTL_ATTEMPT" >"$here/attempt"
    setsid nohup bash "$0" supervise "$@" </dev/null >/dev/null 2>&1 &
    echo $! >"$here/supervisor"
    ;;
  supervise) supervise "$@" ;;
  run)
    prepare
    supervise "$@"
    ;;
  *) fail "no verb $verb" ;;
esac
