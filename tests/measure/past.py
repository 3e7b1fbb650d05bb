"""A long past with all that can happen in one, and what asking it costs. See scripts/past."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from checker.kafka import consumer, ends
from harness import Failure, say
from measure.world import Member, files_below, MIB, measure, table

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "processor" / "judge" / "tests" / "corpus" / "measured.toml"
PATIENCE = 1800.0
PARTITIONS = 8
# Instead of the levels of that policy.
STRICTER = "default = { flag = 1, mask = 2, block = 3, escalate = 7 }"
MILDER = "default = { flag = 3, mask = 6, block = 7 }"
# One mute in a while.
SELDOM = "{ gte = 50.0,"
SOONER = "{ gte = 1.5,"
LEVELS = "default = { flag = 2, mask = 3, block = 5, escalate = 7 }"


def options():
    parser = argparse.ArgumentParser(prog="scripts/past", description="Makes a long past, and asks it everything.")
    parser.add_argument("--gavel", required=True, type=Path, help="the binary; the examples are beside it")
    parser.add_argument("--messages", type=int, default=5_000_000, help="default 5,000,000")
    parser.add_argument("--users", type=int, default=200_000, help="default 200,000")
    parser.add_argument("--terms", type=int, default=10_000, help="of the policies (default 10,000)")
    parser.add_argument("--heap", default="1g", help="of the broker")
    parser.add_argument("--work", type=Path, help="keep data and logs below this directory")
    return parser.parse_args()


class Past:
    def __init__(self, chosen, gavel):
        self.chosen, self.gavel = chosen, gavel
        self.rows = []
        self.corpus = gavel.work / "corpus"
        self.member = Member(
            "data",
            gavel,
            GAVEL_CHECKPOINTS_STORE=str(gavel.work / "checkpoints"),
            GAVEL_CHECKPOINTS_EVERY_MS="3000",
            # Whatever a checkpoint has is fetched.
            GAVEL_CHECKPOINTS_NEAR_RECORDS="1000",
            GAVEL_CHECKPOINTS_ANCHOR_EVERY_MS="5000",
            GAVEL_RUN_LANES="2",
        )
        gavel.env["GAVEL_CHECKPOINTS_STORE"] = str(gavel.work / "checkpoints")
        self.reader = consumer(gavel.bootstrap, log_level=0)

    def run(self):
        self.make()
        self.ask()
        self.reader.close()
        heads = [f"{self.chosen.messages:,} messages, {self.chosen.users:,} users, {self.chosen.terms:,} terms", "records", "s", "CPU s", "records/s", "us CPU each", "peak RSS MiB"]
        for line in table(heads, self.rows):
            print(line)
        return True

    # ------------------------------------------------------------------ the past

    def example(self, name, *words):
        return [str(self.chosen.gavel.parent / "examples" / name), *map(str, words)]

    def policies(self):
        self.corpus.mkdir()
        subprocess.run(self.example("corpus", self.corpus, self.chosen.terms, 80, 20_000, 80), check=True, timeout=PATIENCE)
        text = POLICY.read_text()
        if LEVELS not in text or SELDOM not in text:
            raise Failure(f"{POLICY} has other levels than this script knows")
        text = text.replace(SELDOM, SOONER)
        named = {"first": text, "stricter": text.replace(LEVELS, STRICTER), "milder": text.replace(LEVELS, MILDER)}
        for name, policy in named.items():
            (self.corpus / f"{name}.toml").write_text(policy.replace('id = "measured"', f'id = "{name}"'))
        return {name: self.corpus / f"{name}.toml" for name in named}

    def make(self):
        chosen, gavel, member = self.chosen, self.gavel, self.member
        self.named = self.policies()
        gavel.call("topics", "create", "--partitions", PARTITIONS)
        gavel.call("policy", "activate", self.named["first"])
        member.start()
        began = time.monotonic()
        words = self.example("preload", gavel.bootstrap, gavel.topics["messages"], chosen.messages, chosen.users, self.corpus / "texts.txt")
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as sending:
            # Somewhere in the middle of it all.
            for name in ("stricter", "milder"):
                time.sleep(1.5)
                gavel.call("policy", "activate", self.named[name])
            time.sleep(1.5)
            gavel.call("policy", "rollback", "--reason", "for the measurement")
            self.rolled_back = datetime.now(timezone.utc)
            if sending.poll() is not None:
                say("past: all messages were sent before the last order; give --messages more")
            self.wait("judged", lambda: sum(member.offsets("acknowledged").values()), chosen.messages // 3)
            member.kill()
            shutil.rmtree(member.data)
            say("past: kill -9, and the data directory is gone")
            member.start()
            if sending.wait(PATIENCE):
                raise Failure("the messages could not be sent")
        self.drain()
        say(f"past: {chosen.messages:,} messages judged in {time.monotonic() - began:.0f} s")
        if "restored from a checkpoint" not in member.log.read_text():
            raise Failure("no partition came back from a checkpoint; was the run too short for one?")
        self.appeal_and_erase()
        self.drain()
        member.terminate()
        size = files_below(gavel.work / "checkpoints")[2] / MIB
        say(f"past: {size:,.0f} MiB of checkpoints")

    def wait(self, what, value, goal):
        began = time.monotonic()
        while value() < goal:
            self.member.processor.check_alive()
            if time.monotonic() - began > PATIENCE:
                raise Failure(f"{what} is {value()} and not {goal} after {PATIENCE:.0f} s")
            time.sleep(0.1)

    def drain(self):
        goal = sum(end - 1 for _, end in ends(self.reader, self.gavel.topics["messages"]).values())
        self.wait("acknowledged", lambda: sum(self.member.offsets("acknowledged").values()), goal)

    def appeal_and_erase(self):
        gavel = self.gavel
        (muting,) = gavel.json("verdicts", "--code", "muted", "--limit", 1, within=600)
        self.muted = f"{muting['source_partition']}:{muting['source_offset']}"
        self.user = (muting["community"], muting["user"])
        timeline = gavel.json("replay", "timeline", "--community", self.user[0], "--user", self.user[1], within=PATIENCE)[0]
        gave = [entry for entry in timeline["entries"] if any(effect["kind"] == "mute" for effect in entry["verdict"]["effects"])]
        if not gave:
            raise Failure(f"nothing muted {self.user}, who was muted")
        verdict = gave[-1]["verdict"]
        place = f"{verdict['source_partition']}:{verdict['source_offset']}"
        gavel.call("state", "overturn", place, "--by", "scripts/past", "--reason", "for the measurement")
        (other,) = gavel.json("verdicts", "--action", "block", "--partition", (verdict["source_partition"] + 1) % PARTITIONS, "--limit", 1, within=600)
        gavel.call("state", "erase", "--community", other["community"], "--user", other["user"], "--by", "scripts/past", "--reason", "for the measurement")

    # ------------------------------------------------------------------ the questions

    def ask(self):
        whole = self.timed("verify, all of it", "replay", "verify", records=lambda said: sum(one["records"] for one in said))
        if not all(one["records"] == one["equal"] for one in whole):
            raise Failure(f"not every verdict is equal: {whole}")
        kinds = {order["kind"] for one in whole for order in one["orders"]}
        if kinds != {"policy-activated", "verdict-overturned", "user-erased"}:
            raise Failure(f"the past has orders of the kinds {kinds}")
        met = [checkpoint for one in whole for checkpoint in one["checkpoints"]]
        if not met or any(checkpoint["wrong"] for checkpoint in met):
            raise Failure(f"checkpoints: {met}")
        say(f"past: {sum(one['equal'] for one in whole):,} verdicts equal, {len(met)} checkpoints equal")
        self.timed("verify, without checkpoints", "replay", "verify", "--checkpoints", "none", records=lambda said: sum(one["records"] for one in said))
        half = sum(one["end"] for one in whole) // PARTITIONS * 3 // 4
        self.timed("verify, the last quarter", "replay", "verify", "--from", half, records=lambda said: sum(one["records"] + one["lead_in"] for one in said))
        since = ("--from", self.rolled_back.isoformat().replace("+00:00", "Z"))
        compared = lambda said: said[0]["compared"]  # noqa: E731
        (same,) = self.timed("what if the policy that judged", "replay", "what-if", "--policy", self.named["stricter"], *since, records=compared)
        if same["differing"] or not same["compared"]:
            raise Failure(f"the policy that judged differs from itself: {same}")
        (other,) = self.timed("what if another one", "replay", "what-if", "--policy", self.named["milder"], records=compared)
        if not other["differing"]:
            raise Failure("another policy differs nowhere")
        self.timed("explain a muted message", "replay", "explain", self.muted, records=lambda said: said[0]["folded"])
        community, user = self.user
        self.timed("timeline of a user", "replay", "timeline", "--community", community, "--user", user, records=lambda said: said[0]["folded"])

    def timed(self, name, *words, records):
        """What a command says as JSON; a row of what it cost."""
        command = self.gavel.command("--output", "json", *words)
        began = time.monotonic()
        out = self.gavel.work / "said.jsonl"
        with open(out, "wb") as said:
            process = subprocess.Popen(command, env=self.gavel.env, stdout=said, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        if os.waitstatus_to_exitcode(status):
            raise Failure(f"`gavel {' '.join(map(str, words))}` exited with {os.waitstatus_to_exitcode(status)}")
        answers = [json.loads(line) for line in out.read_text().splitlines()]
        count, cpu = records(answers), used.ru_utime + used.ru_stime
        self.rows.append([name, f"{count:,}", f"{took:.1f}", f"{cpu:.1f}", f"{count / took:,.0f}", f"{cpu / max(count, 1) * 1e6:.2f}", f"{used.ru_maxrss / 1024:,.0f}"])
        say(f"past: {name}: {count:,} records in {took:.1f} s")
        return answers


def main():
    chosen = options()
    return measure("past", chosen, chosen.heap, lambda gavel: Past(chosen, gavel).run())


if __name__ == "__main__":
    sys.exit(main())
