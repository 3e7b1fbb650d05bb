"""The wire contract as a reader sees it: framings, limits, and what is refused.

Written from the contract and the .avsc files alone. It shares no code with the
processor, so an error in one of the two shows as a disagreement.
"""

import io
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

SINGLE_OBJECT = b"\xc3\x01"
RECORD_BYTES = 256 * 1024
TEXT_BYTES = 16 * 1024
STRING_BYTES = 512
HEADER_BYTES = 4 * 1024
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1


class Refused(Exception):
    """This record must be refused; the argument says why, for a person."""


@dataclass(frozen=True)
class Record:
    """One Kafka record as read back from a topic. The time is the broker's, in milliseconds."""

    partition: int
    offset: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: tuple  # of (name, bytes or None)

    @property
    def header_bytes(self):
        return sum(len(name.encode()) + len(value or b"") for name, value in self.headers)


class Schemas:
    """Every .avsc of a directory, by name and by fingerprint; old layouts resolve to today's."""

    def __init__(self, directory):
        self.by_name = {}
        self.by_fingerprint = {}
        for path in sorted(Path(directory).glob("*.avsc")):
            schema = json.loads(path.read_text())
            self.by_name[schema["name"]] = self._add(schema)
        self.old = [self._add(json.loads(path.read_text())) for path in sorted(Path(directory).glob("old/*.avsc"))]

    def _add(self, schema):
        canonical = to_parsing_canonical_form(schema)
        mark = bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
        # Without logical types: a timestamp stays the integer that it is on the wire.
        writer = fastavro.parse_schema(json.loads(canonical))
        reader = fastavro.parse_schema(_plain(schema))
        self.by_fingerprint[mark] = (schema["name"], writer)
        return {"name": schema["name"], "fingerprint": mark, "writer": writer, "reader": reader}

    def encode(self, name, datum):
        return self.encode_as(self.by_name[name], datum)

    def encode_as(self, schema, datum):
        out = io.BytesIO()
        out.write(SINGLE_OBJECT + schema["fingerprint"])
        fastavro.schemaless_writer(out, schema["writer"], datum)
        return out.getvalue()

    def decode(self, value):
        """(name, datum) of one single-object value; ValueError if it is none of ours, torn, or too long."""
        if value[:2] != SINGLE_OBJECT or value[2:10] not in self.by_fingerprint:
            raise ValueError("not a single object of a known schema")
        name, writer = self.by_fingerprint[value[2:10]]
        stream = io.BytesIO(value[10:])
        reader = self.by_name[name]["reader"]
        try:
            datum = fastavro.schemaless_reader(stream, writer, reader)
        except Exception as broken:  # fastavro raises whatever its C code meets
            raise ValueError(f"malformed Avro: {broken}") from broken
        if stream.tell() != len(value) - 10:
            raise ValueError("bytes after the record")
        return name, datum


def _plain(schema):
    """The schema without its logical types."""
    if isinstance(schema, dict):
        return {key: _plain(part) for key, part in schema.items() if key != "logicalType"}
    return [_plain(part) for part in schema] if isinstance(schema, list) else schema


def read_inbound(schemas, record):
    """("ChatMessage" | "ControlMarker", datum) of a record of the message topic, or Refused."""
    if record.key is not None and len(record.key) > STRING_BYTES:
        raise Refused("key over 512 bytes")
    value = record.value
    if not value:
        raise Refused("empty value")
    if len(value) > RECORD_BYTES:
        raise Refused("record over 256 KiB")
    if value[:2] == SINGLE_OBJECT:
        try:
            name, datum = schemas.decode(value)
        except ValueError as broken:
            raise Refused(str(broken)) from broken
    elif value[:1] == b"{":
        name, datum = "ChatMessage", _read_json(schemas, value)
    else:
        raise Refused("unknown framing")
    if name == "ChatMessage":
        _check_strings(datum)
    elif name != "ControlMarker":
        raise Refused(f"{name} does not belong on the message topic")
    return name, datum


def _check_strings(message):
    for field, content in message.items():
        limit = TEXT_BYTES if field == "text" else STRING_BYTES
        if isinstance(content, str) and len(content.encode()) > limit:
            raise Refused(f"{field} over {limit} bytes")
    if "/" in message["community"]:
        raise Refused("a community holds no /")


def _read_json(schemas, value):
    def once(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Refused("a field twice")
        return found

    try:
        found = json.loads(value.decode(), object_pairs_hook=once)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as broken:
        raise Refused(f"malformed JSON: {broken}") from broken
    message = {}
    for field in schemas.by_name["ChatMessage"]["reader"]["fields"]:
        name = field["name"]
        if name not in found:
            if "default" not in field:
                raise Refused(f"no {name}")
            message[name] = field["default"]
        else:
            message[name] = _json_value(name, found[name], optional=isinstance(field["type"], list))
    return message


def _json_value(name, content, optional):
    if content is None and optional:
        return None
    if name == "sent_at":
        return _json_time(content)
    if not isinstance(content, str):
        raise Refused(f"{name} is not a string")
    try:
        content.encode()
    except UnicodeEncodeError as lone:
        raise Refused(f"{name} holds half a surrogate pair") from lone
    return content


def _json_time(content):
    if isinstance(content, int) and not isinstance(content, bool) and LONG_MIN <= content <= LONG_MAX:
        return content
    if isinstance(content, str):
        try:
            moment = datetime.fromisoformat(content.replace("Z", "+00:00"))
        except ValueError as broken:
            raise Refused("sent_at is no RFC 3339 time") from broken
        if moment.tzinfo is not None:
            return int(moment.timestamp() * 1000)
    raise Refused("sent_at is neither milliseconds nor an RFC 3339 time")
