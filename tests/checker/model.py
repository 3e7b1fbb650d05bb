"""A small model of the rules, enough to predict every verdict of the crash test.

It knows whole ASCII words, thresholds per audience, one kind of flood rule, strikes
that decay, mutes and producers' retries: the part of the policy language whose
verdicts depend on what the same user did before. Texts and policies of the crash
test keep to it (policy_a.toml, policy_b.toml, load.py).

Strikes decay by a table in the processor and by 2^(-t/half_life) here, so the model
keeps a lower and an upper bound. Where a step of the ladder lies between the two,
the verdict at hand decides and is counted as `uncertain`; the checker allows few.
"""

import re
from collections import deque
from dataclasses import dataclass, field

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ACTIONS = ("allow", "flag", "mask", "block")
RETRIES_REMEMBERED = 8
REASONS = 16
# Bounds on what the processor's fixed point (1/1000 points, interpolated) may be off, per decay.
DECAY_RELATIVE = 0.0005
DECAY_ABSOLUTE = 0.002


def milliseconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text).groups()
    return int(number) * {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}[unit]


@dataclass(frozen=True)
class Flood:
    rule: str
    per_channel: bool
    timespan: int
    gte: int
    topic: str
    risk: int
    action: str | None
    mute_for: int


@dataclass(frozen=True)
class Step:
    gte: float
    mute_for: int  # 0: no mute
    escalate: bool


class Policy:
    """The subset of a policy file that the model understands; anything else is an error, not a guess."""

    def __init__(self, text):
        source = tomllib.loads(text)
        unknown = set(source) - {"policy", "audience", "term", "context", "strikes"}
        if unknown:
            raise ValueError(f"the model does not know {sorted(unknown)}")
        self.terms = {}
        for term in source["term"]:
            for word in term["match"]:
                if not re.fullmatch(r"[a-z]+", word):
                    raise ValueError(f"the model knows whole lower-case ASCII words only, not {word!r}")
                self.terms[word] = (term["id"], term["topic"], term["risk"])
        self.audiences = source["audience"]
        self.floods = [self._flood(rule) for rule in source.get("context", [])]
        strikes = source["strikes"]
        self.points = {int(risk): points for risk, points in strikes["per_risk"].items()}
        self.half_life = milliseconds(strikes["half_life"])
        self.ladder = [self._step(step) for step in strikes["at"]]

    @staticmethod
    def _flood(rule):
        if rule["type"] != "event_count" or rule["group_by"] not in (["user"], ["user", "channel"]):
            raise ValueError(f"the model does not know the rule {rule['id']}")
        then = rule["then"]
        return Flood(
            rule=rule["id"],
            per_channel="channel" in rule["group_by"],
            timespan=milliseconds(rule["timespan"]),
            gte=rule["condition"]["gte"],
            topic=then["topic"],
            risk=then["risk"],
            action=then.get("action"),
            mute_for=milliseconds(then["for"]) if then.get("action") == "mute" else 0,
        )

    @staticmethod
    def _step(step):
        if "trust" in step:
            raise ValueError("the model knows no trust")
        action = step["action"]
        return Step(step["gte"], milliseconds(step["for"]) if action == "mute" else 0, action == "escalate")

    def hits(self, text):
        """(start, end, rule, topic, risk) in characters, in order."""
        found = []
        for word in re.finditer(r"[^\W\d_]+", text):
            term = self.terms.get(word.group().lower())
            if term:
                found.append((word.start(), word.end(), *term))
        return found

    def levels(self, audience, topic):
        table = self.audiences.get(audience or "default") or self.audiences["default"]
        return table.get(topic) or table["default"]

    def action_of(self, audience, topic, risk):
        levels = self.levels(audience, topic)
        return max((a for a in ACTIONS[1:] if levels.get(a, 8) <= risk), key=ACTIONS.index, default="allow")

    def escalates(self, audience, topic, risk):
        return self.levels(audience, topic).get("escalate", 8) <= risk


@dataclass
class Context:
    """What is remembered of one user in one partition."""

    messages: deque = field(default_factory=lambda: deque(maxlen=RETRIES_REMEMBERED))
    mute_until: int = 0
    strikes: tuple = (0.0, 0.0)  # lower and upper bound, in points
    strikes_at: int = 0
    judged_since: int = 0
    counted: dict = field(default_factory=dict)  # (rule, channel or None) -> times


@dataclass
class Expected:
    """What the model says about one record. None: it says nothing about that part."""

    code: str
    action: str
    judged_at: int
    policy: str | None = None
    mute_until: int | None = None
    escalate: bool = False
    duplicate_of: int | None = None
    labels: dict | None = None
    reasons: list | None = None
    masked_text: str | None = None
    message: dict | None = None
    alone: str | None = None  # the action of the same message without any history
    uncertain: bool = False


class Partition:
    """The rules over one partition's records, in order."""

    def __init__(self):
        self.clock = 0
        self.activations = {}  # scope -> (order, digest, Policy)
        self.contexts = {}

    def tick(self, time):
        self.clock = max(self.clock, time)
        return self.clock

    def activate(self, scope, order, digest, policy):
        if order > self.activations.get(scope, (-1,))[0]:
            self.activations[scope] = (order, digest, policy)

    def control(self):
        return Expected("control", "allow", self.clock, labels={}, reasons=[])

    def refused(self):
        return Expected("refused", "block", self.clock)

    def judge(self, offset, message, seen):
        """The expected verdict; `seen` is the real one's (mute_until, escalate), asked only where bounds leave it open."""
        now = self.clock
        found = self.activations.get(message["community"]) or self.activations.get("*")
        if not found:
            return Expected("no-policy", "allow", now, "", labels={}, reasons=[], message=message, alone="allow")
        _, digest, policy = found
        context = self.contexts.setdefault((message["community"], message["user"]), Context())
        expected = Expected("judged", "allow", now, digest, message=message)
        judgement = Judgement(policy, message)
        expected.alone = judgement.action()

        content = tuple(value for name, value in sorted(message.items()) if name != "sent_at")
        if message["message_id"]:
            for remembered in context.messages:
                if remembered[0] == content:
                    _, expected.code, expected.action, expected.duplicate_of = remembered
                    if expected.action == "mask":
                        expected.masked_text = judgement.masked() or "*" * len(message["text"])
                    return expected

        if now < context.mute_until:
            expected.code, expected.action = "muted", "block"
            expected.labels, expected.reasons = {}, []
        else:
            self._count(context, policy, message, judgement)
            expected.action = judgement.action()
            expected.masked_text = judgement.masked() if expected.action == "mask" else None
            expected.escalate = judgement.escalates()
            until = context.mute_until
            for flood in judgement.fired:
                if flood.mute_for:
                    until = expected.mute_until = max(until, now + flood.mute_for)
            self._strike(context, policy, judgement, expected, seen)
            context.mute_until = max(context.mute_until, expected.mute_until or 0)
            expected.labels, expected.reasons = judgement.labels(), judgement.reasons()
        context.messages.append((content, expected.code, expected.action, offset))
        return expected

    def _count(self, context, policy, message, judgement):
        for flood in policy.floods:
            key = (flood.rule, message["channel"] if flood.per_channel else None)
            times = [t for t in context.counted.get(key, ()) if t > self.clock - flood.timespan]
            times.append(self.clock)
            context.counted[key] = times
            if len(times) >= flood.gte:
                judgement.fired.append(flood)

    def _strike(self, context, policy, judgement, expected, seen):
        now = self.clock
        context.judged_since += 1
        points = policy.points.get(max(judgement.labels().values(), default=0), 0)
        if not points:
            return
        low, high = context.strikes
        if now > context.strikes_at and high > 0:
            left = 2.0 ** (-(now - context.strikes_at) / policy.half_life)
            slack = DECAY_ABSOLUTE + 0.001 * context.judged_since
            low = max(0.0, low * left * (1 - DECAY_RELATIVE) - slack)
            high = high * left * (1 + DECAY_RELATIVE) + slack
        low, high = low + points, high + points
        for step in policy.ladder:
            until = max(context.mute_until, expected.mute_until or 0, now + step.mute_for) if step.mute_for else None
            if low >= step.gte:
                fires = True
            elif high < step.gte:
                fires = False
            else:
                expected.uncertain = True
                seen_until, seen_escalate = seen
                fires = seen_until == until if step.mute_for else seen_escalate
                low, high = (max(low, step.gte), high) if fires else (low, min(high, step.gte))
            if fires:
                judgement.strikes = True
                expected.mute_until = until if step.mute_for else expected.mute_until
                expected.escalate = expected.escalate or step.escalate
        context.strikes, context.strikes_at, context.judged_since = (low, high), now, 0


class Judgement:
    """One text under one policy, and the rules about the user that fired with it."""

    def __init__(self, policy, message):
        self.policy = policy
        self.text = message["text"]
        self.audience = message["audience"]
        self.hits = policy.hits(self.text)
        self.fired = []
        self.strikes = False

    def labels(self):
        labels = {}
        for topic, risk in [hit[3:] for hit in self.hits] + [(flood.topic, flood.risk) for flood in self.fired]:
            labels[topic] = max(risk, labels.get(topic, 0))
        return labels

    def masked_spans(self):
        labels = self.labels()
        masked = {
            topic
            for topic, risk in labels.items()
            if ACTIONS.index(self.policy.action_of(self.audience, topic, risk)) >= ACTIONS.index("mask")
        }
        return [hit[:2] for hit in self.hits if hit[3] in masked]

    def action(self):
        found = [self.policy.action_of(self.audience, topic, risk) for topic, risk in self.labels().items()]
        found += [flood.action for flood in self.fired if flood.action in ACTIONS]
        action = max(found, key=ACTIONS.index, default="allow")
        return "block" if action == "mask" and not self.masked_spans() else action

    def escalates(self):
        return any(self.policy.escalates(self.audience, topic, risk) for topic, risk in self.labels().items())

    def masked(self):
        """The text with its masked spans starred, or None without such spans."""
        spans = self.masked_spans()
        hidden = {at for start, end in spans for at in range(start, end)}
        return "".join("*" if at in hidden else char for at, char in enumerate(self.text)) if spans else None

    def reasons(self):
        """(rule, start, end, start_utf16, end_utf16), at most 16, ordered by place and rule."""
        found = {(rule, *self._places(start, end)) for start, end, rule, _, _ in self.hits}
        found |= {(flood.rule, 0, 0, 0, 0) for flood in self.fired}
        if self.strikes:
            found.add(("strikes", 0, 0, 0, 0))
        return sorted(found, key=lambda reason: (reason[1], reason[2], reason[0]))[:REASONS]

    def _places(self, *places):
        bytes_at = [len(self.text[:at].encode()) for at in places]
        units_at = [len(self.text[:at].encode("utf-16-le")) // 2 for at in places]
        return (*bytes_at, *units_at)
