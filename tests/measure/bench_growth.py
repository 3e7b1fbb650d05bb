"""The rows about growth: what more of something costs, the same system with little of it and with much in one round.

Invariant: only the size changes. Texts hit a policy equally often whatever its size, rates are equal, and what is looked at twice runs on
logs of its own, so that neither knows the users of the other.
"""

import statistics

from harness import say
from measure.bench_figures import Void, absent, check_floor, names_of
from measure.bench_rows import latencies, open_loop, told
from measure.bench_systems import Log, Ours, bare_drain, drain, fold

WHOLE = 80  # of a hundred terms; the others are parts, prefixes, suffixes, phrases
FEW_TERMS, MANY_TERMS = 1_000, 100_000
SHORT, LONG = 200, 2_000
FEW_USERS = 100_000
MANY_PARTITIONS = 64
HOT_SHARE = 0.5
CHECKPOINT_MS = 2_000
FOLDED = 1_000_000
MOST_OF_IT = 0.9  # of the load that was meant: with less than that the generator was the limit


class Growth:
    def __init__(self, rows):
        self.rows, self.bench, self.chosen = rows, rows.bench, rows.chosen

    # ------------------------------------------------------------------ the fold alone

    def terms(self):
        few, many = (self.bench.corpus(terms, WHOLE) for terms in (FEW_TERMS, MANY_TERMS))
        events = min(self.chosen.events, FOLDED)

        def attempt(_):
            first, grown, again = (fold(self.bench, corpus, events, FEW_USERS) for corpus in (few, many, few))
            told(few=first, many=grown, again=again)
            check_floor(first["cpu"], again["cpu"])
            return {"growth": grown["cpu"] / statistics.mean((first["cpu"], again["cpu"]))}

        return self.rows.take("terms", names_of("terms"), attempt)

    def length(self):
        short, long = (self.bench.corpus(self.chosen.terms, WHOLE, size) for size in (SHORT, LONG))
        sizes = [statistics.mean(len(line.encode()) for line in (corpus / "texts.txt").read_text().splitlines()) for corpus in (short, long)]
        events = min(self.chosen.events, FOLDED)
        counts = [events, max(events * SHORT // LONG, 1)]

        def attempt(_):
            first, grown, again = (fold(self.bench, corpus, count, FEW_USERS) for corpus, count in ((short, counts[0]), (long, counts[1]), (short, counts[0])))
            told(short=first, long=grown, again=again)
            check_floor(first["cpu"], again["cpu"])
            return {"growth": grown["cpu"] / sizes[1] / (statistics.mean((first["cpu"], again["cpu"])) / sizes[0])}

        return self.rows.take("length", names_of("length"), attempt)

    # ------------------------------------------------------------------ a drain

    def users(self):
        chosen, corpus = self.chosen, self.bench.corpus(self.chosen.terms)
        few, many = (self.rows.filled(corpus, users=users) for users in (FEW_USERS, chosen.most_users))

        def attempt(_):
            bare = bare_drain(few)
            first, grown = (drain(Ours(), log, corpus, chosen.events) for log in (few, many))
            again = bare_drain(few)
            told(bare=bare, few=first, many=grown, again=again)
            check_floor(bare["cpu"], again["cpu"])
            return {"growth": grown["cpu"] / first["cpu"], "rss": grown["rss"]}

        extra = f" --most-users {chosen.most_users}" if chosen.most_users != 1_000_000 else ""
        found = self.rows.take("users", names_of("users"), attempt, extra)
        few.remove()
        many.remove()
        return found

    # ------------------------------------------------------------------ an open loop

    def partitions(self):
        corpus = self.bench.corpus(self.chosen.terms)

        def attempt(_):
            one, many = (self.rows.open_loop(Ours(), partitions, self.chosen.rate, corpus) for partitions in (1, MANY_PARTITIONS))
            told(one=one, many=many)
            return {"growth": many["cpu"] / one["cpu"], "rss": (many["rss"] - one["rss"]) / (MANY_PARTITIONS - 1)}

        return self.rows.take("partitions", names_of("partitions"), attempt)

    def hot(self):
        corpus = self.bench.corpus(self.chosen.terms)

        def attempt(_):
            without = self.rows.open_loop(Ours(), 8, self.chosen.rate, corpus)
            beside = self.rows.open_loop(Ours(), 8, self.chosen.rate, corpus, **{"hot-share": HOT_SHARE})
            told(without=without, all=beside)
            return {"growth": latencies(beside["report"], "others")["p99"] / without["p99"]}

        return self.rows.take("hot", names_of("hot"), attempt)

    def checkpoint(self):
        """Both kinds store equally often: a checkpoint is of what is stored."""
        corpus = self.bench.corpus(self.chosen.terms)
        every = {"GAVEL_RUN_EPOCH_MS": str(CHECKPOINT_MS), "GAVEL_CHECKPOINTS_EVERY_MS": str(CHECKPOINT_MS)}

        def attempt(number):
            store = str(self.bench.work / f"checkpoints-{number}")
            without, saving = (
                self.rows.open_loop(Ours(**every, GAVEL_CHECKPOINTS_STORE=where), 8, self.chosen.rate, corpus) for where in ("none", store)
            )
            told(without=without, saving=saving)
            return {"growth": saving["p99"] / without["p99"]}

        return self.rows.take("checkpoint", names_of("checkpoint"), attempt)

    def overload(self):
        highest, corpus = self.rows.highest, self.bench.corpus(self.chosen.terms)
        if not highest:
            return absent(names_of("overload"), "not measured", "scripts/bench --rows overload", ["--maximum is missing, or --rows highest before it"])

        def attempt(_):
            at, above = (self.goodput(rate, corpus) for rate in (highest, 2 * highest))
            return {"goodput": above / at}

        return self.rows.take("overload", names_of("overload"), attempt, f" --maximum {highest}")

    def goodput(self, rate, corpus):
        """Verdicts a second while messages are sent. Latencies are not asked for, so a generator that is late is no matter, if only it sends enough."""
        log = Log(self.bench, 8, corpus)
        try:
            report = open_loop(Ours(), log, corpus, rate, self.chosen)["report"]
        finally:
            log.remove()
        within = report["seconds"][: self.chosen.seconds]
        sent, received = (sum(second[name] for second in within) / self.chosen.seconds for name in ("sent", "received"))
        say(f"  {rate:,}/s meant, {sent:,.0f}/s sent, {received:,.0f}/s judged")
        if sent < MOST_OF_IT * rate:
            raise Void(f"the generator sent {sent:,.0f} of {rate:,} a second")
        return received
