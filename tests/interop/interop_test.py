"""Runs the foreign client (interop.py) against a processor on a real broker.

python -m interop.interop_test --bootstrap HOST:PORT --gavel PATH [--work DIR]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import SCHEMAS, Failure, Gavel, say

HERE = Path(__file__).resolve().parent


def test(options):
    with Gavel(options.gavel, options.bootstrap, options.work, "interop") as gavel:
        gavel.call("topics", "create", "--partitions", 4)
        gavel.call("policy", "activate", gavel.publish(HERE / "policy.toml"))
        for framing in ("confluent:41", "glue:b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63"):
            gavel.call("schemas", "add", framing, HERE / "said.avsc")
        processor = gavel.run("processor", "run")
        client = [sys.executable, "-m", "interop.interop", "--bootstrap", options.bootstrap, "--schemas", SCHEMAS]
        client += ["--messages", gavel.topics["messages"], "--verdicts", gavel.topics["verdicts"]]
        client += ["--dead-letters", gavel.topics["dead_letters"]]
        if run_beside(processor, [str(word) for word in client]):
            raise Failure(f"the client found mistakes; the end of {processor.log}:\n{processor.tail()}")
        processor.terminate(within=10)


def run_beside(processor, command):
    """Runs the client as long as the processor lives; returns its exit code."""
    client = subprocess.Popen(command, cwd=HERE.parent)
    try:
        while client.poll() is None:
            processor.check_alive()
            time.sleep(0.1)
        return client.returncode
    finally:
        client.kill()
        client.wait()


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
