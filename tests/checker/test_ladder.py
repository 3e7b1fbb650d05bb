"""The ladder against itself: artefacts as they should be pass, and each way to spoil them is found."""

import hashlib
import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from checker.check import Problems
from checker.ladder import Chain, Log, Manifest, Store, check_ladder, read_checkpoints
from checker.wire import Record

LOG = "log-1"
PARTITION = 3
RECORDS = [*range(100), *range(101, 200)]  # offset 100 is a transaction's marker


def verdict_of(offset, **changes):
    """(name, verdict, record of the verdict topic)"""
    datum = {"source_partition": PARTITION, "log_id": LOG, "source_offset": offset} | changes
    return "Verdict", datum, Record(PARTITION, offset, 0, b"key", b"verdict %d" % offset, (("hop", None),))


class Verdicts(unittest.TestCase):
    """The chain of verdicts, and V."""

    def setUp(self):
        self.verdicts = [verdict_of(offset) for offset in RECORDS]
        self.records = RECORDS
        self.start = 0

    def judged(self):
        problems = Problems()
        chain = Chain(PARTITION, LOG, self.records, self.start, problems)
        for verdict in self.verdicts:
            chain.add(*verdict)
        return chain.acknowledged(), dict(problems.counts), chain

    def found(self, **kinds):
        self.assertEqual(self.judged()[1], {kind.replace("_", " "): count for kind, count in kinds.items()})

    def test_a_whole_chain_is_acknowledged_to_its_end(self):
        v, problems, _ = self.judged()
        self.assertEqual((v, problems), (199, {}))

    def test_equal_copies_are_fine_and_counted(self):
        self.verdicts[150:150] = self.verdicts[120:150]
        v, problems, chain = self.judged()
        self.assertEqual((v, problems, chain.copies), (199, {}, 30))

    def test_what_is_not_judged_yet_is_no_gap(self):
        del self.verdicts[150:]
        v, problems, _ = self.judged()
        self.assertEqual((v, problems), (150, {}))

    def test_a_gap_ends_v_and_is_found(self):
        del self.verdicts[50:53]
        v, problems, _ = self.judged()
        self.assertEqual((v, problems), (49, {"no verdict": 3}))

    def test_a_first_verdict_missing_is_found(self):
        del self.verdicts[0]
        v, problems, _ = self.judged()
        self.assertEqual((v, problems), (-1, {"no verdict": 1}))

    def test_copies_that_differ_are_found(self):
        for change in ({"value": b"other"}, {"key": None}, {"headers": (("hop", b""),)}, {"headers": ()}):
            with self.subTest(change):
                name, datum, record = self.verdicts[10]
                self.verdicts[20:20] = [(name, datum, replace(record, **change))]
                self.found(copies_differ=1)
                del self.verdicts[20]

    def test_first_occurrences_out_of_order_are_found(self):
        self.verdicts[60], self.verdicts[61] = self.verdicts[61], self.verdicts[60]
        self.found(out_of_order=1)

    def test_a_verdict_without_a_record_is_found(self):
        for offset in (100, 200):
            with self.subTest(offset):
                self.verdicts.append(verdict_of(offset))
                self.found(verdict_for_no_record=1)
                self.verdicts.pop()

    def test_verdicts_of_what_retention_has_removed_are_none_of_these(self):
        self.start, self.records = 40, RECORDS[40:]
        v, problems, _ = self.judged()
        self.assertEqual((v, problems), (199, {}))

    def test_a_verdict_of_another_log_or_partition_is_found(self):
        self.verdicts += [verdict_of(5, log_id="log-2"), verdict_of(5, source_partition=1)]
        self.found(verdict_in_the_wrong_place=2)


class Rungs(unittest.TestCase):
    """L <= K+1, K <= S <= V, C <= V+1 <= H."""

    def setUp(self):
        self.log = Log(start=0, end=200, committed=200, records=RECORDS)
        self.v = 199
        self.stores = [Store("data-1", PARTITION, LOG, 199), Store("data-2", PARTITION, LOG, 12)]
        self.kept = [50, 150]
        self.drained = True

    def found(self, *kinds, checkpoints=True):
        problems = Problems()
        manifests = [Manifest(PARTITION, boundary) for boundary in self.kept]
        rungs = check_ladder(
            {PARTITION: self.log}, {PARTITION: self.v}, self.stores, manifests, LOG, checkpoints, self.drained, problems
        )
        self.assertEqual(sorted(problems.counts), sorted(kinds), problems.shown)
        return rungs[PARTITION]

    def test_a_clean_end_passes(self):
        self.assertEqual(self.found(), {"L": 0, "K": 150, "S": 199, "V": 199, "C": 200, "H": 200})

    def test_a_state_ahead_of_its_verdicts_is_found_in_every_copy(self):
        self.drained = False
        self.v, self.kept, self.log.committed = 11, [], 5
        self.found("S above V")
        self.stores.pop(0)
        self.found("S above V")

    def test_a_store_that_holds_nothing_yet_is_fine(self):
        self.stores.append(Store("data-3", PARTITION, "", -1))
        self.found()

    def test_the_state_of_another_log_is_found(self):
        self.stores[1] = replace(self.stores[1], log_id="log-0")
        self.found("state of another log")

    def test_a_checkpoint_ahead_of_the_verdicts_is_found(self):
        self.drained = False
        self.v, self.stores, self.log.committed = 149, [], 150
        self.found("K above V")

    def test_a_checkpoint_ahead_of_every_store_is_found_after_a_clean_end(self):
        self.stores.pop(0)
        self.found("K above S")
        self.drained = False  # a wiped directory, killed before it was filled again
        self.found()

    def test_a_log_that_begins_past_the_newest_checkpoint_is_found(self):
        self.log.start = 151
        self.found()
        self.log.start = 152
        self.found("L above K+1")
        self.found(checkpoints=False)

    def test_without_any_checkpoint_the_log_must_begin_where_it_was_opened(self):
        self.kept, self.log.opened_at = [], 30
        self.log.start = 30
        self.found()
        self.log.start = 31
        self.found("L above K+1")

    def test_a_commit_ahead_of_its_verdicts_is_found(self):
        self.log.committed = 201
        self.found("C above V+1")

    def test_a_group_that_never_committed_is_fine(self):
        self.log.committed = None
        self.found()

    def test_a_log_that_ends_before_its_verdicts_is_found(self):
        self.log.end, self.log.committed, self.log.records = 199, 199, RECORDS[:-1]
        self.found("V+1 above H", "not everything judged")

    def test_what_was_left_over_is_found_only_when_all_was_drained(self):
        self.v, self.stores, self.log.committed = 190, [Store("data-1", PARTITION, LOG, 180)], 191
        self.found("not everything judged")
        self.drained = False
        self.found()


class Checkpoints(unittest.TestCase):
    """Manifests and files on disk."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.home = self.root / LOG / str(PARTITION)
        for name in ("manifests", "files", "quarantine"):
            (self.home / name).mkdir(parents=True)
        self.shared = self.file(b"a table that both name")
        self.older = self.write(50, [self.shared, self.file(b"CURRENT of one")])
        self.newer = self.write(150, [self.shared, self.file(b"CURRENT of two")])
        self.damaged = set()

    def file(self, content):
        digest = hashlib.sha256(content).hexdigest()
        named = {"name": "000001.sst", "size": len(content), "sha256": digest, "object": f"files/{digest}.0a1b2c"}
        self.path(named).write_bytes(content)
        return named

    def write(self, boundary, files, **more):
        found = {"format": 1, "log_id": LOG, "partition": PARTITION, "boundary": boundary, "verdict_end": boundary + 1}
        found |= {"clock": 1_700_000_000_000 + boundary, "engine": 1, "policies": [], "files": files} | more
        path = self.home / "manifests" / f"{boundary:020}-{1_700_000_000_000 + boundary}.json"
        self.seal(path, found)
        return path

    @staticmethod
    def seal(path, found):
        line = json.dumps(found).encode()
        path.write_bytes(line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n")

    def path(self, file):
        return self.home / file["object"]

    def set_aside(self, path):
        path.rename(self.home / "quarantine" / f"{path.name}.0a1b2c")

    def read(self):
        problems = Problems()
        valid, counts = read_checkpoints(self.root, LOG, self.damaged, problems)
        return sorted(manifest.boundary for manifest in valid), dict(problems.counts), counts

    def found(self, boundaries, **kinds):
        valid, problems, _ = self.read()
        self.assertEqual((valid, problems), (boundaries, {kind.replace("_", " "): count for kind, count in kinds.items()}))

    def test_whole_checkpoints_are_valid(self):
        self.found([50, 150])

    def test_an_empty_or_missing_store_holds_none(self):
        self.assertEqual(read_checkpoints(self.root / "else", LOG, set(), Problems())[0], [])

    def test_what_a_processor_tries_the_store_with_is_no_log(self):
        (self.root / "probe").mkdir()
        (self.root / "probe" / "is-never-replaced").touch()
        self.found([50, 150])

    def test_files_that_nobody_names_and_unfinished_ones_are_fine(self):
        self.file(b"of an attempt that was given up")
        (self.home / "manifests" / f"{self.newer.name}#1").write_bytes(b"{")
        self.found([50, 150])

    def test_a_missing_file_is_found_in_every_manifest_that_names_it(self):
        self.path(self.shared).unlink()
        self.found([], checkpoint_not_valid=2)

    def test_a_changed_or_cut_file_is_found(self):
        content = self.path(self.shared).read_bytes()
        for spoilt in (b"A" + content[1:], content[:-1], content + b"x", b""):
            with self.subTest(spoilt):
                self.path(self.shared).write_bytes(spoilt)
                self.found([], checkpoint_not_valid=2)

    def test_a_wrong_size_in_the_manifest_is_found(self):
        self.write(160, [self.shared | {"size": 1}])
        self.found([50, 150], checkpoint_not_valid=1)

    def test_a_changed_byte_of_a_manifest_is_found(self):
        whole = self.newer.read_bytes()
        for at in range(len(whole)):
            self.newer.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            self.found([50], checkpoint_not_valid=1)

    def test_a_cut_or_longer_manifest_is_found(self):
        whole = self.newer.read_bytes()
        for length in (0, 10, whole.index(b"\n"), whole.index(b"\n") + 1, len(whole) - 10, len(whole) - 1):
            self.newer.write_bytes(whole[:length])
            self.found([50], checkpoint_not_valid=1)
        self.newer.write_bytes(whole + b"\n")
        self.found([50], checkpoint_not_valid=1)

    def test_a_checkpoint_under_the_name_of_another_is_found(self):
        for name in ("00000000000000000160-1700000000150.json", "00000000000000000150-1700000000151.json", "150-1700000000150.json"):
            with self.subTest(name):
                path = self.home / "manifests" / name
                path.write_bytes(self.newer.read_bytes())
                self.found([50, 150], checkpoint_not_valid=1)
                path.unlink()

    def test_a_manifest_of_another_partition_log_or_format_is_found(self):
        self.write(160, [self.shared], partition=PARTITION + 1)
        self.write(170, [self.shared], log_id="log-2")
        self.write(180, [self.shared], format=2)
        self.found([50, 150], checkpoint_not_valid=3)

    def test_a_manifest_that_lacks_something_is_found(self):
        whole = json.loads(self.newer.read_bytes().splitlines()[0])
        for name in ("format", "log_id", "partition", "boundary", "clock", "files"):
            with self.subTest(name):
                self.seal(self.newer, {key: value for key, value in whole.items() if key != name})
                self.found([50], checkpoint_not_valid=1)
        self.write(150, [])
        self.found([50], checkpoint_not_valid=1)

    def test_checkpoints_of_another_log_are_found(self):
        (self.root / "log-0").mkdir()
        self.found([50, 150], checkpoints_of_another_log=1)

    def test_damage_done_on_purpose_is_counted_and_nothing_else_forgiven(self):
        self.path(self.shared).write_bytes(b"spoilt")
        self.damaged = {str(self.path(self.shared))}
        valid, problems, counts = self.read()
        self.assertEqual((valid, problems, counts["damaged on purpose"]), ([], {}, 2))
        self.damaged = {str(self.newer)}
        valid, problems, counts = self.read()
        self.assertEqual((valid, problems, counts["damaged on purpose"]), ([], {"checkpoint not valid": 1}, 1))

    def test_a_whole_checkpoint_that_was_set_aside_is_counted_and_a_broken_one_is_not(self):
        self.newer.write_bytes(b"spoilt")
        self.set_aside(self.newer)
        self.assertEqual(self.read()[2]["quarantined whole"], 0)
        self.set_aside(self.older)
        self.assertEqual(self.read()[2]["quarantined whole"], 1)


if __name__ == "__main__":
    unittest.main()
