"""The checker's reading of the wire contract."""

import json
import unittest
from pathlib import Path

from fastavro.schema import fingerprint

from checker.wire import TEXT_BYTES, Record, Refused, Schemas, read_inbound

SCHEMAS = Schemas(Path(__file__).resolve().parents[2] / "schemas" / "avsc")
MESSAGE = {
    "message_id": "m-1", "community": "c", "channel": "h", "user": "u", "sent_at": 5, "text": "hello",
    "audience": None, "language": None, "kind": "message", "revises": None, "reply_to": None,
}


def read(value, key=b"c/u"):
    return read_inbound(SCHEMAS, Record(0, 0, 0, key, value, ()))


class Reading(unittest.TestCase):
    def test_the_fingerprint_is_the_one_of_the_avro_specification(self):
        # The published Rabin fingerprint of "int"; on the wire it is little-endian.
        self.assertEqual(fingerprint('"int"', "CRC-64-AVRO"), bytes.fromhex("7275d51a3f395c8f")[::-1].hex())

    def test_both_framings_give_the_same_message(self):
        avro = read(SCHEMAS.encode("ChatMessage", MESSAGE))
        self.assertEqual(avro, ("ChatMessage", MESSAGE))
        self.assertEqual(read(json.dumps(MESSAGE).encode()), avro)

    def test_missing_json_fields_take_the_default_of_the_schema(self):
        _, message = read(b'{"user":"u","text":"t","sent_at":"1970-01-01T00:00:01Z"}')
        self.assertEqual((message["kind"], message["community"], message["sent_at"]), ("message", "", 1000))

    def test_old_layouts_resolve_to_the_present_one(self):
        for old in SCHEMAS.old:
            names = {field["name"] for field in old["writer"]["fields"]}
            datum = {name: content for name, content in MESSAGE.items() if name in names}
            if "client" in names:
                datum |= {"client": None, "attachments": []}
            self.assertEqual(read(SCHEMAS.encode_as(old, datum)), ("ChatMessage", MESSAGE))

    def test_what_the_contract_refuses_is_refused(self):
        avro = SCHEMAS.encode("ChatMessage", MESSAGE)
        long_text = SCHEMAS.encode("ChatMessage", {**MESSAGE, "text": "a" * (TEXT_BYTES + 1)})
        long_name = SCHEMAS.encode("ChatMessage", {**MESSAGE, "user": "é" * 257})
        slash = SCHEMAS.encode("ChatMessage", {**MESSAGE, "community": "a/b"})
        cases = [None, b"", b"plain", avro[:-1], avro + b"\0", avro[:2] + b"\0" * 8 + avro[10:], long_text, long_name, slash]
        cases += [b"{", b"[]", b'{"user":"u"}', b'{"user":"u","text":null}', b'{"user":"u","user":"u","text":"t"}']
        cases += [b'{"user":"u","text":"\\ud800"}', b'{"user":"u","text":"t","sent_at":1.5}', b"{" + b" " * (256 * 1024)]
        cases += [SCHEMAS.encode("UserErased", {"community": "", "user": "", "by": "", "reason": "", "nonce": b"", "issued_at": 0})]
        for value in cases:
            with self.subTest(value=value and value[:40]), self.assertRaises(Refused):
                read(value)
        with self.assertRaises(Refused):
            read(avro, key=b"k" * 513)

    def test_a_text_at_its_limit_is_read(self):
        _, message = read(SCHEMAS.encode("ChatMessage", {**MESSAGE, "text": "a" * TEXT_BYTES}))
        self.assertEqual(len(message["text"]), TEXT_BYTES)


if __name__ == "__main__":
    unittest.main()
