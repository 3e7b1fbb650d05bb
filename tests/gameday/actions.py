"""What a drill does, where no scenario of tests/chaos does it already: floods of records, and a node that goes with notice."""

import itertools
import shutil
import threading
import time

from chaos.checkpoints import await_checkpoints, from_checkpoints
from chaos.scenarios import ALL, judges_again
from chaos.world import BITES_WITHIN, ENDS_WITHIN
from checker.load import Load, send
from checker.wire import Schemas
from harness import SCHEMAS

POISON = 1_500
POISON_SECONDS = 3.0
BURST_SECONDS = 15.0
BURST = 10


def spot_interruption(world):
    """SIGTERM, as at the notice; the disk goes with the node; the successor begins with nothing."""
    with world.fault("spot-interruption"):
        await_checkpoints(world)
        member = world.pick()
        victims, before = member.live(), from_checkpoints(world)
        world.strikes_now()
        member.end(ENDS_WITHIN)
        demand = world.demand(victims)
        shutil.rmtree(member.data)
        member.data.mkdir()
        member.start()
        world.recovered("spot-interruption", demand)
        judges_again(world, member)
        world.until(lambda: from_checkpoints(world) > before, BITES_WITHIN, "the successor restores from a checkpoint")


def poison(world):
    """Hostile records of every kind, in every partition, much faster than usual."""
    load = Load(Schemas(SCHEMAS), world.options.seed + 7)
    records = (record() for record in itertools.islice(load.bad, POISON))
    with world.fault("poison"):
        before = dead_letters(world)
        sent = []
        sender = threading.Thread(
            target=lambda: sent.append(send(world.brokers.bootstrap, world.gavel.topics["messages"], records, POISON, POISON_SECONDS))
        )
        sender.start()
        world.until(lambda: not sender.is_alive(), BITES_WITHIN, "the hostile records are sent")
        world.recovered("poison", world.demand(world.watch.partitions))
        world.until(lambda: dead_letters(world) - before >= POISON * 0.9, BITES_WITHIN, "each of them has its dead letter")
        world.bites(sent, "nothing was sent")


def dead_letters(world):
    """As the processors count them; none of them is restarted in this drill."""
    return sum(value for member in world.members for name, _, value in member.metrics() if name == "gavel_dead_letters_total")


def burst(world):
    """A second load of nine times the first one. Its records are made beforehand: encoding them takes longer than sending them."""
    count = int(world.options.rate * (BURST - 1) * BURST_SECONDS)
    load = Load(Schemas(SCHEMAS), world.options.seed + 9)
    records = list(load.records(count))
    with world.fault("burst"):
        judged, began = world.watch.judged, time.monotonic()
        sent, took = [], []

        def work():
            sent.append(send(world.brokers.bootstrap, world.gavel.topics["messages"], records, count, BURST_SECONDS))
            took.append(time.monotonic() - began)

        sender = threading.Thread(target=work)
        sender.start()
        world.until(lambda: not sender.is_alive(), BURST_SECONDS * 4, "the burst is sent")
        world.bites(sent == [count], f"{sent} of {count} records were sent")
        world.bites(took[0] < BURST_SECONDS * 2, f"the burst took {took[0]:.0f} s: this machine could not send it, and it was none")
        world.notes["messages a second in the burst"] = round(world.options.rate + count / took[0])
        world.recovered("burst", world.demand(world.watch.partitions))
        world.until(lambda: world.watch.judged - judged >= count, BITES_WITHIN, "the whole burst is judged")


ACTIONS = ALL | {"spot-interruption": spot_interruption, "poison": poison, "burst": burst}
