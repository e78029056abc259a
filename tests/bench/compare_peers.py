#!/usr/bin/env python3
"""quantd bench beside builds of llama.cpp or its forks: all in turn, round after round, medians.

usage: compare_peers.py --quantd QUANTD --peer NAME=FOLDER [--peer ...] --model FILE [--model ...]
FOLDER holds llama-bench and llama-batched-bench. Prints a Markdown table: median tokens per second
of each, and the median over the rounds of how many times the round's fastest peer quantd is: a
machine that others use too swings, and the programs of a round meet more or less the same one.
With --json both as one object.

Batches: every sequence starts from --depth tokens of context. A peer without figures for a test
(a program that failed or is not there) is shown as "-". Nothing else should run meanwhile.
"""
import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys


def run(command, environment=None, errors=False):
    """What a command prints, "" when it fails; with `errors` also to standard error."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False,
                              env={**os.environ, **(environment or {})})
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if done.returncode != 0:
        return ""
    return done.stdout + (done.stderr if errors else "")


def quantd(args, model):
    """{test: tokens per second} of one run; "read" and "share": GB/s of the machine, share used."""
    batches = ",".join(map(str, [1] + args.batch))
    environment = {"QUANTD_FORCE_ISA": args.force_isa} if args.force_isa else {}
    out = run([args.quantd, "bench", model, "--json", "--threads", str(args.threads), "--prompt",
               str(args.prompt), "--gen", str(args.gen), "--depth", str(args.depth), "--batch",
               batches, "--reps", "1"], environment)
    if not out:
        sys.exit(f"{args.quantd} bench {model} failed")
    report = json.loads(out)
    result = {"read GB/s": report["host"]["read_gb_per_second"]}
    for row in report["results"]:
        name = "prefill" if row["test"] == "prefill" else f"decode {row['batch']}"
        result[name] = row["tokens_per_second"]
        if name == "decode 1":
            result["share of read"] = row["bandwidth_share"]
    return result


def peer(args, folder, model):
    """As quantd(), of a peer."""
    result = {}
    threads = ["-t", str(args.threads)]
    out = run([f"{folder}/llama-bench", "-m", model, *threads, "-p", str(args.prompt), "-n",
               str(args.gen), "-r", "1", "-o", "csv"])
    for row in csv.DictReader(line for line in out.splitlines() if "," in line):
        result["prefill" if row["n_gen"] == "0" else "decode 1"] = float(row["avg_ts"])
    if not args.batch:
        return result
    out = run([f"{folder}/llama-batched-bench", "-m", model, *threads, "-c", "4096", "-b", "2048",
               "-ub", "512", "-npp", str(args.depth), "-ntg", str(args.gen), "-npl",
               ",".join(map(str, args.batch))], errors=True)
    for line in out.splitlines():  # a fork prints the table to standard error
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 9 and cells[3].isdigit():
            result[f"decode {cells[3]}"] = float(cells[8])
    return result


def advantage(runs, test):
    """How many times the round's fastest peer quantd is, median over the rounds; None without."""
    ratios = []
    for results in zip(*runs.values()):
        mine, *theirs = (result.get(test) for result in results)
        known = [value for value in theirs if value]
        if mine and known:
            ratios.append(mine / max(known))
    return statistics.median(ratios) if ratios else None


def table(medians, advantages):
    """The Markdown lines of one model."""
    lines = ["| test | " + " | ".join(medians) + " | times the fastest peer |",
             "|---" * (len(medians) + 2) + "|"]
    for test, ratio in advantages.items():
        cells = [f"{medians[name][test]:.1f}" if medians[name].get(test) else "-"
                 for name in medians]
        cells.append(f"{ratio:.2f}" if ratio else "-")
        lines.append(f"| {test} | " + " | ".join(cells) + " |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quantd", required=True, help="the program")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--model", action="append", required=True, metavar="FILE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--gen", type=int, default=16)
    parser.add_argument("--depth", type=int, default=64)
    parser.add_argument("--batch", type=lambda text: [int(n) for n in text.split(",") if n],
                        default=[8, 16, 32], help='batches beside 1 (default 8,16,32; "" = none)')
    parser.add_argument("--force-isa", default="", help="confine quantd to an instruction set")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    peers = dict(text.split("=", 1) for text in args.peer)
    names = ["quantd", *peers]
    everything = {}
    for model in args.model:
        runs = {name: [] for name in names}
        for number in range(args.rounds):
            print(f"{pathlib.Path(model).name}: round {number + 1} of {args.rounds}",
                  file=sys.stderr)
            runs["quantd"].append(quantd(args, model))
            for name, folder in peers.items():
                runs[name].append(peer(args, folder, model))
        medians = {name: {test: statistics.median(r[test] for r in rounds if test in r)
                          for test in rounds[0]} for name, rounds in runs.items()}
        advantages = {test: advantage(runs, test) for test in medians["quantd"]
                      if test.startswith(("prefill", "decode"))}
        everything[pathlib.Path(model).name] = {**medians, "times the fastest peer": advantages}
        if not args.json:
            print(f"\n{pathlib.Path(model).name}: reads {medians['quantd']['read GB/s']:.1f} GB/s, "
                  f"decode 1 uses {medians['quantd']['share of read']:.0%}\n")
            print("\n".join(table(medians, advantages)), flush=True)
    if args.json:
        print(json.dumps(everything))


if __name__ == "__main__":
    main()
