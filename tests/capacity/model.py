"""How much it takes for a rate: pods, brokers, memory, checkpoint bandwidth.

    pods       = the next divisor of 96 that is at least  max(6, rate / 4,000, CPU), never above 48
    CPU        = rate x microseconds of CPU x small batches / cores of a pod / utilisation
    brokers    = 3, of the smallest Express size whose sustained ingress holds bytes in / headroom; then more of the largest

Invariant: every figure is either measured (and says where it stands), a limit that AWS documents, or an assumption with a margin; the
table prints them beside the result. Nothing here was measured on AWS.
"""

import math
from dataclasses import dataclass

MEASURED = {
    "cpu_us": (4.5, "CPU of a message in a drain, microseconds (docs/performance.md)"),
    "lane_rate": (243_000, "messages a second on one lane, in that drain (docs/performance.md)"),
    "user_bytes": (38.5, "bytes of state for a user: 367 MiB for 10 million (docs/reliability.md)"),
}
ASSUMED = {
    "small_batches": (3.0, "an open loop sends small batches: CPU of a message against a drain"),
    "utilisation": (0.4, "of a pod's cores at the peak; the rest is for catching up after a move"),
    "pod_rate": (4_000, "messages a second that KEDA gives a pod, so that one lost pod is a small share"),
    "broker_headroom": (0.6, "of the sustained ingress at the peak: a broker may be away"),
    "rewrites": (4.0, "times that a changed byte is uploaded again by compaction"),
    "allocator": (1.5, "resident memory against what caches are allowed"),
}
PARTITIONS = 96
DIVISORS = (6, 8, 12, 16, 24, 32, 48)
POD_CORES = 2
CACHES_MIB = 256 + 64 + 64  # run.context_bytes, store.block_cache_bytes, store.write_buffer_bytes: the defaults
BASE_MIB = 128
PARTITION_MIB = 8  # the limit that docs/performance.md sets for a further partition
PARTITION_MB_S = 15.0  # Express, a documented limit
# Sustained ingress of an Express broker in MB/s, as documented.
EXPRESS = {"large": 15.6, "xlarge": 31.2, "2xlarge": 62.5, "4xlarge": 124.9, "8xlarge": 250.0, "12xlarge": 375.0, "16xlarge": 500.0}


def value(name):
    return (MEASURED.get(name) or ASSUMED[name])[0]


@dataclass(frozen=True)
class Capacity:
    rate: int
    cores_busy: float
    pods: int
    rate_per_pod: float
    bytes_in: float  # MB/s, producers and processors together
    brokers: int
    broker: str
    partition_mb_s: float
    memory_mib: int  # of a pod
    checkpoint_mb_s: float  # of all pods

    @property
    def within(self):
        """Whether the limits of a partition and of a lane hold: else it takes more partitions than 96."""
        return self.partition_mb_s <= PARTITION_MB_S and self.rate / PARTITIONS <= value("lane_rate")


def capacity(rate, message_bytes=600, verdict_bytes=500):
    cores = rate * value("cpu_us") * value("small_batches") / 1e6
    wanted = max(DIVISORS[0], rate / value("pod_rate"), cores / POD_CORES / value("utilisation"))
    pods = next((number for number in DIVISORS if number >= wanted), DIVISORS[-1])
    bytes_in = rate * (message_bytes + verdict_bytes) / 1e6
    needed = bytes_in / value("broker_headroom")
    broker = next((size for size, holds in EXPRESS.items() if 3 * holds >= needed), "16xlarge")
    brokers = max(3, 3 * math.ceil(needed / EXPRESS[broker] / 3))
    memory = CACHES_MIB * value("allocator") + BASE_MIB + PARTITIONS / pods * PARTITION_MIB
    return Capacity(
        rate=rate,
        cores_busy=cores,
        pods=pods,
        rate_per_pod=rate / pods,
        bytes_in=bytes_in,
        brokers=brokers,
        broker=broker,
        partition_mb_s=rate / PARTITIONS * max(message_bytes, verdict_bytes) / 1e6,
        memory_mib=math.ceil(memory / 128) * 128,
        checkpoint_mb_s=rate * value("user_bytes") * value("rewrites") / 1e6,
    )


def table(rates):
    """Lines of Markdown."""
    yield "| messages/s | CPU busy | pods | each | in | brokers | fullest partition | memory of a pod | checkpoints |"
    yield "|---:|---:|---:|---:|---:|---|---:|---:|---:|"
    for rate in rates:
        found = capacity(rate)
        yield (
            f"| {rate:,} | {found.cores_busy:.1f} cores | {found.pods} | {found.rate_per_pod:,.0f}/s | {found.bytes_in:.0f} MB/s "
            f"| {found.brokers} x express.m7g.{found.broker} | {found.partition_mb_s:.1f} MB/s{'' if found.within else ' (too much)'} "
            f"| {found.memory_mib} MiB | {found.checkpoint_mb_s:.1f} MB/s |"
        )


def premises():
    for kind, known in (("measured", MEASURED), ("assumed", ASSUMED)):
        for number, meaning in known.values():
            yield f"{kind}: {number:,g} {meaning}"
