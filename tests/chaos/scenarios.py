"""The faults, one function each. What a function is called is what the command line calls it.

Those of checkpoints are in a file of their own. Each strikes once, shows that it was felt, and asks the victims for progress.
"""

import errno
import os
import shutil
import subprocess

from chaos.world import BITES_WITHIN, ENDS_WITHIN, SESSION, Skipped
from harness import Failure

ALL = {}

DISK_CALLS = ("write", "write", "fdatasync", "fsync", "rename", "pread")
MOVES = 5
YEAR_AND_A_BIT = 400 * 24 * 3600
TMPFS = "48m"
FILE_KINDS = {
    "sst": lambda name: name.endswith(".sst"),
    "manifest": lambda name: name.startswith("MANIFEST-"),
    "current": lambda name: name == "CURRENT",
    "wal": lambda name: name.endswith(".log"),
    "options": lambda name: name.startswith("OPTIONS-"),
}


def scenario(function):
    ALL[function.__name__.replace("_", "-")] = function
    return function


# ---------------------------------------------------------------- processors


@scenario
def processor_kill(world):
    """kill -9 of a processor; it starts again, sometimes without the tail scan, so that verdicts come again."""
    member = world.pick()
    with world.fault("processor-kill"):
        victims = member.live()
        member.kill()
        demand = world.demand(victims)
        world.inspect(member)
        member.start(*world.random.choice(((), ("--tail-scan", "0"))))
        world.recovered("processor-kill", demand)


@scenario
def all_processors_kill(world):
    """kill -9 of every processor at once."""
    with world.fault("all-processors-kill"):
        victims = set().union(*(member.live() for member in world.members))
        for member in world.members:
            member.kill()
        demand = world.demand(victims)
        for member in world.members:
            world.inspect(member)
            member.start()
        world.recovered("all-processors-kill", demand)


@scenario
def zombie(world):
    """SIGSTOP of a processor past its session, others take over; then it wakes up with what it had in its hands."""
    member = world.pick()
    with world.fault("zombie"):
        victims = member.live()
        member.pause()
        try:
            demand = world.demand(victims)
            world.recovered("zombie", demand)  # by the others: it cannot
            world.sleep(world.random.uniform(0, SESSION))
        finally:
            copies = world.watch.copies
            member.go_on()
        world.recovered("zombie-awake", world.demand(world.watch.partitions))
        world.notes["copies by zombies"] += world.watch.copies - copies


@scenario
def churn(world):
    """A processor leaves and joins again, time after time, some of the times by kill -9."""
    with world.fault("churn"):
        for _ in range(4):
            member = world.random.choice(world.members)
            if world.random.random() < 0.4:
                member.kill()
            else:
                member.end(ENDS_WITHIN)
            member.start()
            world.sleep(world.random.uniform(0.3, 2.5))
        world.recovered("churn", world.demand(world.watch.partitions))


@scenario
def activation(world):
    """The other policy is activated, and a processor is killed in the middle of it."""
    member = world.pick()
    with world.fault("activation"):
        victims = member.live()
        running = world.activate_the_other()
        world.sleep(world.random.uniform(0, 0.5))
        member.kill()
        demand = world.demand(victims)
        member.start()
        world.recovered("activation", demand)
        world.until(lambda: running.process.poll() is not None, BITES_WITHIN, "the activation ends")
        world.bites(running.process.returncode == 0, f"the activation failed: {running.tail()}")


@scenario
def clock_jump(world):
    """The wall clock of a processor jumps by 400 days, to either side, and back."""
    if not world.shims:
        raise Skipped("no C compiler for the preloaded clock")
    member = world.pick()
    with world.fault("clock-jump"):
        offsets = [YEAR_AND_A_BIT, -YEAR_AND_A_BIT, world.random.uniform(-1, 1) * YEAR_AND_A_BIT]
        world.random.shuffle(offsets)
        for seconds in [*offsets, 0]:
            victims = member.live()
            member.set_clock(seconds)
            world.recovered("clock-jump", world.demand(victims))
            world.sleep(1.0)
        world.bites(member.set_clock(0), "the processor never read the clock that jumped")


def judges_again(world, member):
    """Until it has partitions, so that what was done to its stores matters."""
    world.until(member.live, BITES_WITHIN, f"{member.name} judges again")


# ---------------------------------------------------------------- brokers


def topics(world):
    return [world.gavel.topics[topic] for topic in ("messages", "verdicts")]


@scenario
def broker_kill(world):
    """kill -9 of a broker that leads partitions; its victims recover without it, then it comes back."""
    node = world.random.randint(1, 3)
    with world.fault("broker-kill"):
        victims = world.brokers.led_by(node, topics(world)) or world.watch.partitions
        world.brokers.kill(node)
        world.recovered("broker-kill", world.demand(victims))
        world.brokers.start(node)
        world.brokers.await_in_sync()
        world.recovered("broker-back", world.demand(world.watch.partitions))


@scenario
def broker_pause(world):
    """SIGSTOP of a leading broker until the others have replaced it, then SIGCONT: it believes to lead still."""
    node = world.random.randint(1, 3)
    with world.fault("broker-pause"):
        victims = world.brokers.led_by(node, topics(world)) or world.watch.partitions
        world.brokers.pause(node)
        try:
            world.recovered("broker-pause", world.demand(victims))
        finally:
            world.brokers.go_on(node)
        world.brokers.await_in_sync()
        world.recovered("broker-awake", world.demand(world.watch.partitions))


@scenario
def all_brokers_kill(world):
    """kill -9 of all three brokers; they come back."""
    with world.fault("all-brokers-kill"):
        for node in (1, 2, 3):
            world.brokers.kill(node)
        demand = world.demand(world.watch.partitions)
        world.brokers.start_all()
        since_back = world.demand(world.watch.partitions)
        world.recovered("all-brokers-kill", demand)
        world.recovered("all-brokers-back", since_back)
        world.brokers.await_in_sync()


@scenario
def broker_roll(world):
    """Every broker is stopped in turn (SIGTERM) and started again, as in an upgrade."""
    with world.fault("broker-roll"):
        for node in (1, 2, 3):
            victims = world.brokers.led_by(node, topics(world)) or world.watch.partitions
            world.brokers.stop(node)
            world.recovered("broker-roll", world.demand(victims))
            world.brokers.start(node)
            world.brokers.await_in_sync()


# ---------------------------------------------------------------- the network


def some_proxies(world):
    """One that stands before a leader, or all."""
    if world.random.random() < 0.4:
        return world.proxies.all
    leaders = [proxy for node, proxy in enumerate(world.proxies.all, 1) if world.brokers.led_by(node, topics(world))]
    return [world.random.choice(leaders)]


@scenario
def stall(world):
    """The connections to one broker or to all stay, and no byte comes through for longer than a session."""
    with world.fault("stall"):
        touched = world.proxies.touched()
        chosen = some_proxies(world)
        for proxy in chosen:
            proxy.stall(True)
        try:
            world.sleep(SESSION * world.random.uniform(1.2, 2.5))
        finally:
            for proxy in chosen:
                proxy.stall(False)
        world.bites(world.proxies.touched() > touched, "nothing was held back")
        world.recovered("stall", world.demand(world.watch.partitions))


@scenario
def delay(world):
    """Every chunk to and from the brokers is late."""
    with world.fault("delay"):
        touched = world.proxies.touched()
        late = world.random.uniform(0.05, 0.4)
        for proxy in world.proxies.all:
            proxy.delay = late
        try:
            world.recovered("delay", world.demand(world.watch.partitions))
            world.sleep(3.0)
        finally:
            for proxy in world.proxies.all:
                proxy.delay = 0.0
        world.bites(world.proxies.touched() > touched, "nothing was late")


@scenario
def half_close(world):
    """The brokers seem to end every connection; they hear nothing of it."""
    with world.fault("half-close"):
        touched = world.proxies.touched()
        for proxy in some_proxies(world):
            proxy.half_close()
        demand = world.demand(world.watch.partitions)
        world.recovered("half-close", demand)
        world.bites(world.proxies.touched() > touched, "no connection was there")


@scenario
def cut(world):
    """Of every connection the next request or answer arrives by half, then it is reset: nobody knows what was written."""
    with world.fault("cut"):
        touched = world.proxies.touched()
        for proxy in some_proxies(world):
            proxy.cut()
        demand = world.demand(world.watch.partitions)
        world.recovered("cut", demand)
        world.bites(world.proxies.touched() > touched, "nothing was cut")


# ---------------------------------------------------------------- disks


@scenario
def disk_full(world):
    """The volume of a data directory fills up; when it has room again, the runbook is followed."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        raise Skipped("a small volume can be mounted by root only")
    member = world.pick()
    with world.fault("disk-full"):
        member.kill()
        shutil.rmtree(member.data)
        member.data.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS}", "none", member.data], capture_output=True)
        if mounted.returncode:
            member.start()
            raise Skipped(f"mount says: {mounted.stderr.decode().strip()}")
        world.undo.callback(unmount, member.data)
        member.start()
        judges_again(world, member)
        filler = member.data / "filler"
        fill(filler)
        world.strikes_now()
        world.until(lambda: member.failed_epochs() or not member.alive(), BITES_WITHIN, f"{member.name} notices its full disk")
        world.sleep(2.0)
        filler.unlink()
        mend(world, member, "disk-full")
        member.kill()
        unmount(member.data)
        member.start()


def fill(path):
    """Writes until no byte fits any more."""
    with open(path, "wb", buffering=0) as filler:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError as full:
                if full.errno != errno.ENOSPC:
                    raise


def unmount(directory):
    if os.path.ismount(directory):
        subprocess.run(["umount", "--lazy", directory], check=True)


@scenario
def disk_error(world):
    """The store's disk answers with EIO to one kind of call, from a random one on, for a while."""
    if not world.shims:
        raise Skipped("no C compiler for the preloaded disk")
    member = world.pick()
    call = world.random.choice(DISK_CALLS)
    with world.fault("disk-error"):
        member.break_disk(call, world.random.randint(1, 8), world.random.choice((1, 2, 10**6)))
        if call != "write":
            # Epochs are written without a sync. Opening a store does all the rest.
            member.kill()
            member.start()
        world.until(member.hits, BITES_WITHIN, f"a {call} of {member.name} fails")
        world.sleep(3.0)
        world.notes[f"calls failed with EIO: {call}"] += member.mend_disk()
        mend(world, member, "disk-error")


def mend(world, member, kind):
    """The disk works again. Partitions that their store has halted want a restart, as the runbook says; others come by themselves."""
    world.sleep(1.0)
    halted = world.halted()
    for name, reasons in halted.items():
        if name != member.name or set(reasons.values()) - {"store"}:
            raise Failure(f"{kind} at {member.name}, yet halted: {name}: {reasons}\n{world.tails()}")
        world.notes["partitions halted by their store"] += len(reasons)
    if halted:
        member.kill()
    demand = world.demand(world.watch.partitions)
    if halted:
        member.start()
    world.recovered(kind, demand)
    judges_again(world, member)


# ---------------------------------------------------------------- damaged files


def flip(path, random):
    """One byte of a file becomes another."""
    with open(path, "r+b", buffering=0) as file:
        at = random.randrange(path.stat().st_size)
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ random.randint(1, 255)]))


def stores_with(member, belongs):
    """partition -> its files of this kind."""
    found = {
        number: sorted(path for path in directory.iterdir() if belongs(path.name) and path.stat().st_size)
        for number, directory in member.directories().items()
    }
    return {number: files for number, files in found.items() if files}


def flip_scenario(kind, belongs):
    def run(world):
        member = world.pick()
        with world.fault(f"flip-{kind}"):
            if not stores_with(member, belongs):
                # A small store is all log. Opening it again makes a table of it.
                member.kill()
                member.start()
                judges_again(world, member)
            victims = member.live()
            member.kill()
            demand = world.demand(victims)
            stores = stores_with(member, belongs)
            for files in stores.values():
                flip(world.random.choice(files), world.random)
                world.damaged.add(files[0].parent)
            flipped = set(stores)
            before = member.set_aside()
            member.start()
            world.recovered(f"flip-{kind}", demand)
            opened = opened_again(world, member, flipped)
            world.bites(opened, f"of the stores with a flipped byte ({kind}: {sorted(flipped)}) none was opened again")
            world.notes[f"stores with a flipped byte: {kind}"] += len(flipped)
            world.notes[f"opened again: {kind}"] += len(opened)
            world.notes[f"set aside as corrupt: {kind}"] += len(member.set_aside() - before)

    run.__doc__ = f"kill -9, and one byte of a {kind} file of each store of that processor is another one."
    ALL[f"flip-{kind}"] = run


def opened_again(world, member, partitions):
    """Which of these it judges again. If none, others leave the group for a moment, so that partitions move."""
    judges_again(world, member)
    others = [other for other in world.members if other is not member]
    for _ in range(MOVES):
        if found := partitions & member.live():
            return found
        other = world.random.choice(others)
        other.end(ENDS_WITHIN)
        world.until(lambda: partitions & member.live(), SESSION)
        other.start()
    return partitions & member.live()


for each, belongs in FILE_KINDS.items():
    flip_scenario(each, belongs)
