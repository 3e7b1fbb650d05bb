"""The calculating parts of the benchmark: medians, what is void, comparison, table."""

import unittest

from measure.bench_figures import KINDS, Void, absent, check_core, check_floor, compare, figures, lines, markdown, meets, names_of, rounds


def result(**values):
    return {"figures": {name.replace("__", "."): figures(*row(name, some))[name.replace("__", ".")] for name, some in values.items()}}


def row(name, values):
    row_name, _, figure = name.partition("__")
    return row_name, [{figure: value} for value in values], [], "scripts/bench --rows drain"


class Rounds(unittest.TestCase):
    def test_two_bare_loops_that_differ_by_a_quarter_pass_and_by_more_do_not(self):
        check_floor(1.6, 2.0)
        check_floor(2.0, 1.6)
        for first, again in ((1.6, 2.01), (2.01, 1.6)):
            with self.assertRaisesRegex(Void, "in one round"):
                check_floor(first, again)

    def test_a_fold_that_had_to_share_its_core_voids_the_round(self):
        check_core({"cpu": 1.0, "rate": 950_000})
        with self.assertRaisesRegex(Void, "57 % of its core"):
            check_core({"cpu": 2.26, "rate": 253_835})

    def test_a_void_round_is_repeated_twice_and_then_left_out(self):
        asked = []

        def attempt(number):
            asked.append(number)
            if number == 1:
                raise Void("noise")
            return {"cpu_ratio": number}

        kept, reasons = rounds(3, attempt, lambda _: None)
        self.assertEqual((asked, kept), ([0, 1, 1, 1, 2], [{"cpu_ratio": 0}, {"cpu_ratio": 2}]))
        self.assertEqual(reasons, ["round 2: noise"] * 3)

    def test_a_round_that_is_void_once_counts_the_second_time(self):
        outcomes = iter([Void("noise"), {"rate": 5}])

        def attempt(_):
            found = next(outcomes)
            if isinstance(found, Void):
                raise found
            return found

        self.assertEqual(rounds(1, attempt, lambda _: None), ([{"rate": 5}], ["round 1: noise"]))


class Figures(unittest.TestCase):
    def test_a_figure_is_the_median_of_its_rounds_with_the_spread_beside_it(self):
        found = figures(*row("drain__cpu_ratio", [3.0, 1.0, 2.5]))["drain.cpu_ratio"]
        self.assertEqual((found["median"], found["low"], found["high"], found["values"]), (2.5, 1.0, 3.0, [3.0, 1.0, 2.5]))

    def test_no_round_left_makes_no_figure(self):
        self.assertEqual(figures("drain", [], ["noise"], ""), {})

    def test_a_goal_is_met_at_its_bound_and_without_one_there_is_nothing_to_meet(self):
        self.assertEqual([meets(2.8, "<= 2.8"), meets(2.81, "<= 2.8"), meets(0.7, ">= 0.7"), meets(30, "< 30")], [True, False, True, False])
        self.assertEqual([meets(1, ""), meets(None, "<= 1")], [None, None])

    def test_every_row_has_names_of_its_own(self):
        self.assertIn("lane.share", names_of("lane"))
        self.assertEqual(names_of("open8"), [name for name in KINDS if name.startswith("open8.")])
        self.assertEqual(names_of("open"), names_of("open8") + names_of("open24"))


class Comparing(unittest.TestCase):
    def test_only_what_is_outside_of_both_spreads_is_marked(self):
        before = result(drain__cpu_ratio=[2.0, 2.2, 2.4], drain__rate=[100, 110, 120])
        after = result(drain__cpu_ratio=[1.5, 1.6, 1.9], drain__rate=[90, 119, 300])
        self.assertEqual([one[-2:] for one in compare(before, after)], [["-27.3 %", "*"], ["+8.2 %", ""]])

    def test_a_spread_that_holds_the_other_median_is_enough_to_say_nothing(self):
        before, after = result(drain__cpu_ratio=[2.0, 2.1, 2.2]), result(drain__cpu_ratio=[1.0, 3.0, 4.0])
        self.assertEqual([one[-1] for one in compare(before, after)], [""])

    def test_what_only_one_side_has_is_shown_without_a_change(self):
        rows = list(compare(result(drain__rate=[5]), result(drain__cpu_ratio=[2])))
        self.assertEqual([one[1:3] + one[4:] for one in rows], [["-", "2.00", "-", ""], ["5", "-", "-", ""]])


class Tables(unittest.TestCase):
    def test_each_line_of_the_documentation_names_its_command(self):
        found = result(drain__cpu_ratio=[2.0, 2.2, 2.4], drain__rate=[100_000, 110_000])
        self.assertEqual(list(markdown(found))[2:], [
            "| `drain.cpu_ratio` CPU per event, Gavel / bare loop | 2.20 | 2.00-2.40 | 3 | ≤ 2.8 | `scripts/bench --rows drain` |",
            "| `drain.rate` messages/s, Gavel | 105,000/s | 100,000-110,000 | 2 |  | `scripts/bench --rows drain` |",
        ])

    def test_what_was_not_measured_says_so(self):
        found = {"figures": absent(["streams.p99"], "not measured", "scripts/bench --rows streams")}
        self.assertIn("| not measured | 0 |", list(markdown(found))[2])
        self.assertIn("not measured", list(lines(found["figures"]))[1])


if __name__ == "__main__":
    unittest.main()
