# shellcheck shell=bash
# run.sh's commands where everything runs in containers. Sourced by run.sh.

compose() { docker compose "$@"; }

# From elsewhere: here compose would read .env first, which may be broken.
(cd / && docker compose version) >/dev/null 2>&1 ||
  die 1 "docker has no compose plugin; install it (docker-compose-plugin), or set SPINDLE_MODE=local"

# For what is there already: by the file, or, where the settings make it one that compose refuses, by
# the name of the project alone, which is all that compose needs for that.
compose_as_it_runs() {
  local mistake
  if mistake=$(compose config --quiet 2>&1); then
    compose "$@"
  else
    echo "run.sh: warning: ./run.sh start would be refused: $mistake" >&2
    (cd / && docker compose --project-name "${COMPOSE_PROJECT_NAME:-spindle}" "$@")
  fi
}

docker_init() {
  make_env_file
  echo "$(docker --version), compose $(compose version --short)"
}

docker_build() { compose build "$@"; }

# What the container of InfluxDB needs to set itself up; with something else it ends, is started again
# and ends again. Its entrypoint hands these to `influx setup`, which takes a retention of no time (for
# ever) or of an hour and more in whole seconds, and a password of eight bytes and more. An empty
# setting is its default.
influxdb_can_set_up() {
  local hours password
  hours=$(setting RETENTION_HOURS 168)
  keeps_so_long "$hours" ||
    die 2 "RETENTION_HOURS: given \"$hours\"; InfluxDB in containers takes 0 (for ever) or 1 to 2562047," \
      "such as 168 or 1.5, in whole seconds"
  password=$(setting INFLUXDB_INIT_PASSWORD MyStrongPassword888)
  password=$(LC_ALL=C && echo "${#password}")
  [ "$password" -ge 8 ] ||
    die 2 "INFLUXDB_INIT_PASSWORD: given $password characters; InfluxDB takes 8 and more"
  case "$(setting INFLUXDB_TOKEN spindle-loopback-token)" in
    *[![:space:]]*) ;;
    *) die 2 "INFLUXDB_TOKEN: given only spaces; InfluxDB takes any other text, or leave it empty for the default" ;;
  esac
}

# keeps_so_long <hours>
keeps_so_long() {
  local whole=${1%%.*} part=""
  case "$1" in "" | *[!0-9.]* | *.*.* | .* | *.) return 1 ;; esac
  case "$1" in *.*) part=${1#*.} ;; esac
  while [ "${part%0}" != "$part" ]; do part=${part%0}; done
  while [ "${whole#0}" != "$whole" ]; do whole=${whole#0}; done
  [ -n "$whole$part" ] || return 0 # for ever
  [ -n "$whole" ] && [ ${#whole} -le 7 ] && [ "$whole" -le 2562047 ] || return 1
  [ ${#part} -le 4 ] || return 1
  part=${part}0000
  [ $((10#${part:0:4} * 3600 % 10000)) = 0 ]
}

docker_start() {
  influxdb_can_set_up
  if ! compose up --detach --wait --wait-timeout "$(setting START_TIMEOUT_SECONDS 180)"; then
    compose ps --all >&2
    last_words >&2
    name_taken_ports >&2
    echo "Not everything is healthy. Look: ./run.sh logs <service>" >&2
    return 1
  fi
  compose ps
  local address
  address=$(setting BIND_ADDRESS 127.0.0.1)
  cat <<ADDRESSES

NATS        nats://$address:$(setting NATS_PORT 4222), monitoring http://$address:$(setting NATS_MONITOR_PORT 8222)
InfluxDB    http://$address:$(setting INFLUXDB_PORT 8086)
Grafana     http://$address:$(setting GRAFANA_PORT 3000)
Prometheus  http://$address:$(setting PROMETHEUS_PORT 9090)
HTTP        http://$address:$(setting GATEWAY_HTTP_PORT 5000)/docs

Try next:
  ./run.sh query devices           every device, and when it was last seen
  ./run.sh query alerts_critical   what is failing
  ./run.sh status                  how the services are
ADDRESSES
}

# What services said that do not stay up: a setting that is wrong, say.
last_words() {
  local service state
  while read -r service state; do
    case "$state" in restarting | exited) compose logs --no-log-prefix --tail 5 "$service" </dev/null ;; esac
  done <<<"$(compose ps --all --format '{{.Service}} {{.State}}')"
}

# A port that somebody answers on, and no container of ours publishes.
name_taken_ports() {
  local pair name port
  for pair in NATS_PORT:4222 NATS_MONITOR_PORT:8222 INFLUXDB_PORT:8086 GRAFANA_PORT:3000 \
    PROMETHEUS_PORT:9090 DAEMON_HTTP_PORT:9101 WRITER_HTTP_PORT:9102 READER_HTTP_PORT:9103 \
    CLIENT_HTTP_PORT:9104 GATEWAY_HTTP_PORT:5000; do
    name=${pair%%:*}
    port=$(setting "$name" "${pair#*:}")
    if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null &&
      [ -z "$(docker ps --quiet --filter "publish=$port" --filter label=com.docker.compose.project=spindle)" ]; then
      echo "port $port is taken; free it, or set $name to a port that is free"
    fi
  done
}

# Volumes stay: without --volumes, data outlives its containers.
docker_stop() {
  compose_as_it_runs down
  echo "stopped; the data is kept"
}

docker_restart() {
  local service
  no_more_words restart "${@:2}"
  [ $# != 0 ] || influxdb_can_set_up # before anything is stopped
  if [ $# != 0 ]; then
    service=$(known_service "$1")
    if [ -n "$(compose ps --quiet)" ]; then
      compose restart "$service"
      return
    fi
    echo "Spindle does not run here; starting all of it"
  else
    docker_stop
  fi
  docker_start
}

docker_status() {
  local json="" rows service state since health
  if [ "${1:-}" = --json ]; then
    json=1
    shift
  fi
  no_more_words status "$@"
  rows=$(compose_as_it_runs ps --all --format $'{{.Service}}\t{{.State}}\t{{.RunningFor}}\t{{.Health}}')
  if [ -n "$json" ]; then
    compose_as_it_runs ps --all --format json 2>/dev/null # what is wrong has been said
  else
    printf '%-12s%-14s%-22s%s\n' service state since health
    while IFS=$'\t' read -r service state since health; do
      printf '%-12s%-14s%-22s%s\n' "$service" "$state" "$since" "${health:--}"
    done <<<"${rows:-$'-\tnothing runs\t-'}"
  fi
  # As without Docker: 3 unless everything runs and is healthy.
  [ -n "$rows" ] && ! grep -qv $'\trunning\t.*\thealthy$' <<<"$rows" || return 3
}

docker_logs() {
  local arguments=() follow=--follow service="" lines=50
  while [ $# -gt 0 ]; do
    case "$1" in
      --no-follow) follow="" ;;
      --follow) follow=--follow ;;
      -n | --lines)
        [ $# -gt 1 ] || die 2 "$1 needs a number"
        lines=$2
        shift
        ;;
      -n*) lines=${1#-n} ;;
      --lines=*) lines=${1#--lines=} ;;
      -*) die 2 "logs knows -n N, --follow and --no-follow, not \"$1\"" ;;
      *)
        service=$(known_service "$1")
        arguments+=("$service")
        ;;
    esac
    shift
  done
  case "$lines" in
    "" | *[!0-9]*) die 2 "-n takes a number of lines, not \"$lines\"" ;;
  esac
  compose_as_it_runs logs ${follow:+"$follow"} --tail "$lines" ${arguments[@]+"${arguments[@]}"}
}

docker_query() { inside client client query "$@"; }
docker_inject() { inside client client inject "$@"; }
docker_deadletters() { inside client client deadletters "$@"; }
docker_repair() { inside writer writer.repair "$@"; }

# ---- copies of the data --------------------------------------------------------------------------

# The folders of the store in the volumes of the one service that has it. A database that is stopped
# is its files; they go through tar in the service's own image, which keeps their owners.
STORE_SERVICE="" STORE_ROOT="" STORE_MARK="" STORE_FOLDERS=()

find_store() {
  local store
  store=$(setting STORE_URL "$(setting INFLUXDB_HOST "")")
  case "$store" in sqlite:////app/*) store=sqlite:///${store#sqlite:////app/} ;; esac
  case "$store" in
    sqlite:///.spindle/*)
      STORE_SERVICE=writer STORE_ROOT=/app STORE_FOLDERS=(.spindle)
      STORE_MARK=${store#sqlite:///}
      STORE_MARK=${STORE_MARK%%\?*}
      ;;
    "")
      STORE_SERVICE=influxdb STORE_ROOT=/ STORE_FOLDERS=(var/lib/influxdb2 etc/influxdb2)
      STORE_MARK=var/lib/influxdb2/influxd.bolt
      ;;
    *)
      die 2 "$1 is for a store in the volumes of the containers here; STORE_URL or INFLUXDB_HOST names another," \
        "and InfluxDB has its own tools: influx backup (2.x), influxd backup (1.x)"
      ;;
  esac
}

# in_store <program> <words>...: in a container of its own that has the store's volumes.
in_store() {
  local program=$1
  shift
  compose run --rm --no-deps -T --entrypoint "$program" "$STORE_SERVICE" "$@"
}

# nothing_runs <command> <words of the user>...
nothing_runs() {
  [ $# = 2 ] || die 2 "$1 takes the name of one file"
  find_store "$1"
  umask 077 # passwords and tokens are in a copy, too
  [ -z "$(compose ps --quiet)" ] ||
    die 2 "$1 in containers needs them stopped, so that the files are of one moment: ./run.sh stop first" \
      "(for what runs without Docker: SPINDLE_MODE=local)"
}

docker_backup() {
  nothing_runs backup "$@"
  local file=$1
  [ ! -e "$file" ] || die 2 "$file exists; name a file that does not"
  [ -d "$(dirname "$file")" ] || die 2 "there is no folder $(dirname "$file")"
  if ! in_store tar -C "$STORE_ROOT" -czf - "${STORE_FOLDERS[@]}" >"$file.part" || ! is_copy "$file.part"; then
    rm -f "$file.part"
    die 1 "the data could not be copied; see above (for what runs without Docker: SPINDLE_MODE=local)"
  fi
  mv "$file.part" "$file"
  echo "$file: the data of $STORE_SERVICE, checked"
}

# Whole, and of this store.
is_copy() {
  local names
  names=$(in_store tar -tzf - <"$1") || return 1
  grep -qF -- "$STORE_MARK" <<<"$names" || {
    echo "run.sh: there is no $STORE_MARK in $1" >&2
    return 1
  }
}

docker_restore() {
  nothing_runs restore "$@"
  local file=$1 kept folder clear=""
  [ -f "$file" ] || die 2 "there is no file $file"
  is_copy "$file" || die 2 "$file is no copy that ./run.sh backup made of the data of $STORE_SERVICE"
  kept="$file.before-$(date +%Y%m%d-%H%M%S)"
  in_store tar -C "$STORE_ROOT" -czf - "${STORE_FOLDERS[@]}" >"$kept" ||
    die 1 "what is there now could not be copied first; nothing was changed"
  for folder in "${STORE_FOLDERS[@]}"; do clear+="rm -rf $folder/* $folder/.[!.]* && "; done
  in_store sh -c "cd $STORE_ROOT && ${clear}tar -xzf -" <"$file" ||
    die 1 "the copy could not be put back whole; what was there before is $kept"
  echo "restored from $file; what was there before is $kept"
}

# inside <service> <module> <words>...
inside() {
  local service=$1 terminal=-T
  shift
  if [ -t 0 ] && [ -t 1 ]; then terminal=""; fi
  compose exec ${terminal:+"$terminal"} "$service" python -m "$@"
}

# A service's name from it or from what the old platform called it.
known_service() {
  local name=$1 names
  case "$name" in
    daemon-service-go | writer-service-go | client-service-go) name=${name%-service-go} ;;
    reader-service-py) name=reader ;;
  esac
  # Whole: grep -q ends early, and pipefail would call that a no.
  names=$(compose config --services 2>/dev/null || compose_as_it_runs ps --all --format '{{.Service}}')
  if ! grep -qxF -- "$name" <<<"$names"; then
    die 2 "there is no service \"$name\"; there are $(sort <<<"$names" | tr '\n' ' ')"
  fi
  echo "$name"
}
