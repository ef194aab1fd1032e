#!/bin/sh
# Runs a core and an edge on this machine and lets an event and two calls cross
# the uplink between them. See README.md.
set -eu
cd "$(dirname "$0")"
bondy=${BONDY:-../../bin/bondy}
export CORE_PORT="${CORE_PORT:-18080}" EDGE_PORT="${EDGE_PORT:-18180}" UPLINK_PORT="${UPLINK_PORT:-18092}"
core="--realm com.example.plant --url ws://127.0.0.1:$CORE_PORT/ws"
edge="--realm com.example.plant --url ws://127.0.0.1:$EDGE_PORT/ws"

pids=
stop() {
	for pid in $pids; do kill "$pid" 2>/dev/null || true; done
	wait
}
trap stop EXIT
trap 'exit 1' INT TERM

# start NAME COMMAND... runs a command beside this script, with data/NAME.log.
start() {
	log=data/$1.log
	shift
	"$@" >"$log" 2>&1 &
	pids="$! $pids"
}

# await COMMAND waits until the command succeeds.
await() {
	tries=0
	until eval "$1" >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ $tries -gt 200 ]; then
			echo "no success of: $1" >&2
			tail -n 20 data/*.log >&2
			exit 1
		fi
		sleep 0.1
	done
}

rm -rf data
mkdir data

echo "== an authority, and a certificate for each node"
"$bondy" pki init --dir data/pki
"$bondy" pki issue --dir data/pki --address 127.0.0.1 core-1
"$bondy" pki issue --dir data/pki --role edge gateway-17

echo "== a key with which the edge logs in to the realm"
GATEWAY_KEY=$("$bondy" pki key data/gateway-17.seed)
export GATEWAY_KEY
echo "public key $GATEWAY_KEY"

echo "== both nodes"
start core "$bondy" serve --config core.toml
start edge "$bondy" serve --config edge.toml
await 'grep "realm bridged" data/edge.log'

# The clients at the core, then one at the edge. Once the nodes have told each
# other of them, messages cross.
start subscriber "$bondy" subscribe $core --match prefix com.example.telemetry.
start cloud "$bondy" register $core com.example.cloud.echo --echo
start device "$bondy" register $edge com.example.device.echo --echo
await '"$bondy" uplink show cloud --config edge.toml --output json | grep "\"wanted\": 2"'
await '"$bondy" uplink show gateway-17 --config core.toml --output json | grep "\"wanted\": 1"'
"$bondy" uplink show cloud --config edge.toml

echo "== published at the edge, received at the core"
"$bondy" publish $edge --acknowledge com.example.telemetry.temperature '[21.5]'
await 'grep "^{" data/subscriber.log'
grep '^{' data/subscriber.log

echo "== called at the edge, answered at the core"
"$bondy" call $edge com.example.cloud.echo '["hello from the edge"]'

echo "== called at the core, answered at the edge"
"$bondy" call $core com.example.device.echo '["hello from the core"]'
