"""A client that nobody here wrote: confluent-kafka and fastavro, knowing only the .avsc files.

Produces messages in all framings, as a chat backend would, and reads the verdicts
back, as a game server would. Run it against a processor with the policy beside it:

    python -m interop.interop --bootstrap HOST:PORT --schemas DIR [--messages TOPIC] [--verdicts TOPIC] [--dead-letters TOPIC]

Deliberately on its own: it imports nothing of ours, so it can be copied as a start.
"""

import argparse
import io
import json
import sys
import time
import uuid
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

HERE = Path(__file__).resolve().parent
PATIENCE = 60  # seconds without a new verdict

# text, audience, what is expected: action, masked text
CASES = [
    ("good morning everybody", None, "allow", None),
    ("what a dravat", None, "flag", None),
    ("what a dravat", "under13", "mask", "what a ******"),
    ("you Grobian, really", None, "mask", "you *******, really"),
    ("☕ é grobian 🎉", None, "mask", "☕ é ******* 🎉"),
    ("you grobian", "under13", "block", None),
    ("vexitor", None, "block", None),
    ("grobianism is another word", None, "allow", None),
    ("", None, "allow", None),
]


class Schema:
    """An Avro schema and what stands in front of its datums; of an .avsc of ours C3 01 and its fingerprint."""

    def __init__(self, path, head=None):
        source = json.loads(Path(path).read_text())
        self.schema = parse_schema(source)
        if head:
            self.head = head
            return
        # Rabin (CRC-64-AVRO) of the parsing canonical form; fastavro gives it in the wire's byte order.
        mark = fingerprint(to_parsing_canonical_form(source), "CRC-64-AVRO")
        self.head = b"\xc3\x01" + bytes.fromhex(mark)

    def encode(self, datum):
        out = io.BytesIO()
        out.write(self.head)
        schemaless_writer(out, self.schema, datum)
        return out.getvalue()

    def decode(self, value):
        if not value.startswith(self.head):
            raise ValueError(f"not framed as {self.schema['name']}: {value[:10].hex()}")
        return schemaless_reader(io.BytesIO(value[len(self.head) :]), self.schema)


class Mistakes(list):
    def expect(self, what, real, wanted):
        if real != wanted:
            self.append(f"{what}: {real!r} instead of {wanted!r}")


def registered(options):
    """Our backend's own schema, under the ids that its registries gave it: name -> Schema."""
    heads = {"confluent": b"\0" + options.confluent_id.to_bytes(4, "big"), "glue": b"\3\0" + options.glue_id.bytes}
    return {name: Schema(HERE / "said.avsc", head) for name, head in heads.items()}


def cases(schemas):
    """(key, value, headers, expected) of every record to send. `schemas`: by framing."""
    for framing in (*schemas, "json"):
        for number, (text, audience, action, masked) in enumerate(CASES):
            user = f"{framing}-{number}"
            message = {"message_id": f"{user}-1", "community": "arena", "channel": "lobby", "user": user, "text": text}
            message |= {"sent_at": 1_700_000_000_000 + number, "audience": audience}
            if framing in schemas:
                value = schemas[framing].encode(message | {"kind": "message"})
            else:
                value = json.dumps(message, ensure_ascii=number % 2 == 0).encode()
            headers = [("traceparent", f"00-{number:032x}-01".encode()), ("hop", b"1"), ("hop", b"2"), ("none", None)]
            yield f"arena/{user}".encode(), value, headers[: number % 5], (action, masked, message)
    yield b"arena/least", b'{"user":"least","text":"only what is required"}', [], ("allow", None, {"user": "least"})
    yield b"arena/noise", b"none of the framings", [("a", b"b")], ("block", None, None)


def produce(bootstrap, topic, records):
    """Sends everything; returns (partition, offset) -> what was sent."""
    # murmur2 is the hash of Java's clients: a user stays on one partition whoever produces.
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2", "enable.idempotence": True})
    sent, failed = {}, []

    def delivered(error, message, record):
        if error:
            failed.append(error)
        else:
            sent[message.partition(), message.offset()] = record

    for record in records:
        key, value, headers, _ = record
        report = lambda error, message, record=record: delivered(error, message, record)
        producer.produce(topic, value, key, headers=headers or None, on_delivery=report)
    producer.flush(PATIENCE)
    if failed or len(sent) != len(records):
        raise SystemExit(f"interop: {len(records) - len(sent)} messages were not delivered: {failed[:1]}")
    return sent


def read_all(bootstrap, topic, wanted):
    """Reads a topic from its beginning until `wanted(record)` says that nothing is missing; returns its records."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "interop-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
        }
    )
    partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    read, until = [], time.monotonic() + PATIENCE
    while not wanted(read):
        message = consumer.poll(0.2)
        if message is None:
            if time.monotonic() > until:
                break
        elif message.error():
            raise SystemExit(f"interop: {topic}: {message.error()}")
        else:
            read.append(message)
            until = time.monotonic() + PATIENCE
    consumer.close()
    return read


def check_verdict(mistakes, name, record, sent, verdict):
    key, value, headers, (action, masked, message) = sent
    mistakes.expect(f"{name}: action", verdict["action"], action)
    mistakes.expect(f"{name}: masked_text", verdict["masked_text"], masked)
    mistakes.expect(f"{name}: key", record.key(), key)
    mistakes.expect(f"{name}: headers", record.headers() or [], headers)
    mistakes.expect(f"{name}: code", verdict["code"], "refused" if message is None else "judged")
    for field in ("message_id", "community", "channel", "user"):
        mistakes.expect(f"{name}: {field}", verdict[field], (message or {}).get(field, ""))
    if message and action in ("flag", "mask", "block"):
        reasons = verdict["reasons"]
        text = message["text"].encode()
        words = [text[reason["start"] : reason["end"]].decode().lower() for reason in reasons]
        known = {"mild": "dravat", "strong": "grobian", "worst": "vexitor"}
        mistakes.expect(f"{name}: words at the reasons' spans", words, [known.get(reason["rule"]) for reason in reasons])
        mistakes.expect(f"{name}: has a reason", bool(reasons), True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--schemas", required=True, help="directory of the .avsc files")
    parser.add_argument("--messages", default="chat.messages")
    parser.add_argument("--verdicts", default="chat.verdicts")
    parser.add_argument("--dead-letters", default="chat.dead-letters")
    parser.add_argument("--confluent-id", type=int, default=41, help="what `gavel schemas add` has registered said.avsc for")
    parser.add_argument("--glue-id", type=uuid.UUID, default=uuid.UUID("b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63"))
    options = parser.parse_args()
    schemas = {"avro": Schema(Path(options.schemas) / "chat_message.avsc"), **registered(options)}
    verdict_schema = Schema(Path(options.schemas) / "verdict.avsc")
    sent = produce(options.bootstrap, options.messages, list(cases(schemas)))

    def source(record):
        verdict = verdict_schema.decode(record.value())
        return verdict["source_partition"], verdict["source_offset"]

    answers = read_all(options.bootstrap, options.verdicts, lambda read: set(sent) <= set(map(source, read)))
    mistakes = Mistakes()
    found = {}
    for record in answers:
        place, verdict = source(record), verdict_schema.decode(record.value())
        mistakes.expect(f"verdict of {place}: its partition", record.partition(), place[0])
        if place in found and found[place].value() != record.value():
            mistakes.append(f"two verdicts that differ for {place}")
        if place in sent and place not in found:
            check_verdict(mistakes, f"{sent[place][0].decode()} {sent[place][1]!r:.60}", record, sent[place], verdict)
        found[place] = record
    for place in sorted(set(sent) - set(found)):
        mistakes.append(f"no verdict for {place}: {sent[place][1]!r:.60}")

    noise = [record for record in sent.values() if record[3][2] is None]
    letters = read_all(options.bootstrap, options.dead_letters, lambda read: len(read) >= len(noise))
    mistakes.expect("dead letters", [letter.value() for letter in letters], [value for _, value, _, _ in noise])
    if mistakes:
        print(f"interop: {len(mistakes)} mistakes", *mistakes, sep="\n  ", file=sys.stderr)
        return 1
    print(f"interop: {len(sent)} messages in {len(schemas) + 1} framings, each judged once and as expected", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
