#!/usr/bin/env bash
# Operates Spindle: finds a Python and hands over to local/bootstrap.py. On a Docker host without
# Python it can start and stop the containers itself. Works with bash 3.2 (macOS) and later.
set -euo pipefail
trap 'exit 130' INT
here=${BASH_SOURCE[0]}
[[ $here == */* ]] || here=./$here
while [ -L "$here" ]; do # called by a link from elsewhere, such as ~/bin/spindle
  link=$(readlink "$here")
  [[ $link == /* ]] && here=$link || here=${here%/*}/$link
done
root=$(cd "${here%/*}/" && pwd -P)

# The containers of this checkout, apart from those of another one; COMPOSE_PROJECT_NAME wins.
sum=$(printf %s "$root" | cksum)
export SPINDLE_PROJECT=spindle-${sum%% *}

without_venv=""
for python in "${SPINDLE_VENV:-$root/.venv}/bin/python" python3.14 python3.13 python3.12 python3.11 python3 python; do
  [ -z "${SPINDLE_WITHOUT_PYTHON:-}" ] || break # says local/bootstrap.py
  code=0
  [[ -x $python && -f ${python%/bin/python}/.spindle-local ]] || # what run.sh made needs no look
    "$python" -I -S -c 'import sys; sys.version_info < (3, 11) and sys.exit(3); from importlib.util import find_spec as f; sys.exit(None in (f("ensurepip"), f("venv")))' >/dev/null 2>&1 || code=$?
  if [ "$code" = 0 ]; then # an interpreter that starts answers Ctrl-C with a traceback: it waits until
    hand_over=("$python" -I -S "$root/local/bootstrap.py" "$@") # that file takes it
    env --block-signal=INT true 2>/dev/null && exec env --block-signal=INT "${hand_over[@]}"
    trap '' INT # not GNU's env: Ctrl-C is not heard for some 20 ms
    exec "${hand_over[@]}"
  fi
  [ "$code" != 1 ] || without_venv=${without_venv:-$python}
done

if [ "${SPINDLE_MODE:-}" != local ] && docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
  cd "$root"
  case "${1:-start}" in
    start | all | build)
      chmod -R a+rX deploy grafana prometheus # a clone made with umask 077
      if [ -z "${NATS_AUTH:-}${BIND_ADDRESS:-}" ] && ! grep -qsiE '^(NATS_|BIND_)' .env; then
        export NATS_AUTH=guest # with passwords that are new at each start, as local/nats/users.py makes
        for user in DAEMON WRITER READER CLIENT GATEWAY HOMEASSISTANT OPERATOR; do
          export "NATS_PASSWORD_$user=p$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
        done
      fi
      exec docker compose up --build --detach --wait --wait-timeout 180 ;;
    stop) exec docker compose down ;;
    logs) exec docker compose logs --follow --tail 50 "${@:2}" ;;
    status) exec docker compose ps --all ;;
  esac
  echo "run.sh: without Python there are start, stop, logs and status" >&2
  exit 2
fi
if [ -n "$without_venv" ]; then
  echo "run.sh: $without_venv has no venv module; install it (Debian, Ubuntu: apt install python3-venv)" >&2
else
  echo "run.sh: Python 3.11 or later is needed and none is on PATH; install it, or run a Docker engine" >&2
fi
exit 1
