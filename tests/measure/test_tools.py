"""The tools of the measurements, each alone."""

import math
import random
import unittest

from checker.wire import Schemas
from checker.load import ANY_VERDICT
from harness import SCHEMAS
from measure.cost import source
from measure.lines import texts
from measure.soak import growth, line
from measure.world import percentile, table


class Slopes(unittest.TestCase):
    def test_a_line_is_found_again(self):
        slope, error = line([(at, 3 + 0.5 * at) for at in range(10)])
        self.assertAlmostEqual(slope, 0.5)
        self.assertAlmostEqual(error, 0)

    def test_two_points_are_no_evidence(self):
        self.assertEqual(line([(0, 0), (1, 1)]), (0.0, math.inf))

    def test_what_swings_between_kills_does_not_grow(self):
        rng = random.Random(1)
        points = [(at, 100 + at % 180 / 10 + rng.random()) for at in range(300, 1740, 15)]
        slope, error = growth(points, 180)
        self.assertFalse(slope > 60 and slope > 3 * error, (slope, error))

    def test_a_leak_below_the_noise_of_one_sample_is_seen(self):
        rng = random.Random(1)
        points = [(at, 100 + at / 3600 * 120 + rng.gauss(0, 2)) for at in range(300, 1800, 15)]
        slope, error = growth(points, 180)
        self.assertTrue(slope > 60 and slope > 3 * error, (slope, error))


class Verdicts(unittest.TestCase):
    def test_the_place_of_a_message_is_read_from_its_verdict(self):
        schemas = Schemas(SCHEMAS)
        for partition, offset in ((0, 0), (7, 1), (63, 64), (100, 2**40)):
            verdict = ANY_VERDICT | {"log_id": "some-log" * 9, "source_partition": partition, "source_offset": offset}
            self.assertEqual(source(schemas.encode("Verdict", verdict)), (partition, offset))


class Words(unittest.TestCase):
    def test_texts_are_the_same_in_every_run_and_some_break_a_rule(self):
        self.assertEqual(texts(), texts())
        self.assertTrue(any("darn" in text for text in texts()) and any("blast" in text for text in texts()))


class Tables(unittest.TestCase):
    def test_ranks(self):
        self.assertEqual([percentile([], 99), percentile([5], 99), percentile(list(range(1000)), 99.9)], [0, 5, 999])

    def test_columns_stand_below_each_other(self):
        self.assertEqual(list(table(["a", "b"], [["long", 1], ["x", 100]])), ["a       b", "long    1", "x     100"])


if __name__ == "__main__":
    unittest.main()
