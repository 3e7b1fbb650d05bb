"""The checker: reads all topics again and says whether every promise held.

    python -m checker.check --bootstrap HOST:PORT --schemas DIR --policy DIGEST=FILE [--policy ...]
                            [--messages TOPIC] [--verdicts TOPIC] [--dead-letters TOPIC] [--control TOPIC]
                            [--need-duplicates] [--min-dependent 0.05]

Standard output: one JSON object with the counts and the problems. Standard error: the
same for a person. Exit 0: no problem. Exit 1: problems.

Promises: every record has exactly one verdict value; copies are
byte-identical; first occurrences stand in input order; nothing is judged that does
not exist; a refused record, and no other, is a dead letter with its raw bytes; keys
and headers travel; and the model (model.py) predicts what each verdict says.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

from checker.kafka import read_topics
from checker.model import Expected, Partition, Policy
from checker.wire import HEADER_BYTES, STRING_BYTES, Refused, Schemas, read_inbound

DEAD_LETTER_BYTES = 512 * 1024
UNCERTAIN_ALLOWED = 0.002  # of all records
SHOWN_PER_KIND = 5


class Problems:
    """What was found wrong: counted by kind, the first few of each in full."""

    def __init__(self):
        self.counts = Counter()
        self.shown = []

    def add(self, kind, partition, offset, text):
        self.counts[kind] += 1
        if self.counts[kind] <= SHOWN_PER_KIND:
            self.shown.append({"kind": kind, "partition": partition, "offset": offset, "text": text})


class Control:
    """The control topic: orders by number, the log's identity, and which policies were complete at which number."""

    def __init__(self, schemas, records, policies, problems):
        self.orders = {}
        self.opened = None
        self.policies = policies  # digest -> Policy
        chunks = defaultdict(dict)
        self.complete_at = {}  # digest -> number of the last chunk
        for record in records:
            try:
                name, datum = schemas.decode(record.value)
            except ValueError as broken:
                problems.add("control record unreadable", record.partition, record.offset, str(broken))
                continue
            self.orders[record.offset] = (name, datum, hashlib.sha256(record.value).digest())
            if name == "LogOpened":
                self.opened = self.opened or datum
            elif name == "PolicyDocument":
                found = chunks[datum["digest"]]
                found.setdefault(datum["chunk"], datum["bytes"])
                if len(found) == datum["chunks"] and datum["digest"] not in self.complete_at:
                    self.complete_at[datum["digest"]] = record.offset
                    whole = b"".join(found[number] for number in sorted(found))
                    if hashlib.sha256(whole).hexdigest() != datum["digest"]:
                        problems.add("policy document is not its digest", 0, record.offset, datum["digest"])

    KINDS = {
        "log-opened": "LogOpened",
        "policy-document": "PolicyDocument",
        "policy-activated": "PolicyActivated",
        "history-accepted": "HistoryAccepted",
        "user-erased": "UserErased",
        "verdict-overturned": "VerdictOverturned",
        "schema-registered": "SchemaRegistered",
    }

    def genuine(self, marker):
        """The order behind a marker, or None for a forgery."""
        name, datum, digest = self.orders.get(marker["order"], (None, None, None))
        same = name is not None and self.KINDS.get(marker["kind"]) == name and marker["sha256"] == digest
        return datum if same else None


def first_occurrences(problems, partition, inputs, verdicts, schemas, log_id):
    """Decodes a verdict partition: offset -> (record, verdict), one per input record, and how many copies there were."""
    first, copies, highest = {}, 0, -1
    for record in verdicts:
        try:
            name, verdict = schemas.decode(record.value or b"")
        except ValueError as broken:
            problems.add("verdict unreadable", partition, record.offset, str(broken))
            continue
        offset = verdict["source_offset"]
        if name != "Verdict" or verdict["source_partition"] != partition or verdict["log_id"] != log_id:
            problems.add("verdict in the wrong place", partition, record.offset, f"{name} for {verdict}")
        elif offset not in inputs:
            problems.add("verdict for no record", partition, offset, f"verdict at {record.offset}")
        elif offset in first:
            copies += 1
            known = first[offset][0]
            if (known.value, known.key, known.headers) != (record.value, record.key, record.headers):
                problems.add("copies differ", partition, offset, f"verdicts at {known.offset} and {record.offset}")
        else:
            if offset < highest:
                problems.add("out of order", partition, offset, f"its first verdict, at {record.offset}, follows that of {highest}")
            highest = max(highest, offset)
            first[offset] = (record, verdict)
    return first, copies


def check_copied(problems, record, answer, verdict):
    """The key and the headers travelled as the contract says."""
    key = record.key if record.key is None or len(record.key) <= STRING_BYTES else None
    dropped = record.header_bytes > HEADER_BYTES
    headers = () if dropped else record.headers
    where = (record.partition, record.offset)
    if answer.key != key:
        problems.add("key not copied", *where, f"{answer.key!r} for {record.key!r}")
    if answer.headers != headers:
        problems.add("headers not copied", *where, f"{answer.headers!r} for {record.headers!r}")
    if verdict["headers_dropped"] != dropped:
        problems.add("headers_dropped is wrong", *where, f"{verdict['headers_dropped']} with {record.header_bytes} bytes of headers")


def check_dead_letters(problems, topic, partition, refused, letters):
    """Refused records, and no others, are dead letters with their raw bytes. `refused`: offset -> (record, code or None)."""
    seen = set()
    for letter in letters:
        names = dict(letter.headers)
        try:
            offset = int(names["gavel.offset"])
            origin = (names["gavel.topic"].decode(), int(names["gavel.partition"]), offset)
        except (KeyError, ValueError, AttributeError):
            problems.add("dead letter without its origin", partition, letter.offset, f"{letter.headers!r}")
            continue
        if origin[:2] != (topic, partition) or offset not in refused:
            problems.add("dead letter of no refused record", partition, offset, f"letter at {letter.offset} names {origin}")
            continue
        seen.add(offset)
        record, code = refused[offset]
        if code is not None and names.get("gavel.reason", b"").decode() != code:
            problems.add("dead letter with another reason", partition, offset, f"{names.get('gavel.reason')!r} for {code}")
        if record.value is not None and len(record.value) > DEAD_LETTER_BYTES:
            digest = hashlib.sha256(record.value)
            carried = (letter.value or b"") + b"".join(value or b"" for value in names.values())
            whole = (letter.value or b"")[:DEAD_LETTER_BYTES] == record.value[:DEAD_LETTER_BYTES]
            if not whole or not any(mark in carried for mark in (digest.digest(), digest.hexdigest().encode())):
                problems.add("dead letter is not the record", partition, offset, "neither its prefix nor its SHA-256")
        elif letter.value != record.value:
            problems.add("dead letter is not the record", partition, offset, f"{letter.value!r:.80} for {record.value!r:.80}")
        if letter.key != (record.key if record.key is None or len(record.key) <= STRING_BYTES else None):
            problems.add("dead letter has another key", partition, offset, f"{letter.key!r} for {record.key!r}")
    for offset in sorted(set(refused) - seen):
        problems.add("no dead letter", partition, offset, f"refused as {refused[offset][1]}")


def expect(schemas, control, model, record, verdict, problems):
    """What the model says about a record."""
    model.tick(record.time)
    try:
        name, datum = read_inbound(schemas, record)
    except Refused as refused:
        return model.refused(), str(refused)
    if name == "ChatMessage":
        mutes = [effect["until"] for effect in verdict["effects"] if effect["kind"] == "mute"]
        escalated = any(effect["kind"] == "escalate" for effect in verdict["effects"])
        return model.judge(record.offset, datum, (max(mutes, default=None), escalated)), None
    order = control.genuine(datum)
    if order is None:
        return model.refused(), "a forged marker"
    if datum["kind"] == "policy-activated":
        digest = order["digest"]
        if control.complete_at.get(digest, datum["order"]) >= datum["order"]:
            return model.refused(), "a policy not complete"
        if not order["shadow"]:
            if digest not in control.policies:
                problems.add("unknown policy", record.partition, record.offset, f"{digest}: pass --policy {digest}=FILE")
                return Expected("control", "allow", model.clock), None
            model.activate(order["scope"], datum["order"], digest, control.policies[digest])
    elif datum["kind"] in ("user-erased", "verdict-overturned", "history-accepted", "schema-registered"):
        problems.add("beyond the model", record.partition, record.offset, datum["kind"])
    return model.control(), None


def check_verdict(problems, record, verdict, expected, why):
    """The verdict says what the model says."""
    where = (record.partition, record.offset)

    def differs(what, real, predicted):
        if real != predicted:
            about = f" ({why})" if why else ""
            problems.add(f"{what} differs", *where, f"{real!r:.300} instead of {predicted!r:.300}{about}")

    differs("code", verdict["code"], expected.code)
    differs("action", verdict["action"], expected.action)
    differs("judged_at", verdict["judged_at"], expected.judged_at)
    differs("duplicate_of", verdict["duplicate_of"], expected.duplicate_of)
    differs("masked_text", verdict["masked_text"], expected.masked_text)
    mutes = [effect["until"] for effect in verdict["effects"] if effect["kind"] == "mute"]
    differs("mute", max(mutes, default=None), expected.mute_until)
    differs("escalation", any(effect["kind"] == "escalate" for effect in verdict["effects"]), expected.escalate)
    others = [effect["kind"] for effect in verdict["effects"] if effect["kind"] not in ("mute", "escalate")]
    differs("other effects", others, [])
    differs("context_complete", verdict["context_complete"], True)
    differs("overturns", verdict["overturns"], None)
    if expected.labels is not None:
        differs("labels", {label["topic"]: label["risk"] for label in verdict["labels"]}, expected.labels)
    if expected.reasons is not None:
        places = ("rule", "start", "end", "start_utf16", "end_utf16")
        real = [tuple(reason[place] for place in places) for reason in verdict["reasons"]]
        differs("reasons", real, expected.reasons)
    if expected.policy is not None:
        differs("policy", verdict["policy"], expected.policy)
    known = expected.message or dict.fromkeys(("message_id", "community", "channel", "user"), "") | {"sent_at": 0}
    for field in ("message_id", "community", "channel", "user", "sent_at"):
        differs(field, verdict[field], known[field])
    if expected.code == "refused":
        reasons = verdict["reasons"]
        if len(reasons) != 1 or not reasons[0]["rule"].startswith("refused/") or reasons[0]["end"] != 0:
            problems.add("refused without its reason", *where, f"{reasons!r}")


def check(schemas, topic, messages, verdicts, dead_letters, control_records, policies, min_dependent=0.05):
    """All checks over what was read (partition -> records); returns the report as a dict."""
    problems = Problems()
    counts = Counter()
    control = Control(schemas, control_records, policies, problems)
    if control.opened is None:
        problems.add("not opened", 0, 0, "no LogOpened in the control topic")
        control.opened = {"log_id": "", "partitions": len(messages)}
    if control.opened["partitions"] != len(messages) or len(verdicts) != len(messages) or len(dead_letters) != len(messages):
        problems.add("partition counts differ", 0, 0, f"{control.opened['partitions']} opened, {len(messages)} found")
    for partition, records in sorted(messages.items()):
        inputs = {record.offset: record for record in records}
        first, copies = first_occurrences(
            problems, partition, inputs, verdicts.get(partition, []), schemas, control.opened["log_id"]
        )
        counts["records"] += len(records)
        counts["copies"] += copies
        model = Partition()
        refused = {}
        for record in records:
            answer, verdict = first.get(record.offset, (None, None))
            if verdict is None:
                problems.add("no verdict", partition, record.offset, "")
                # The history goes on all the same, for the sake of the records behind it.
                expected, _ = expect(schemas, control, model, record, {"effects": []}, problems)
                if expected.code == "refused":
                    refused[record.offset] = (record, None)
                continue
            expected, why = expect(schemas, control, model, record, verdict, problems)
            check_verdict(problems, record, verdict, expected, why)
            check_copied(problems, record, answer, verdict)
            if expected.code == "refused":
                rule = verdict["reasons"][0]["rule"] if verdict["reasons"] else ""
                refused[record.offset] = (record, rule.removeprefix("refused/"))
            tally(counts, expected)
        check_dead_letters(problems, topic, partition, refused, dead_letters.get(partition, []))
        counts["dead letters"] += len(dead_letters.get(partition, []))
    judged = counts["actions"] or 1
    share = counts["dependent"] / judged
    if share < min_dependent:
        problems.add("too little depends on history", 0, 0, f"{share:.1%} of the actions, {min_dependent:.0%} are asked for")
    if counts["uncertain"] > UNCERTAIN_ALLOWED * counts["records"]:
        problems.add("the model was too unsure", 0, 0, f"{counts['uncertain']} verdicts within its bounds")
    return {
        "ok": not problems.counts,
        "counts": dict(sorted(counts.items())),
        "dependent_share": round(share, 4),
        "problems": dict(problems.counts),
        "shown": problems.shown,
    }


def tally(counts, expected):
    counts[f"code {expected.code}"] += 1
    counts[f"action {expected.action}"] += 1
    counts["retries"] += expected.duplicate_of is not None
    counts["mutes"] += expected.mute_until is not None
    counts["escalations"] += expected.escalate
    counts["uncertain"] += expected.uncertain
    if expected.alone is not None:
        counts["actions"] += 1
        counts["dependent"] += expected.action != expected.alone


def table(report):
    lines = [f"  {name:<24} {count:>9,}" for name, count in report["counts"].items()]
    lines.append(f"  {'depend on history':<24} {report['dependent_share']:>9.1%}")
    for kind, count in report["problems"].items():
        lines.append(f"PROBLEM {kind}: {count}")
        for shown in report["shown"]:
            if shown["kind"] == kind:
                lines.append(f"    partition {shown['partition']}, offset {shown['offset']}: {shown['text']}")
    lines.append("checker: every promise held" if report["ok"] else "checker: FAILED")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--schemas", required=True, help="directory of the .avsc files")
    parser.add_argument("--messages", default="chat.messages")
    parser.add_argument("--verdicts", default="chat.verdicts")
    parser.add_argument("--dead-letters", default="chat.dead-letters")
    parser.add_argument("--control", default="chat.control")
    parser.add_argument("--policy", action="append", default=[], metavar="DIGEST=FILE", required=True)
    parser.add_argument("--min-dependent", type=float, default=0.05, help="share of the actions (default 0.05)")
    parser.add_argument("--need-duplicates", action="store_true", help="fail when no verdict appears twice")
    arguments = parser.parse_args()
    policies = {}
    for pair in arguments.policy:
        digest, _, path = pair.partition("=")
        policies[digest] = Policy(Path(path).read_text())
    names = [arguments.messages, arguments.verdicts, arguments.dead_letters, arguments.control]
    messages, verdicts, dead_letters, control = read_topics(arguments.bootstrap, names)
    schemas = Schemas(arguments.schemas)
    report = check(
        schemas, arguments.messages, messages, verdicts, dead_letters, control[0], policies, arguments.min_dependent
    )
    if arguments.need_duplicates and not report["counts"]["copies"]:
        report["ok"] = False
        report["problems"]["no copies"] = 1
    print(json.dumps(report))
    print(table(report), file=sys.stderr)
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
