"""Follows the verdict topic while faults go on: the progress that each fault's victims are asked for."""

import threading
import time
from dataclasses import dataclass, field

from checker.kafka import ends
from checker.wire import Schemas
from confluent_kafka import Consumer, KafkaException, TopicPartition
from harness import SCHEMAS


@dataclass
class Demand:
    """Of each partition a verdict about a message that the broker got at `since` (milliseconds) or later."""

    waiting: set
    since: int
    began: float
    met: dict = field(default_factory=dict)  # partition -> seconds that it took


class Watch:
    """Reads the verdict topic past the proxies, in a thread, until the block ends."""

    def __init__(self, bootstrap, topics):
        self.topics = topics
        self.schemas = Schemas(SCHEMAS)
        # Not one that stops at the first trouble: brokers come and go here.
        self.reader = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "watches-without-a-group",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                "topic.metadata.refresh.interval.ms": 1000,
                "reconnect.backoff.max.ms": 500,
                "socket.timeout.ms": 5000,
                "log_level": 0,
            }
        )
        self.partitions = sorted(ends(self.reader, topics["verdicts"]))
        self.newest = dict.fromkeys(self.partitions, -1)  # source offsets
        self.judged = 0  # first verdicts
        self.copies = 0
        self.demands = []
        self.lock = threading.Lock()
        self.broken = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.follow, name="watch", daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(10)
        self.reader.close()

    def follow(self):
        try:
            self.reader.assign([TopicPartition(self.topics["verdicts"], number, 0) for number in self.partitions])
            while not self.over.is_set():
                for message in self.reader.consume(num_messages=1000, timeout=0.1):
                    if not message.error():
                        self.note(message)
        except (KafkaException, ValueError) as broken:
            self.broken = broken

    def note(self, message):
        number, now = message.partition(), time.monotonic()
        _, verdict = self.schemas.decode(message.value())
        with self.lock:
            if verdict["source_offset"] > self.newest[number]:
                self.newest[number] = verdict["source_offset"]
                self.judged += 1
            else:
                self.copies += 1
            for demand in self.demands:
                if number in demand.waiting and verdict["judged_at"] >= demand.since:
                    demand.waiting.discard(number)
                    demand.met[number] = now - demand.began

    def demand(self, partitions):
        """From now on: a verdict about a message that is not sent yet, from each of these partitions."""
        demand = Demand(set(partitions), int(time.time() * 1000) + 1, time.monotonic())
        with self.lock:
            self.demands.append(demand)
        return demand

    def forget(self, demand):
        with self.lock:
            self.demands.remove(demand)
