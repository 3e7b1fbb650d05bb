"""Two verdict topics over the same messages: every message's first verdict must be the same bytes in both.

Invariant: a message that one side has judged and the other has not is a difference, up to the offset that both were asked to reach; copies
within a side must be equal among themselves. Nothing is decoded but the offset that a verdict names: what is compared is bytes.
"""

from dataclasses import dataclass, field

from checker.kafka import read_topic
from checker.wire import Schemas
from harness import SCHEMAS

SHOWN = 5


@dataclass
class Comparison:
    compared: int = 0
    copies: int = 0
    missing: int = 0  # judged on one side alone
    differing: int = 0
    shown: list = field(default_factory=list)

    @property
    def same(self):
        return self.compared > 0 and not self.missing and not self.differing

    def note(self, partition, offset, text):
        if len(self.shown) < SHOWN:
            self.shown.append(f"partition {partition}, offset {offset}: {text}")


def verdicts(reader, topic):
    """partition -> source offset -> (key, value, headers) of each of its verdicts, the copies behind it."""
    schemas, found = Schemas(SCHEMAS), {}
    for partition, records in read_topic(reader, topic).items():
        known = found.setdefault(partition, {})
        for record in records:
            _, verdict = schemas.decode(record.value)
            known.setdefault(verdict["source_offset"], []).append((record.key, record.value, record.headers))
    return found


def compare(old, new):
    result = Comparison()
    for partition in sorted({*old, *new}):
        left, right = old.get(partition, {}), new.get(partition, {})
        for offset in sorted({*left, *right}):
            if offset not in left or offset not in right:
                result.missing += 1
                result.note(partition, offset, f"judged by the {'old' if offset in left else 'new'} side alone")
                continue
            first, *others = left[offset] + right[offset]
            result.compared += 1
            result.copies += len(others) - 1
            if any(other != first for other in others):
                result.differing += 1
                result.note(partition, offset, f"{first[1].hex()[:60]}… is not the same everywhere")
    return result
