"""Runs the foreign client (interop.py) against a processor on a real broker.

python -m interop.interop_test --bootstrap HOST:PORT --gavel PATH [--work DIR]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import SCHEMAS, Failure, Gavel, say

HERE = Path(__file__).resolve().parent


def test(options):
    with Gavel(options.gavel, options.bootstrap, options.work, "interop") as gavel:
        gavel.call("topics", "create", "--partitions", 4)
        gavel.call("policy", "activate", gavel.publish(HERE / "policy.toml"))
        processor = gavel.run("processor", "run")
        client = [sys.executable, "-m", "interop.interop", "--bootstrap", options.bootstrap, "--schemas", SCHEMAS]
        client += ["--messages", gavel.topics["messages"], "--verdicts", gavel.topics["verdicts"]]
        client += ["--dead-letters", gavel.topics["dead_letters"]]
        done = subprocess.run([str(word) for word in client], cwd=HERE.parent, timeout=300)
        if done.returncode:
            raise Failure(f"the client found mistakes; the end of {processor.log}:\n{processor.tail()}")
        processor.terminate(within=10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--gavel", required=True, help="the binary")
    parser.add_argument("--work", default=tempfile.gettempdir(), help="where data and logs go")
    try:
        test(parser.parse_args())
    except Failure as failure:
        say(f"interop: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
