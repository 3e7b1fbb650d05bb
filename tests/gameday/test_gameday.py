"""The scorecard must be able to say no, and the drills must say enough."""

import unittest
from unittest import mock

from gameday import gameday, observer
from gameday.observer import Sample, Totals
from gameday.scorecard import markdown, verdict_of

DRILL = gameday.read_drills(gameday.DRILLS.read_text())["processor-kill"]
GOOD = {
    "drill": "processor-kill", "seed": 1, "rate": 400, "problems": [], "steady_before": 400, "steady_after": 390, "seconds": 60, "copies": 3,
    "detected": {"slow": 0.1, "dark": 0.5}, "recovery": {"processor-kill": {"p50": 4.0, "max": 5.0}}, "checker": {"problems": {}},
}  # fmt: skip


class Scorecard(unittest.TestCase):
    def test_all_of_it_observed(self):
        found = verdict_of(DRILL, GOOD)
        self.assertTrue(found["held"])
        # `slow` came first, but it is not what this drill is seen by.
        self.assertEqual((found["detected_by"], found["detected_after"], found["recovered_after"]), ("dark", 0.5, 5.0))
        self.assertEqual((found["lost"], found["differing"]), (0, 0))
        self.assertIn("| processor-kill | held | 400 / 390 per s | dark, 0.5 s | 5.0 s | 0 / 0 / 3 |", markdown({"processor-kill": DRILL}, [GOOD | found]))

    def test_everything_that_is_missing_or_late_is_said(self):
        for why, spoilt in {
            "none of down, dark was seen": {"detected": {"slow": 0.1}},
            "seen after 11 s": {"detected": {"down": 11}},
            "recovered after 31 s": {"recovery": {"processor-kill": {"p50": 1, "max": 31}}},
            "nobody asked for a recovery": {"recovery": {}},
            "no checker has read the topics": {"checker": None},
            "no steady state was observed": {"steady_after": 0},
            "checker.check: no verdict: 2": {"problems": ["checker.check: no verdict: 2"], "checker": {"problems": {"no verdict": 2}}},
        }.items():
            found = verdict_of(DRILL, GOOD | spoilt)
            self.assertFalse(found["held"], why)
            self.assertIn(why, found["verdict"])

    def test_lost_and_differing_are_counted_apart(self):
        checker = {"problems": {"no verdict": 2, "no dead letter": 1, "copies differ": 4, "action differs": 8, "out of order": 16}}
        found = verdict_of(DRILL, GOOD | {"checker": checker, "problems": ["checker.check: …"]})
        self.assertEqual((found["lost"], found["differing"]), (3, 12))


class Drills(unittest.TestCase):
    def test_a_drill_that_says_too_little_is_refused(self):
        text = gameday.DRILLS.read_text()
        for spoilt in (
            text.replace('fis = "pod-delete"\n', ""),
            text.replace('fis = "pod-delete"', 'fis = "pod-destroy"'),
            text.replace('action = "zombie"', 'action = "ghost"'),
            text.replace('signals = ["dead-letters"]', 'signals = ["gut-feeling"]'),
            text.replace('signals = ["dead-letters"]', "signals = []"),
            text.replace('name = "burst"', 'name = "poison"'),
            text.replace("recovered_within = 60\n", "", 1),
        ):
            self.assertNotEqual(spoilt, text)
            with self.assertRaises(ValueError):
                gameday.read_drills(spoilt)


class Observer(unittest.TestCase):
    def look(self, answers, totals, at=0.0):
        """One sample of processes whose /metrics are given."""
        with mock.patch.object(observer, "metrics", lambda data, within: answers[data]):
            return observer.read({name: name for name in answers}, totals, at)

    def test_a_counter_that_begins_again_is_no_fall(self):
        totals = Totals()
        for value in (10.0, 15.0, 3.0, 4.0):
            totals.add("a", "x", (), value)
        self.assertEqual(totals.sums["x"], 19.0)

    def test_who_does_not_answer_is_down_and_what_nobody_judges_is_dark(self):
        live = [("gavel_partition_phase", {"partition": "0", "phase": "live"}, 1.0)]
        sample = self.look({"a": live, "b": []}, Totals())
        self.assertEqual(observer.seen([sample], {0, 1}, None), {"down", "dark"})
        self.assertEqual(observer.seen([sample], {0}, None), {"down"})

    def test_halted_and_failed_epochs(self):
        totals = Totals()
        first = self.look({"a": [("gavel_epochs_total", {"outcome": "failed"}, 0.0)]}, totals)
        halted = [("gavel_partition_halted", {"partition": "3", "reason": "store"}, 1.0), ("gavel_epochs_total", {"outcome": "failed"}, 2.0)]
        second = self.look({"a": halted}, totals, 1.0)
        self.assertEqual(observer.seen([first, second], set(), None), {"halted", "failed-epochs"})

    def test_rates_are_held_against_those_of_the_steady_state(self):
        def window(per_second, refused, late):
            names = {"gavel_verdicts_total": per_second, "gavel_dead_letters_total": refused, "delays": per_second, "delays_in_time": per_second - late}
            return [Sample(at=float(n), totals={name: n * rise for name, rise in names.items()}) for n in range(observer.WINDOW)]

        before = {"verdicts": 100.0, "dead_letters": 2.0}
        self.assertEqual(observer.seen(window(100, 2, 0), set(), before), set())
        self.assertEqual(observer.seen(window(49, 2, 0), set(), before), {"stalled"})
        self.assertEqual(observer.seen(window(301, 11, 0), set(), before), {"burst", "dead-letters"})
        self.assertEqual(observer.seen(window(100, 2, 11), set(), before), {"slow"})

    def test_a_drill_is_ended_by_silence_and_by_halts_that_nobody_expects(self):
        watched = observer.Observer({}, {0})
        self.assertIsNone(watched.abort(60, []))
        watched.struck()
        self.assertIsNone(watched.abort(60, []))
        watched.note(Sample(1.0, halted={0: "ladder"}))
        self.assertIn("ladder", watched.abort(60, ["store"]))
        self.assertIsNone(watched.abort(60, ["ladder"]))
        watched.strike = watched.last_verdict = watched.strike - 61
        self.assertIn("no verdict", watched.abort(60, ["ladder"]))


if __name__ == "__main__":
    unittest.main()
