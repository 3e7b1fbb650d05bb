"""A paced load for the crash test: what users, clients and attackers send.

The records are a function of the seed and the count alone; only their times come
from the broker. Nothing is noted down for the checker, which reads the topic again.

    python -m checker.load --bootstrap HOST:PORT --topic NAME --schemas DIR [--count N] [--seconds S] [--seed N]
"""

import argparse
import bisect
import itertools
import json
import random
import sys
import time

from confluent_kafka import Producer

from checker.wire import HEADER_BYTES, RECORD_BYTES, SINGLE_OBJECT, TEXT_BYTES, Schemas

COMMUNITIES = ("north", "south", "harbour", "moor")
CHANNELS = ("general", "trade", "help")
AUDIENCES = (None, None, None, "default", "under13", "under13", "under13", "somewhere else")
USERS = 20_000
ZIPF_EXPONENT = 0.8
ZIPF_SHIFT = 120  # flattens the head: without it a handful of users would be all there is
SENT_AT = 1_700_000_000_000
TICK = 0.01  # seconds; the pace is even to this grain

# Plain words without digits, single letters or runs of letters, which a normaliser would touch.
WORDS = (
    "about after again bridge candle carpet castle clever copper corner dance dinner early eight evening fabric farmer "
    "finger forest garden gentle ginger guitar hammer harbour helmet hidden honest island jacket jungle kettle kitchen "
    "ladder lantern lemon market meadow melody mirror monkey morning mountain muscle napkin needle never number orange "
    "outside packet paper pencil pepper picnic planet pocket pretty pumpkin quarter question rabbit ready ribbon river "
    "rocket saddle school season shadow silver simple sister spider spring stable summer sunset table temple thunder "
    "ticket timber tomato travel trumpet tunnel turtle umbrella under valley velvet village violin walnut water window "
    "winter wonder yellow yesterday zebra café naïve señor größe привет спасибо 東京 안녕 ☕ 🎉 🙂"
).split()
# The words of the two policies, and `lumber`, which is one only in the second.
TERMS = "dravat plusket mozgol grobian hesplik tugemon skabet vexitor ozmadel lumber".split()
TERM_WEIGHTS = (10, 8, 8, 6, 6, 4, 4, 2, 1, 8)

# Of a thousand records.
RETRIES = 35
CHANGED_RETRIES = 12
BAD = 25
NO_KEY = 4
LARGE_HEADERS = 1


class Load:
    """The records, one after the other: (key, value, headers)."""

    def __init__(self, schemas, seed, stale_marker=None, users=USERS):
        self.schemas = schemas
        self.random = random.Random(seed)
        self.stale_marker = stale_marker
        weights = [1.0 / (rank + ZIPF_SHIFT) ** ZIPF_EXPONENT for rank in range(users)]
        self.cumulative = list(itertools.accumulate(weights))
        self.recent = {}  # user -> its last messages
        self.serial = 0
        self.bad = itertools.cycle(self.bad_kinds())

    def records(self, count):
        for _ in range(count):
            yield self.record()

    def record(self):
        dice = self.random.randrange(1000)
        if dice < BAD:
            return next(self.bad)()
        user = self.user()
        message = None
        if dice < BAD + RETRIES + CHANGED_RETRIES:
            message = self.retry(user, changed=dice >= BAD + RETRIES)
        if message is None:
            message = self.message(user)
            self.recent.setdefault(user, []).append(message)
            del self.recent[user][:-4]
        key = None if self.random.randrange(1000) < NO_KEY else self.key(message)
        return key, self.value(message), self.headers()

    def user(self):
        rank = bisect.bisect(self.cumulative, self.random.random() * self.cumulative[-1])
        return COMMUNITIES[rank % len(COMMUNITIES)], f"user-{rank}"

    def message(self, user):
        self.serial += 1
        community, name = user
        # One user in twenty is a repeat offender.
        offender = hash_of(name) % 20 == 0
        words = self.random.choices(WORDS, k=self.random.randint(2, 10))
        if self.random.random() < (0.5 if offender else 0.1):
            for term in self.random.choices(TERMS, TERM_WEIGHTS, k=self.random.choice((1, 1, 1, 2))):
                words.insert(self.random.randrange(len(words) + 1), self.case(term))
        if self.random.random() < 0.002:  # more hits than a verdict has room for reasons
            words += self.random.choices(TERMS, TERM_WEIGHTS, k=25)
        text = " ".join(words) + self.random.choice(("", "", "!", ".", "?"))
        kind = self.random.choices(("message", "edit", "name"), (95, 4, 1))[0]
        return {
            "message_id": f"m-{self.serial}",
            "community": community,
            "channel": CHANNELS[hash_of(name) % 3] if self.random.random() < 0.8 else self.random.choice(CHANNELS),
            "user": name,
            "sent_at": SENT_AT + self.serial,
            "text": text,
            "audience": AUDIENCES[hash_of(name) // 20 % len(AUDIENCES)],
            "language": self.random.choice((None, "en", "de")),
            "kind": kind,
            "revises": f"m-{self.serial - 1}" if kind == "edit" else None,
            "reply_to": f"m-{self.random.randrange(self.serial)}" if self.random.random() < 0.1 else None,
        }

    def case(self, term):
        return self.random.choices((term, term.capitalize(), term.upper()), (6, 2, 1))[0]

    def retry(self, user, changed):
        known = self.recent.get(user)
        if not known:
            return None
        message = dict(self.random.choice(known))
        message["sent_at"] += self.random.randrange(5_000)  # a retry may be stamped anew
        if changed:
            message["text"] += " " + self.random.choice(WORDS + TERMS)
        return message

    def key(self, message):
        return f"{message['community']}/{message['user']}".encode()

    def value(self, message):
        dice = self.random.randrange(100)
        old = self.random.randrange(len(self.schemas.old)) if self.schemas.old else None
        if dice < 6 and old is not None:
            layout = self.schemas.old[old]
            names = {field["name"] for field in layout["writer"]["fields"]}
            datum = {name: content for name, content in message.items() if name in names}
            if "client" in names:
                datum["client"] = {"name": "web", "build": 7, "platform": "desktop", "plugins": ["emoji", "spell"]}
                datum["attachments"] = [{"sha256": b"\x07" * 32, "bytes": 9, "properties": {"w": 2.5, "alt": "a cat"}}]
            return self.schemas.encode_as(layout, datum)
        if dice < 35:
            return self.json(message)
        return self.schemas.encode("ChatMessage", message)

    def json(self, message):
        shown = {name: content for name, content in message.items() if content is not None or self.random.random() < 0.5}
        if self.random.random() < 0.2:
            shown["client"] = {"nested": [1, 2, {"deep": None}]}  # unknown fields are ignored
        return json.dumps(shown, ensure_ascii=self.random.random() < 0.5).encode()

    def headers(self):
        dice = self.random.randrange(1000)
        if dice < LARGE_HEADERS:
            return [("trace", b"x" * (HEADER_BYTES + 1))]
        if dice < 300:
            return [("trace", self.random.randbytes(16)), ("hop", b"1"), ("hop", b"2"), ("empty", b""), ("none", None)]
        return []

    # ------------------------------------------------------------ what must be refused

    def bad_kinds(self):
        """Each makes one record that must be refused, keyed as its sender would; all of them take their turn."""

        def spoilt(make):
            def record():
                message = self.message(self.user())
                return self.key(message), make(message), self.headers()

            return record

        def with_field(name, content):
            return spoilt(lambda message: self.schemas.encode("ChatMessage", {**message, name: content}))

        def avro(message):
            return self.schemas.encode("ChatMessage", message)

        kinds = [
            spoilt(lambda _: None),
            spoilt(lambda _: b""),
            spoilt(lambda _: self.random.randbytes(40)),
            spoilt(lambda m: avro(m)[:-3]),
            spoilt(lambda m: avro(m)[:7]),
            spoilt(lambda m: avro(m) + b"\x00"),
            spoilt(lambda m: SINGLE_OBJECT + self.random.randbytes(8) + avro(m)[10:]),
            spoilt(lambda m: SINGLE_OBJECT + self.schemas.by_name["ChatMessage"]["fingerprint"] + b"\xff" * 30),
            spoilt(lambda m: avro({**m, "text": "@@"}).replace(b"@@", b"\xc3\x28")),
            spoilt(lambda m: self.json(m)[:-4]),
            spoilt(lambda m: json.dumps({"user": m["user"]}).encode()),
            spoilt(lambda m: json.dumps({"text": m["text"]}).encode()),
            spoilt(lambda m: json.dumps({**m, "user": 7}).encode()),
            spoilt(lambda m: json.dumps({**m, "sent_at": "yesterday"}).encode()),
            spoilt(lambda m: b'{"user":"a","user":"b","text":"c"}'),
            spoilt(lambda m: b'{"user":"a","text":"\xff"}'),
            spoilt(lambda m: b'{"user":"a","text":' + b"[" * 2000 + b"]" * 2000 + b"}"),
            spoilt(lambda m: b'\x00\x00\x00\x00\x01' + avro(m)[10:]),
            with_field("text", "long " * (TEXT_BYTES // 5 + 1)),
            with_field("channel", "c" * 513),
            with_field("community", "with/slash"),
            self.long_key,
            spoilt(lambda m: self.marker(order=0)),
            spoilt(lambda m: self.marker(order=10**9)),
            spoilt(lambda m: self.marker(order=-1)),
            spoilt(lambda m: self.schemas.encode("Verdict", ANY_VERDICT)),
        ]
        # Rare, because they are big.
        rare = [spoilt(lambda m: avro(m) + b"\x00" * RECORD_BYTES), spoilt(lambda m: b"{" + b" " * (600 * 1024))]
        if self.stale_marker:
            # No refusal: a genuine marker, sent again by somebody who may write to the message topic.
            kinds.append(spoilt(lambda m: self.stale_marker))
        return kinds * 8 + rare

    def long_key(self):
        message = self.message(self.user())
        return b"k" * 513, self.schemas.encode("ChatMessage", message), self.headers()

    def marker(self, order):
        return self.schemas.encode(
            "ControlMarker", {"order": order, "kind": "policy-activated", "sha256": self.random.randbytes(32)}
        )


ANY_VERDICT = {
    "log_id": "", "source_partition": 0, "source_offset": 0, "message_id": "", "community": "", "channel": "", "user": "",
    "sent_at": 0, "judged_at": 0, "code": "", "action": "", "effects": [], "labels": [], "reasons": [], "masked_text": None,
    "duplicate_of": None, "policy": "", "engine": 1, "context_complete": True, "headers_dropped": False, "overturns": None,
}


def hash_of(name):
    """A number that belongs to a name, the same in every run (Python's own hash is not)."""
    return int.from_bytes(random.Random(name).randbytes(4), "big")


def send(bootstrap, topic, records, count, seconds):
    """Sends at an even pace, never ahead of it by more than a tick; returns how many were acknowledged."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",  # Java's, so that a user stays on one partition whatever the client
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.max.bytes": 2_000_000,
            # A broker that hangs holds the load up for seconds, not for half a minute.
            "request.timeout.ms": 4_000,
            "socket.timeout.ms": 5_000,
            "topic.metadata.refresh.interval.ms": 2_000,
        }
    )
    failed = []
    acked = 0

    def delivered(error, _):
        nonlocal acked
        if error is None:
            acked += 1
        else:
            failed.append(error)

    began = time.monotonic()
    for number, (key, value, headers) in enumerate(records):
        ahead = began + seconds * number / count - time.monotonic()
        if ahead > TICK:
            producer.poll(0)
            time.sleep(ahead)
        while True:
            try:
                producer.produce(topic, value, key, headers=headers or None, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.05)
    producer.flush()
    if failed:
        raise SystemExit(f"load: {len(failed)} records were not delivered, the first because of {failed[0]}")
    return acked


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", default="chat.messages")
    parser.add_argument("--schemas", required=True)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stale-marker", default="", help="hex of a genuine marker to send again now and then")
    arguments = parser.parse_args()
    load = Load(Schemas(arguments.schemas), arguments.seed, bytes.fromhex(arguments.stale_marker))
    began = time.monotonic()
    acked = send(arguments.bootstrap, arguments.topic, load.records(arguments.count), arguments.count, arguments.seconds)
    print(f"load: {acked} records in {time.monotonic() - began:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
