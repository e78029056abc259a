#!/usr/bin/env python3
"""What continuous batching gives: N greedy streams at once against the same N one after the other.

usage: concurrent_streams.py [--server HOST:PORT] [--model NAME] [--streams 16] [--tokens 128]
needs: pip install grpcio grpcio-tools; a running server (quantd serve --config config/quantd.yaml)

Checks that both ways give the same tokens, then prints total tokens per second of each, as JSON.
Exit code 1 when a stream differs.
"""
import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import grpc

PROMPTS = ["ROMEO:", "KING RICHARD III:", "First Citizen:", "JULIET:", "MENENIUS:", "What light",
           "O, she doth teach", "Now is the winter"]


def load_stubs():
    """Generates the stubs from proto/ into a temporary folder and imports them."""
    proto = pathlib.Path(__file__).resolve().parents[2] / "proto"
    out = tempfile.mkdtemp()
    files = [str(f) for f in sorted(proto.glob("quantd/v1/*.proto"))]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{proto}", f"--python_out={out}",
                    f"--grpc_python_out={out}", *files], check=True)
    sys.path.insert(0, out)
    from quantd.v1 import inference_pb2, inference_pb2_grpc
    return inference_pb2, inference_pb2_grpc


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    args.add_argument("--server", default="127.0.0.1:8433")
    args.add_argument("--model", default="")
    args.add_argument("--streams", type=int, default=16)
    args.add_argument("--tokens", type=int, default=128)
    args.add_argument("--reps", type=int, default=3, help="repetitions; the median is printed")
    a = args.parse_args()
    pb, rpc = load_stubs()
    stub = rpc.InferenceStub(grpc.insecure_channel(a.server))

    def stream(i):
        request = pb.GenerateRequest(model=a.model, text=PROMPTS[i % len(PROMPTS)], ignore_eos=True,
                                     max_tokens=a.tokens, sampling=pb.SamplingParams(temperature=0))
        return [t for e in stub.GenerateStream(request, timeout=300) for t in e.delta.token_ids]

    def timed(run):
        began = time.perf_counter()
        ids = run()
        return ids, sum(map(len, ids)) / (time.perf_counter() - began)

    pool = concurrent.futures.ThreadPoolExecutor(a.streams)
    stream(0)  # warm-up
    alone, together, equal = [], [], True
    for _ in range(a.reps):
        one, rate = timed(lambda: [stream(i) for i in range(a.streams)])
        alone.append(rate)
        many, rate = timed(lambda: list(pool.map(stream, range(a.streams))))
        together.append(rate)
        equal = equal and one == many
    median = lambda values: sorted(values)[len(values) // 2]
    print(json.dumps({"streams": a.streams, "tokens_each": a.tokens, "equal_tokens": equal,
                      "one_at_a_time_tokens_per_second": round(median(alone), 1),
                      "at_once_tokens_per_second": round(median(together), 1),
                      "ratio": round(median(together) / median(alone), 2)}))
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
