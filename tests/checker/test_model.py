"""The model of the rules, rule by rule."""

import unittest
from pathlib import Path

from checker.model import Partition, Policy

POLICY = Policy((Path(__file__).parent / "policy_a.toml").read_text())
OTHER = Policy((Path(__file__).parent / "policy_b.toml").read_text())
NOBODY = (None, False)


class Rules(unittest.TestCase):
    def setUp(self):
        self.partition = Partition()
        self.partition.activate("*", 1, "a", POLICY)
        self.offset = 0

    def judge(self, text, at=0, user="u", channel="h", identity=None, audience=None, sent_at=0, seen=NOBODY):
        self.partition.tick(1_000_000 + at)
        self.offset += 1
        message = {
            "message_id": f"m-{self.offset}" if identity is None else identity, "community": "c", "channel": channel,
            "user": user, "sent_at": sent_at, "text": text, "audience": audience, "language": None, "kind": "message",
            "revises": None, "reply_to": None,
        }
        return self.partition.judge(self.offset, message, seen)

    def test_a_risk_below_every_level_is_allowed(self):
        self.assertEqual(self.judge("a dravat").action, "allow")

    def test_an_audience_has_its_own_levels(self):
        self.assertEqual(self.judge("a dravat", audience="under13").action, "flag")
        self.assertEqual(self.judge("a plusket", audience="under13").action, "mask")
        self.assertEqual(self.judge("a plusket", audience="martians").action, "flag")

    def test_a_mask_stars_characters_and_reasons_count_bytes_and_utf16(self):
        verdict = self.judge("🎉 é Grobian!")
        self.assertEqual((verdict.action, verdict.masked_text), ("mask", "🎉 é *******!"))
        self.assertEqual(verdict.reasons, [("vul-3", 8, 15, 5, 12)])

    def test_only_topics_that_reach_mask_are_masked(self):
        self.assertEqual(self.judge("plusket hesplik").masked_text, "plusket *******")

    def test_a_word_inside_another_is_no_hit(self):
        self.assertEqual(self.judge("xgrobian grobians").labels, {})

    def test_the_sixth_message_in_ten_seconds_is_a_flood_and_mutes_from_the_next_on(self):
        verdicts = [self.judge("hello", at=1000 * n) for n in range(7)]
        self.assertEqual([v.code for v in verdicts], ["judged"] * 6 + ["muted"])
        # Spam at risk 4 is `mask`, and there is nothing to mask.
        self.assertEqual((verdicts[5].action, verdicts[5].mute_until), ("block", 1_000_000 + 5000 + 3000))
        self.assertEqual(verdicts[5].reasons, [("flood", 0, 0, 0, 0)])
        self.assertEqual((verdicts[6].action, verdicts[6].alone), ("block", "allow"))

    def test_a_flood_is_counted_per_channel_and_forgets_after_the_timespan(self):
        for n in range(5):
            self.judge("hello", at=n)
        self.assertEqual(self.judge("hello", at=6, channel="other").action, "allow")
        self.assertEqual(self.judge("hello", at=10_000).action, "allow")  # the first stood at 0: just outside

    def test_a_muted_message_is_not_counted_and_the_mute_ends_on_time(self):
        for n in range(6):
            self.judge("hello", at=n)
        self.assertEqual(self.judge("hello", at=3004).code, "muted")
        self.assertEqual(self.judge("hello", at=3005).code, "judged")
        self.assertEqual(len(self.partition.contexts["c", "u"].counted["flood", "h"]), 7)

    def test_a_retry_gets_the_first_answer_and_changes_nothing(self):
        first = self.judge("tugemon", identity="same")
        before = self.partition.contexts["c", "u"].strikes
        again = self.judge("tugemon", identity="same", at=50, sent_at=9)
        self.assertEqual((again.action, again.duplicate_of), (first.action, 1))
        self.assertEqual(self.partition.contexts["c", "u"].strikes, before)
        self.assertIsNone(self.judge("tugemon again", identity="same", at=60).duplicate_of)

    def test_a_retry_without_an_id_is_a_message(self):
        self.judge("hello", identity="")
        self.assertIsNone(self.judge("hello", identity="").duplicate_of)

    def test_the_ninth_message_back_is_forgotten(self):
        self.judge("hello", identity="first")
        for n in range(8):
            self.judge("hello", at=20_000 * (n + 1))
        self.assertIsNone(self.judge("hello", identity="first", at=200_000).duplicate_of)

    def test_a_masked_retry_under_another_policy_keeps_its_action(self):
        self.assertEqual(self.judge("skabet", identity="same").action, "mask")
        self.partition.activate("*", 2, "b", OTHER)  # knows no skabet
        again = self.judge("skabet", identity="same", at=1)
        self.assertEqual((again.action, again.masked_text), ("mask", "******"))

    def test_strikes_add_up_to_a_mute_and_then_to_an_escalation(self):
        self.assertIsNone(self.judge("vexitor").mute_until)  # 2 points
        second = self.judge("vexitor", at=100)  # almost 4
        self.assertEqual((second.mute_until, second.escalate), (1_000_000 + 100 + 6000, False))
        self.assertIn(("strikes", 0, 0, 0, 0), second.reasons)
        third = self.judge("ozmadel vexitor", at=6_200, user="u")
        self.assertTrue(third.escalate)

    def test_strikes_halve_with_their_half_life(self):
        self.judge("vexitor")
        self.assertIsNone(self.judge("vexitor", at=20_000 * 2).mute_until)  # 0.5 + 2

    def test_a_step_within_the_bounds_follows_the_verdict(self):
        def second(seen):
            self.setUp()
            self.judge("vexitor")
            # 2 points decay to 0.75 after 20 s x log2(2/0.75) = 28.30 s, and 0.75 + 2 is the step.
            return self.judge("vexitor", at=28_301, seen=seen)

        self.assertTrue(second(NOBODY).uncertain)
        self.assertIsNone(second(NOBODY).mute_until)
        until = 1_000_000 + 28_301 + 6_000
        self.assertEqual(second((until, False)).mute_until, until)

    def test_without_a_policy_nothing_is_remembered(self):
        self.partition = Partition()
        verdict = self.judge("vexitor")
        self.assertEqual((verdict.code, verdict.action, self.partition.contexts), ("no-policy", "allow", {}))

    def test_an_activation_that_is_not_newer_is_ignored(self):
        self.partition.activate("*", 1, "b", OTHER)
        self.assertEqual(self.judge("a").policy, "a")

    def test_a_community_may_have_a_policy_of_its_own(self):
        self.partition.activate("c", 5, "b", OTHER)
        self.assertEqual(self.judge("a").policy, "b")

    def test_time_never_runs_back(self):
        self.judge("a", at=500)
        self.assertEqual(self.judge("a", at=100).judged_at, 1_000_500)

    def test_what_the_model_does_not_know_is_an_error(self):
        with self.assertRaises(ValueError):
            Policy('[trust]\nuntrusted = -2\n[strikes]\nper_risk={}\nhalf_life="1s"\nat=[]')


if __name__ == "__main__":
    unittest.main()
