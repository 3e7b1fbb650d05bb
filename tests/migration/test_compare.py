"""The comparison must see what is missing, what differs, and copies that differ; and never call nothing the same."""

import unittest

from migration.compare import compare

A, B = (b"k", b"one", ()), (b"k", b"two", ())


class Compare(unittest.TestCase):
    def test_the_same(self):
        result = compare({0: {0: [A], 1: [B, B]}}, {0: {0: [A], 1: [B]}})
        self.assertTrue(result.same)
        self.assertEqual((result.compared, result.copies), (2, 1))

    def test_one_byte(self):
        self.assertEqual(compare({0: {0: [A]}}, {0: {0: [B]}}).differing, 1)
        self.assertEqual(compare({0: {0: [A]}}, {0: {0: [(b"l", b"one", ())]}}).differing, 1)
        self.assertEqual(compare({0: {0: [A]}}, {0: {0: [(b"k", b"one", (("h", b""),))]}}).differing, 1)

    def test_a_copy_that_differs(self):
        self.assertEqual(compare({0: {0: [A, B]}}, {0: {0: [A]}}).differing, 1)

    def test_missing_on_either_side(self):
        self.assertEqual(compare({0: {0: [A], 1: [B]}}, {0: {0: [A]}}).missing, 1)
        self.assertEqual(compare({0: {0: [A]}}, {0: {0: [A]}, 1: {0: [A]}}).missing, 1)

    def test_nothing_is_not_the_same(self):
        self.assertFalse(compare({}, {}).same)


if __name__ == "__main__":
    unittest.main()
