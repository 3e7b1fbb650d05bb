"""A Kafka that trusts nobody: who comes in, how, and what each may do.

python -m secure.secure_test --gavel PATH [--work DIR]

- The real commands run as the roles that they are for, over SCRAM, certificates and tokens, with the rights of
  manifests/access/roles.toml and no others.
- Every operation that Kafka has is tried as every role (matrix.py).
- A processor lives through the ends of many tokens, and says what is wrong when no new one comes.
- A pod leaves its seat in the group if its StatefulSet wants it no more (kubernetes.py).
- Traces, log lines and reports work as pods need them (pods.py).
- Brokers are found by the ARN of their cluster, and the token for MSK is checked as Amazon checks it (amazon.py).
"""

import argparse
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from harness import Failure, Gavel, ask, await_progress, say
from secure import amazon, kubernetes, matrix, pods
from secure.broker import ROOT, Broker, environment, token

POLICY = ROOT / "tests/interop/policy.toml"
WORKER = "worker"
# Shorter than a test takes, longer than a machine with other work stands still.
TOKEN_LIVES = 12


def script(name):
    """A script without an ending, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / "scripts" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


class Site:
    """One set of topics, seen by everyone as the role that they have."""

    def __init__(self, options, broker):
        self.broker = broker
        self.gavel = Gavel(options.gavel, broker.plain, options.work, "secure")
        self.plain = dict(self.gavel.env)
        self.prefix = f"{self.gavel.prefix}."
        self.topics = {name.replace("_", "-"): topic for name, topic in self.gavel.topics.items()}

    def __enter__(self):
        self.gavel.__enter__()
        return self

    def __exit__(self, *error):
        self.gavel.__exit__(*error)

    def become(self, properties, **more):
        """From now on commands come in like this."""
        self.gavel.env = {**self.plain, **environment(properties), **more}

    def by_token(self, file):
        """Environment for a process that comes in with the token in this file."""
        ca = self.broker.certificates.ca
        return {
            **self.plain,
            "GAVEL_KAFKA_BOOTSTRAP_SERVERS": self.broker.oauth,
            "GAVEL_KAFKA_AUTH": "token-file",
            "GAVEL_KAFKA_TOKEN_FILE": str(file),
            "GAVEL_KAFKA_PROPERTIES": f"ssl.ca.location={ca}",
        }

    def verdicts(self):
        """How many there are."""
        self.gavel.env = self.plain
        return len(self.gavel.json("verdicts", "--from", "beginning"))

    def say_something(self, count=3):
        lines = "".join(f'{{"community":"arena","channel":"lobby","user":"user-{i}","text":"hello"}}\n' for i in range(count))
        file = self.gavel.work / "lines.jsonl"
        file.write_text(lines)
        self.become(self.broker.by_scram("producer"))
        self.gavel.call("produce", file)


def judged(site, processor, count):
    """Waits until so many verdicts more are there than were before."""
    before = site.verdicts()
    site.say_something(count)
    await_progress(site.verdicts, before + count, processor)


def roles_do_their_work(site):
    """Returns nothing; afterwards a policy is in force."""
    acls = script("acls").acls
    for role in site.broker.users:
        site.broker.grant(role, acls(role, site.prefix, site.gavel.prefix))
    gavel, broker = site.gavel, site.broker
    site.become(broker.by_scram("operator"))
    gavel.call("topics", "create", "--partitions", 4)
    gavel.call("topics", "check")
    gavel.call("policy", "activate", gavel.publish(POLICY))
    for name, properties in (("scram", broker.by_scram(WORKER)), ("tls", broker.by_tls(WORKER))):
        site.become(properties)
        processor = gavel.run(name, "run")
        judged(site, processor, 5)
        processor.terminate(within=30)
        say(f"secure: a processor that came in by {name} judged")
    site.become(broker.by_scram("auditor"))
    gavel.call("replay", "verify")
    gavel.call("policy", "history")
    site.become(broker.by_tls("consumer"))
    if len(gavel.json("verdicts", "--from", "beginning")) < 10:
        raise Failure("a consumer of verdicts does not see them all")


def a_stranger_is_told_so(site):
    for change, expected in (
        ({"sasl.password": "wrong"}, "uthentication"),
        ({"ssl.ca.location": "/etc/hostname"}, "ssl.ca.location"),
    ):
        site.become({**site.broker.by_scram(WORKER), **change})
        try:
            site.gavel.call("topics", "check")
        except Failure as failure:
            if expected not in str(failure):
                raise Failure(f"the refusal of a stranger does not say `{expected}`: {failure}") from failure
        else:
            raise Failure(f"{change} came in")
    site.become(site.broker.by_scram("consumer"))
    for words in (("topics", "check"), ("policy", "publish", str(POLICY))):
        try:
            site.gavel.call(*words)
        except Failure as failure:
            if "ACL" not in str(failure):
                raise Failure(f"a consumer's `{' '.join(words)}` does not speak of the missing ACL: {failure}") from failure
        else:
            raise Failure(f"a consumer may `{' '.join(words)}`")


def tokens_are_renewed(site):
    """A processor lives longer than many tokens, and complains while there is none."""
    file = site.gavel.work / "token"
    stop, renew = threading.Event(), threading.Event()
    renew.set()

    def write():
        while not stop.is_set():
            if renew.is_set():
                fresh = file.with_suffix(".new")
                fresh.write_text(token(WORKER, TOKEN_LIVES))
                os.replace(fresh, file)
            stop.wait(TOKEN_LIVES / 5)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not file.exists():
            time.sleep(0.05)
        # The admin client of rdkafka never asks for tokens; it gets them all the same.
        operator = site.gavel.work / "operator.token"
        operator.write_text(token("operator", 600))
        site.gavel.env = site.by_token(operator)
        site.gavel.call("topics", "create", "--partitions", 4)
        site.gavel.env = site.by_token(file)
        processor = site.gavel.run("token", "run")
        began = time.monotonic()
        while time.monotonic() - began < 2 * TOKEN_LIVES:
            judged(site, processor, 3)
            time.sleep(2)
        renew.clear()
        complaint = f"{file} holds a token that has ended"
        await_progress(lambda: complaint in processor.log.read_text(), 1, processor)
        renew.set()
        judged(site, processor, 3)
        processor.terminate(within=30)
    finally:
        stop.set()
        writer.join()


def everything_is_tried(site):
    roles = script("acls").tomllib.loads((ROOT / "manifests/access/roles.toml").read_text())
    found, tried = [], 0
    for role in site.broker.users:
        member = matrix.Role(site.broker.by_scram(role), site.gavel.prefix)
        mistakes, attempts = matrix.mistakes(role, roles[role], member, site.topics)
        found += mistakes
        tried += attempts
    if found:
        raise Failure("rights are not what manifests/access/roles.toml says:\n" + "\n".join(found))
    say(f"secure: {tried} operations of {len(site.broker.users)} roles were allowed or denied as they should")


def brokers_are_found_by_their_cluster(site):
    doors = {"bootstrapBrokerStringSaslScram": site.broker.scram, "bootstrapBrokerStringTls": site.broker.tls}
    with amazon.Amazon(doors) as stub:
        properties = {**site.broker.by_scram("operator"), "bootstrap.servers": f"msk:{amazon.ARN}"}
        site.become(properties, **stub.environment())
        site.gavel.call("topics", "check")
        if not all(name.startswith(f"{amazon.ACCESS}/") and f"/{amazon.REGION}/kafka/" in name for name in stub.signed_for):
            raise Failure(f"the MSK API was asked by {stub.signed_for}")
        if sum("bootstrap-brokers" in path for path in stub.asked) != 1:
            raise Failure(f"the brokers were asked for more than once: {stub.asked}")
        # No door for IAM: it says which doors there are.
        site.gavel.env = {**site.plain, **stub.environment()}
        site.gavel.env |= {"GAVEL_KAFKA_BOOTSTRAP_SERVERS": f"msk:{amazon.ARN}", "GAVEL_KAFKA_AUTH": "msk-iam"}
        try:
            site.gavel.call("topics", "check")
        except Failure as failure:
            if "no brokers for IAM" not in str(failure) or "SCRAM" not in str(failure):
                raise Failure(f"a cluster without IAM is not explained: {failure}") from failure
        else:
            raise Failure("a cluster without a door for IAM was entered by it")


def the_token_for_msk_is_signed(site):
    certificate, key = site.broker.certificates.sign("msk")
    with amazon.Door(certificate, key) as door, amazon.Amazon({"bootstrapBrokerStringSaslIam": door.address}) as stub:
        site.gavel.env = {**site.plain, **stub.environment()}
        site.gavel.env |= {
            "GAVEL_KAFKA_BOOTSTRAP_SERVERS": f"msk:{amazon.ARN}",
            "GAVEL_KAFKA_AUTH": "msk-iam",
            "GAVEL_KAFKA_PROPERTIES": f"ssl.ca.location={site.broker.certificates.ca}",
        }
        try:
            site.gavel.call("topics", "check")
        except Failure:
            pass  # The door ends after the token.
        if not door.tokens:
            raise Failure("no token came to the broker's door")
        claims = amazon.claims(door.tokens[0])
        expected = {
            "host": f"kafka.{amazon.REGION}.amazonaws.com",
            "service": "kafka-cluster",
            "region": amazon.REGION,
            "Action": "kafka-cluster:Connect",
            "X-Amz-Expires": "900",
            "X-Amz-Security-Token": amazon.SESSION,
        }
        wrong = {name: claims.get(name) for name, value in expected.items() if claims.get(name) != value}
        if wrong:
            raise Failure(f"the token for MSK says {wrong}")


def a_pod_that_is_wanted_no_more_gives_up_its_seat(site):
    """Told by its StatefulSet, at the moment of the stop; and in doubt it keeps the seat."""
    with kubernetes.ApiServer(site.broker.certificates, site.gavel.work) as cluster:
        # (replicas, the API server's status, members that stay in the group, what the log says)
        cases = (
            (4, 200, 1, "keeps its seat"),
            (3, 200, 0, "leaves the group for good"),
            (3, 403, 1, "needs `get` on statefulsets/gavel"),
            (None, 200, 0, "leaves the group for good"),
        )
        for number, (replicas, status, stay, expected) in enumerate(cases):
            site.become(site.broker.by_scram(WORKER), **cluster.environment("gavel-3"))
            processor = site.gavel.run(f"pod-{number}", "run")
            await_progress(lambda: ask(site.gavel.data, "readyz") is not None, 1, processor)
            cluster.server.replicas, cluster.server.status = replicas, status
            processor.terminate(within=30)
            (group,) = (done.result(20) for done in site.broker.admin.describe_consumer_groups([site.gavel.prefix]).values())
            if len(group.members) != stay or expected not in processor.log.read_text():
                raise Failure(f"with {replicas} replicas {len(group.members)} members stay, not {stay}; the log:\n{processor.tail()}")


TESTS = (
    roles_do_their_work,
    a_stranger_is_told_so,
    brokers_are_found_by_their_cluster,
    the_token_for_msk_is_signed,
    a_pod_that_is_wanted_no_more_gives_up_its_seat,
    pods.a_trace_goes_from_message_to_verdict,
    pods.an_audit_is_split_over_pods,
    tokens_are_renewed,
    everything_is_tried,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gavel", required=True, help="the binary")
    parser.add_argument("--work", default=tempfile.gettempdir(), help="where data and logs go")
    options = parser.parse_args()
    users = sorted(script("acls").tomllib.loads((ROOT / "manifests/access/roles.toml").read_text()))
    try:
        with Broker(Path(options.work), users) as broker, Site(options, broker) as site:
            for test in TESTS:
                began = time.monotonic()
                test(site)
                say(f"secure: {test.__name__.replace('_', ' ')}: ok, {time.monotonic() - began:.0f} s")
    except Failure as failure:
        say(f"secure: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
