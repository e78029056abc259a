#!/usr/bin/env python3
"""What a loaded model takes of memory: resident size after load, and the peak during load.

usage: memory_use.py --quantd build/release/bin/quantd MODEL.gguf [MODEL.gguf ...]

Serves each model once, with one sequence of KV cache, and reads /proc/PID/status of the server.
The KV cache is resident only where it was used, so here the limits are those without it: all that
is resident (VmRSS) at most the file + 5 %, its peak (VmHWM) at most 1.3 times the file. The part of
it that is the code of the program and its libraries (RssFile) is the same for every model, so a
file of less than half a gigabyte may miss the first. Prints a table; exit code 1 beyond the limits.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

RESIDENT_LIMIT, PEAK_LIMIT = 1.05, 1.3


def measure(quantd, model):
    """(resident, code, peak) in bytes, once the server says that it is ready."""
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            [quantd, "serve", "--model", f"m={model}", "--grpc-address", "127.0.0.1:0",
             "--http-address", "", "--engine-max-sequences", "1"], stderr=log)
        try:
            text = ""
            while not re.search(r"info +ready", text):
                time.sleep(0.05)
                log.seek(0)
                text = log.read()
                if server.poll() is not None or "FAILED" in text:
                    sys.exit(text)
            with open(f"/proc/{server.pid}/status", encoding="utf-8") as status:
                fields = dict(line.split(":", 1) for line in status)
        finally:
            server.kill()
            server.wait()
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "RssFile", "VmHWM"))


def main():
    args = argparse.ArgumentParser(description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--quantd", required=True)
    args.add_argument("models", nargs="+", metavar="MODEL")
    options = args.parse_args()
    print(f"{'model':28}{'file MB':>9}{'resident':>10}{'of file':>9}{'code':>6}{'peak':>7}{'of file':>9}")
    kept = True
    for model in options.models:
        size = os.path.getsize(model)
        resident, code, peak = measure(options.quantd, model)
        kept = kept and resident <= RESIDENT_LIMIT * size and peak <= PEAK_LIMIT * size
        print(f"{os.path.basename(model):28}{size / 1e6:9.0f}{resident / 1e6:10.1f}"
              f"{resident / size:9.3f}{code / 1e6:6.0f}{peak / 1e6:7.0f}{peak / size:9.3f}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
