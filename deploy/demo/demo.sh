#!/usr/bin/env bash
# The demo: serves the bundled model, streams text from it over gRPC, runs 16 requests at once,
# shows which kernel each format got and what the metrics say, then drains the server.
# usage: demo.sh BIN_DIR   (the folder that holds quantd and quantctl)
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${1:?usage: demo.sh BIN_DIR}
work=$(mktemp -d)
server=""
cleanup() {
  if [ -n "$server" ]; then
    tail -n 20 "$work/server.log" >&2
    kill -KILL "$server" 2>/dev/null
  fi
  rm -rf "$work"
}
trap cleanup EXIT

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
free_port() {  # a port nobody listens on
  local port
  for port in $(shuf -i 20000-30000 -n 50); do
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}
grpc=127.0.0.1:$(free_port)
http=127.0.0.1:$(free_port)
export QUANTD_SERVER=$grpc

say "quantd serve --config config/quantd.yaml --model shakespeare-q4_0=config/models/shakespeare-6m-Q4_0.gguf"
"$bin/quantd" serve --config config/quantd.yaml --model shakespeare-q4_0=config/models/shakespeare-6m-Q4_0.gguf \
  --grpc-address "$grpc" --http-address "$http" 2>"$work/server.log" &
server=$!
for _ in $(seq 200); do
  curl -fs "http://$http/readyz" >/dev/null 2>&1 && break
  kill -0 "$server" 2>/dev/null || { cat "$work/server.log"; echo "demo: the server did not start" >&2; exit 1; }
  sleep 0.1
done
curl -fsS "http://$http/readyz" >/dev/null
"$bin/quantctl" models

say "quantctl stream --model shakespeare --prompt 'ROMEO:' --max-tokens 80 --greedy"
"$bin/quantctl" stream --model shakespeare --prompt 'ROMEO:' --max-tokens 80 --greedy
echo

say "16 streams at once"
pids=()
start=$(date +%s%N)
for i in $(seq 16); do
  "$bin/quantctl" generate --model shakespeare --prompt "KING RICHARD III:" --max-tokens 64 --seed "$i" \
    --json >"$work/stream.$i.json" &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
end=$(date +%s%N)
echo "16 x up to 64 tokens in $(((end - start) / 1000000)) ms, $(cat "$work"/stream.*.json | wc -c) bytes of answers"

say "The kernel that each format gets on this machine (quantd kernels)"
"$bin/quantd" kernels --chosen

say "An excerpt of http://$http/metrics"
curl -fsS "http://$http/metrics" >"$work/metrics.txt"
grep -E '^quantd_(requests|prompt_tokens|generation_tokens|gemm_seconds|gemm_bytes)_total' "$work/metrics.txt" |
  grep -v ' 0$'
grep -E '^quantd_(kv_cache_usage_ratio|requests_running|time_to_first_token_seconds_(count|sum)|inter_token_latency_seconds_(count|sum))' \
  "$work/metrics.txt"
grep -E '^quantd_kernel_info.*model="shakespeare"' "$work/metrics.txt"

say "SIGTERM: drain and stop"
kill -TERM "$server"
wait "$server"
server=""
echo "quantd exited 0"
