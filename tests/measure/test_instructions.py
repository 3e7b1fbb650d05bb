"""The gate on instruction counts: what passes, what fails, and what it then says."""

import unittest

from harness import Failure
from measure.instructions import ACCEPT, compare, differences, per_event

BASELINE = {"fold": 1000.0, "codec": 50.0}


class Comparing(unittest.TestCase):
    def test_the_same_counts_pass_without_a_word(self):
        found = compare(BASELINE, BASELINE)
        self.assertEqual((found.faults, found.hints), ([], []))
        self.assertEqual(found.rows[0], ["fold", "1,000.0", "1,000.0", "+0.00 %"])

    def test_five_percent_more_pass_and_a_little_above_fails(self):
        self.assertEqual(compare({"fold": 1050.0, "codec": 50.0}, BASELINE).faults, [])
        self.assertEqual(
            compare({"fold": 1051.0, "codec": 50.0}, BASELINE).faults, ["fold takes 5.1 % more instructions than the baseline"]
        )

    def test_an_improvement_passes_and_asks_to_be_held_on_to(self):
        found = compare({"fold": 1000.0, "codec": 40.0}, BASELINE)
        self.assertEqual(found.faults, [])
        self.assertEqual(len(found.hints), 1)
        self.assertIn("codec takes 20.0 % fewer", found.hints[0])
        self.assertIn(ACCEPT, found.hints[0])
        self.assertEqual(compare({"fold": 960.0, "codec": 50.0}, BASELINE).hints, [])

    def test_one_that_is_better_does_not_make_up_for_one_that_is_worse(self):
        self.assertEqual(len(compare({"fold": 1200.0, "codec": 10.0}, BASELINE).faults), 1)

    def test_a_new_name_and_a_missing_one_fail(self):
        found = compare({"fold": 1000.0, "lane": 7.0}, BASELINE)
        self.assertEqual(found.faults, ["lane is not in the baseline", "codec is in the baseline and is counted no more"])
        self.assertEqual(found.rows[1:], [["lane", "7.0", "-", "-"], ["codec", "-", "50.0", "-"]])

    def test_what_was_not_asked_for_is_not_missed(self):
        self.assertEqual(compare({"fold": 1000.0}, BASELINE, partial=True).faults, [])


class Surroundings(unittest.TestCase):
    def test_only_what_differs_is_named(self):
        here = {"rustc": "rustc 1.96.0", "libc": "glibc 2.36"}
        self.assertEqual(differences(here, here), [])
        self.assertEqual(
            differences(here, here | {"rustc": "rustc 1.95.0"}), ["the baseline was taken with rustc 1.95.0, this is rustc 1.96.0"]
        )

    def test_an_empty_baseline_has_unknown_surroundings(self):
        self.assertEqual(differences({"rustc": "rustc 1.96.0"}, {}), ["the baseline was taken with an unknown rustc, this is rustc 1.96.0"])


class Profiles(unittest.TestCase):
    def test_the_sum_is_divided_by_the_events(self):
        self.assertEqual(per_event("version: 1\nsummary: 12340\n\ntotals: 12340\n", "100\n", "fold"), 123.4)

    def test_a_profile_in_which_nothing_was_counted_is_refused(self):
        for profile in ("events: Ir\nsummary: 0\n", "events: Ir\n"):
            with self.assertRaisesRegex(Failure, "nothing of fold.*inlined"):
                per_event(profile, "100\n", "fold")


if __name__ == "__main__":
    unittest.main()
