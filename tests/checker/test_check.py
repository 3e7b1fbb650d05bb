"""The checker against itself: a perfect run passes, and each way to break one is found.

The run is made in memory: the load of the crash test, and verdicts written down from
the model. A fault is then put into it by hand.
"""

import copy
import hashlib
import unittest
import zlib
from dataclasses import replace
from pathlib import Path

from checker.check import check
from checker.load import Load
from checker.model import Partition, Policy
from checker.wire import HEADER_BYTES, STRING_BYTES, Record, Refused, Schemas, read_inbound

HERE = Path(__file__).resolve().parent
SCHEMAS = Schemas(HERE.parents[1] / "schemas" / "avsc")
PARTITIONS = 2
RECORDS = 2500
USERS = 900  # few enough that they meet their own history within some seconds
TOPIC = "chat.messages"
LOG = "log-1"
START = 1_800_000_000_000
ORDER = {"nonce": b"n" * 16, "issued_at": START}


def digest_of(document):
    return hashlib.sha256(document).hexdigest()


DOCUMENTS = {name: f"canonical form of {name}".encode() for name in ("policy_a", "policy_b")}
POLICIES = {digest_of(document): Policy((HERE / f"{name}.toml").read_text()) for name, document in DOCUMENTS.items()}


class Run:
    """Topics as lists of records per partition."""

    def __init__(self):
        self.control = []
        self.messages = {number: [] for number in range(PARTITIONS)}
        self.verdicts = {number: [] for number in range(PARTITIONS)}
        self.dead_letters = {number: [] for number in range(PARTITIONS)}
        self.order("LogOpened", {"log_id": LOG, "partitions": PARTITIONS, "engine": 1, "starts": [0] * PARTITIONS})
        first, second = (self.publish(document) for document in DOCUMENTS.values())
        self.load(self.chat(7).records(50), 0)  # before any policy
        self.activate(first, 50)
        self.load(self.chat(8, self.messages[0][-1].value).records(RECORDS), 60)
        self.activate(second, 60 + RECORDS)
        self.load(self.chat(9).records(RECORDS), 70 + RECORDS)
        self.append(0, 80 + 2 * RECORDS, b"c/u", b"{" + b" " * (600 * 1024), [])  # too big for a whole dead letter
        for number in range(PARTITIONS):
            self.judge(number)

    @staticmethod
    def chat(seed, stale_marker=None):
        return Load(SCHEMAS, seed, stale_marker, USERS)

    def order(self, name, datum):
        record = Record(0, len(self.control), START, b"k", SCHEMAS.encode(name, datum | ORDER), ())
        self.control.append(record)
        return record

    def publish(self, document):
        digest, half = digest_of(document), len(document) // 2
        for chunk, part in enumerate((document[:half], document[half:])):
            self.order("PolicyDocument", {"digest": digest, "chunk": chunk, "chunks": 2, "bytes": part})
        return digest

    def activate(self, digest, at):
        order = self.order(
            "PolicyActivated", {"scope": "*", "digest": digest, "engine": 1, "shadow": False, "by": "t", "reason": ""}
        )
        mark = hashlib.sha256(order.value).digest()
        marker = SCHEMAS.encode("ControlMarker", {"order": order.offset, "kind": "policy-activated", "sha256": mark})
        for number in range(PARTITIONS):
            self.append(number, at, b"*", marker, [])

    def append(self, number, at, key, value, headers):
        log = self.messages[number]
        log.append(Record(number, len(log), START + at, key, value, tuple(headers)))

    def load(self, records, since):
        for at, (key, value, headers) in enumerate(records, since):
            self.append(zlib.crc32(key or b"") % PARTITIONS, at, key, value, headers)

    def judge(self, number):
        """Writes the verdicts down, with the model as the judge."""
        model = Partition()
        for record in self.messages[number]:
            model.tick(record.time)
            try:
                name, datum = read_inbound(SCHEMAS, record)
            except Refused:
                name, datum = None, None
            if name == "ChatMessage":
                expected = model.judge(record.offset, datum, (None, False))
            elif name == "ControlMarker" and 0 <= datum["order"] < len(self.control):
                order = self.control[datum["order"]]
                if hashlib.sha256(order.value).digest() == datum["sha256"]:
                    _, activation = SCHEMAS.decode(order.value)
                    model.activate("*", order.offset, activation["digest"], POLICIES[activation["digest"]])
                    expected = model.control()
                else:
                    expected = model.refused()
            else:
                expected = model.refused()
            self.answer(record, expected)

    def answer(self, record, expected):
        known = expected.message or {"message_id": "", "community": "", "channel": "", "user": "", "sent_at": 0}
        mute = [{"kind": "mute", "until": expected.mute_until, "queue": None, "trust": None}]
        escalate = [{"kind": "escalate", "until": None, "queue": "default", "trust": None}]
        places = ("rule", "start", "end", "start_utf16", "end_utf16")
        reasons = expected.reasons if expected.code != "refused" else [("refused/some-code", 0, 0, 0, 0)]
        dropped = record.header_bytes > HEADER_BYTES
        key = record.key if record.key is None or len(record.key) <= STRING_BYTES else None
        verdict = {name: known[name] for name in ("message_id", "community", "channel", "user", "sent_at")} | {
            "log_id": LOG,
            "source_partition": record.partition,
            "source_offset": record.offset,
            "judged_at": expected.judged_at,
            "code": expected.code,
            "action": expected.action,
            "effects": mute * (expected.mute_until is not None) + escalate * expected.escalate,
            "labels": [{"topic": topic, "risk": risk} for topic, risk in (expected.labels or {}).items()],
            "reasons": [dict(zip(places, reason)) | {"evasion": ""} for reason in reasons or ()],
            "masked_text": expected.masked_text,
            "duplicate_of": expected.duplicate_of,
            "policy": expected.policy or "",
            "engine": 1,
            "context_complete": True,
            "headers_dropped": dropped,
            "overturns": None,
        }
        number = record.partition
        value = SCHEMAS.encode("Verdict", verdict)
        headers = () if dropped else record.headers
        self.verdicts[number].append(Record(number, len(self.verdicts[number]), START, key, value, headers))
        if expected.code == "refused":
            self.bury(record, key)

    def bury(self, record, key):
        value = record.value
        origin = [("gavel.topic", TOPIC.encode()), ("gavel.partition", b"%d" % record.partition)]
        origin += [("gavel.offset", b"%d" % record.offset), ("gavel.reason", b"some-code")]
        if value is not None and len(value) > 512 * 1024:
            origin.append(("gavel.sha256", hashlib.sha256(value).hexdigest().encode()))
            value = value[: 512 * 1024]
        letters = self.dead_letters[record.partition]
        letters.append(Record(record.partition, len(letters), START, key, value, tuple(origin)))


PERFECT = Run()


class Checking(unittest.TestCase):
    def setUp(self):
        self.run_ = copy.copy(PERFECT)
        self.run_.verdicts = {number: list(records) for number, records in PERFECT.verdicts.items()}
        self.run_.dead_letters = {number: list(records) for number, records in PERFECT.dead_letters.items()}
        self.verdicts = self.run_.verdicts[0]

    def report(self):
        run = self.run_
        return check(SCHEMAS, TOPIC, run.messages, run.verdicts, run.dead_letters, run.control, POLICIES)

    def found(self, *kinds):
        """Exactly these kinds of problems are reported."""
        self.assertEqual(sorted(self.report()["problems"]), sorted(kinds))

    def alter(self, matching, **changes):
        """Rewrites the first matching verdict of partition 0."""
        for at, record in enumerate(self.verdicts):
            _, verdict = SCHEMAS.decode(record.value)
            if matching(verdict):
                self.verdicts[at] = replace(record, value=SCHEMAS.encode("Verdict", verdict | changes))
                return verdict
        raise AssertionError("the run holds no such verdict")

    def test_a_perfect_run_passes_and_holds_every_kind_of_case(self):
        report = self.report()
        self.assertEqual(report["shown"], [])
        self.assertTrue(report["ok"])
        self.assertEqual(report["counts"]["records"], 50 + 2 * RECORDS + 2 * PARTITIONS + 1)
        self.assertGreater(report["dependent_share"], 0.05)
        for kind in ("judged", "muted", "refused", "control", "no-policy"):
            self.assertGreater(report["counts"][f"code {kind}"], 0, kind)
        for kind in ("retries", "mutes", "escalations", "action mask", "action flag"):
            self.assertGreater(report["counts"][kind], 0, kind)

    def test_identical_copies_after_a_restart_are_fine_and_counted(self):
        self.run_.verdicts[0] = self.verdicts[:900] + self.verdicts[800:]
        report = self.report()
        self.assertTrue(report["ok"])
        self.assertEqual(report["counts"]["copies"], 100)

    def test_a_dropped_verdict_is_found(self):
        del self.verdicts[-1]
        self.found("no verdict")

    def test_a_dropped_verdict_of_the_middle_does_not_change_what_is_expected_behind_it(self):
        del self.verdicts[1000]
        self.found("no verdict")

    def test_a_dropped_stretch_does_not_hide_in_the_order(self):
        del self.verdicts[100:110]
        self.assertEqual(self.report()["problems"]["no verdict"], 10)

    def test_a_changed_byte_in_a_copy_is_found(self):
        copied = self.verdicts[500]
        _, verdict = SCHEMAS.decode(copied.value)
        other = SCHEMAS.encode("Verdict", verdict | {"sent_at": verdict["sent_at"] ^ 1})
        self.verdicts.append(replace(copied, offset=len(self.verdicts), value=other))
        self.found("copies differ")

    def test_a_copy_with_another_key_is_found(self):
        self.verdicts.append(replace(self.verdicts[500], key=b"else"))
        self.found("copies differ")

    def test_swapped_first_occurrences_are_found(self):
        self.verdicts[200], self.verdicts[201] = self.verdicts[201], self.verdicts[200]
        self.found("out of order")

    def test_a_verdict_for_a_record_that_is_not_there_is_found(self):
        self.verdicts.append(self.verdicts[-1])
        self.alter(lambda verdict: verdict["source_offset"] == len(self.run_.messages[0]) - 1, source_offset=10**6)
        self.found("verdict for no record")

    def test_a_verdict_of_another_partition_is_found(self):
        self.verdicts.append(self.run_.verdicts[1][0])
        self.found("verdict in the wrong place")

    def test_an_unreadable_verdict_is_found(self):
        self.verdicts.append(replace(self.verdicts[0], value=self.verdicts[0].value[:-1]))
        self.found("verdict unreadable")

    def test_a_missing_dead_letter_is_found(self):
        del self.run_.dead_letters[0][3]
        self.found("no dead letter")

    def test_a_dead_letter_nobody_refused_is_found(self):
        letter = self.run_.dead_letters[0][3]
        fine = next(v for v in map(lambda r: SCHEMAS.decode(r.value)[1], self.verdicts) if v["code"] == "judged")
        headers = dict(letter.headers) | {"gavel.offset": b"%d" % fine["source_offset"]}
        self.run_.dead_letters[0].append(replace(letter, headers=tuple(headers.items())))
        self.found("dead letter of no refused record")

    def test_a_dead_letter_with_other_bytes_is_found(self):
        letters = self.run_.dead_letters[0]
        at = next(at for at, letter in enumerate(letters) if letter.value and len(letter.value) < 1000)
        letters[at] = replace(letters[at], value=letters[at].value[:-1])
        self.found("dead letter is not the record")

    def test_a_cut_dead_letter_without_its_hash_is_found(self):
        for letters in self.run_.dead_letters.values():
            for at, letter in enumerate(letters):
                if letter.value and len(letter.value) == 512 * 1024:
                    letters[at] = replace(letter, headers=letter.headers[:-1])
        self.found("dead letter is not the record")

    def test_a_wrong_reason_code_is_found(self):
        letters = self.run_.dead_letters[0]
        headers = dict(letters[0].headers) | {"gavel.reason": b"another"}
        letters[0] = replace(letters[0], headers=tuple(headers.items()))
        self.found("dead letter with another reason")

    def test_a_wrong_action_is_found(self):
        self.alter(lambda v: v["code"] == "judged" and v["action"] == "allow" and not v["duplicate_of"], action="flag")
        self.found("action differs")

    def test_a_forgotten_mute_is_found(self):
        known = self.alter(lambda v: v["code"] == "muted" and v["duplicate_of"] is None, code="judged", action="allow")
        self.assertEqual(known["action"], "block")
        self.found("code differs", "action differs")

    def test_a_missing_effect_is_found(self):
        self.alter(lambda v: v["effects"] and v["effects"][0]["kind"] == "mute", effects=[])
        self.assertIn("mute differs", self.report()["problems"])

    def test_a_mute_until_another_moment_is_found(self):
        def plain_mute(verdict):
            return [effect["kind"] for effect in verdict["effects"]] == ["mute"]

        effect = {"kind": "mute", "until": START, "queue": None, "trust": None}
        self.alter(plain_mute, effects=[effect])
        self.found("mute differs")

    def test_a_missing_duplicate_of_is_found(self):
        self.alter(lambda v: v["duplicate_of"] is not None, duplicate_of=None)
        self.found("duplicate_of differs")

    def test_a_mask_with_a_letter_too_many_is_found(self):
        self.alter(lambda v: v["action"] == "mask" and not v["duplicate_of"], masked_text="something")
        self.found("masked_text differs")

    def test_a_wrong_span_is_found(self):
        def one_hit(verdict):
            return [reason["rule"] for reason in verdict["reasons"]] == ["vul-3"]

        reason = {"rule": "vul-3", "start": 0, "end": 1, "start_utf16": 0, "end_utf16": 1, "evasion": ""}
        self.alter(one_hit, reasons=[reason])
        self.found("reasons differs")

    def test_a_verdict_under_the_wrong_policy_is_found(self):
        self.alter(lambda v: v["policy"] == list(POLICIES)[1], policy=list(POLICIES)[0])
        self.found("policy differs")

    def test_headers_and_keys_that_did_not_travel_are_found(self):
        at = next(at for at, record in enumerate(self.verdicts) if record.headers)
        self.verdicts[at] = replace(self.verdicts[at], headers=self.verdicts[at].headers[:-1])
        self.verdicts[at + 1] = replace(self.verdicts[at + 1], key=b"else")
        self.found("headers not copied", "key not copied")

    def test_accepting_a_forged_marker_is_found(self):
        forged = next(
            record.offset
            for record in self.run_.messages[0]
            if record.value
            and record.value[2:10] == SCHEMAS.by_name["ControlMarker"]["fingerprint"]
            and SCHEMAS.decode(record.value)[1]["order"] == 10**9
        )
        self.alter(lambda v: v["source_offset"] == forged, code="control", action="allow", reasons=[])
        self.assertIn("code differs", self.report()["problems"])

    def test_a_policy_that_is_not_its_digest_is_found(self):
        run = self.run_
        run.control = list(run.control)
        _, chunk = SCHEMAS.decode(run.control[1].value)
        run.control[1] = replace(run.control[1], value=SCHEMAS.encode("PolicyDocument", chunk | {"bytes": b"other"}))
        self.found("policy document is not its digest")

    def test_a_run_without_history_is_no_proof(self):
        run = self.run_
        report = check(SCHEMAS, TOPIC, run.messages, run.verdicts, run.dead_letters, run.control, POLICIES, min_dependent=0.99)
        self.assertEqual(list(report["problems"]), ["too little depends on history"])


if __name__ == "__main__":
    unittest.main()
