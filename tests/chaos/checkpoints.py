"""The faults of checkpoints and of the object store that holds them; and those that make somebody need a checkpoint.

A strike at checkpoints needs somebody who restores from them, so a processor loses its disk
with each. What the checkpoints are is read from the store's directory, as the ladder does.
"""

import json
import shutil

from chaos.bucket import FAULTS
from chaos.scenarios import ALL, flip, judges_again, scenario
from chaos.world import BITES_WITHIN, CHECKPOINT_SECONDS, LAST_SECONDS, Skipped

CHANCES = (0.3, 1.0)
# A clean end may wait for one request that is on its way, and no longer.
ENDS_WITHOUT_STORE = LAST_SECONDS + 10.0


# ---------------------------------------------------------------- lost disks


def lose_disks(world, members):
    """kill -9 and wipe, without a start; what the victims owe."""
    victims = set().union(*(member.live() for member in members))
    for member in members:
        member.kill()
        shutil.rmtree(member.data)
        member.data.mkdir()
    return victims, world.demand(victims)


def from_checkpoints(world):
    """How many restores began with a checkpoint so far."""
    return sum(member.log.read_text(errors="replace").count("restored from a checkpoint") for member in world.members)


@scenario
def wipe(world):
    """kill -9, and the data directory is gone; checkpoints are there."""
    with world.fault("wipe"):
        await_checkpoints(world)
        member = world.pick()
        before = from_checkpoints(world)
        _, demand = lose_disks(world, [member])
        member.start()
        world.recovered("wipe", demand)
        judges_again(world, member)
        world.until(lambda: from_checkpoints(world) > before, BITES_WITHIN, "somebody restores from a checkpoint")
        world.notes["restores that began with a checkpoint"] += from_checkpoints(world) - before


@scenario
def wipe_all(world):
    """kill -9 of every processor, and every data directory is gone; checkpoints are there."""
    with world.fault("wipe-all"):
        await_checkpoints(world)
        before = from_checkpoints(world)
        victims, demand = lose_disks(world, world.members)
        start_all(world)
        world.recovered("wipe-all", demand)
        found = from_checkpoints(world) - before
        world.bites(found >= len(victims), f"{len(victims)} partitions had nothing, {found} began with a checkpoint")
        world.notes["restores that began with a checkpoint"] += found


@scenario
def wipe_all_and_checkpoints(world):
    """kill -9 of every processor, and every data directory and checkpoint is gone: all is folded from the beginning."""
    with world.fault("wipe-all-and-checkpoints"):
        before = from_checkpoints(world)
        _, demand = lose_disks(world, world.members)
        for path in manifests(world):
            path.unlink()
        start_all(world)
        world.recovered("wipe-all-and-checkpoints", demand)
        world.bites(from_checkpoints(world) == before, "a checkpoint was left")


def start_all(world):
    for member in world.members:
        member.start()


# ---------------------------------------------------------------- the object store


@scenario
def object_store(world):
    """The object store fails in one of its ways: judging goes on, and whoever lost its disk meanwhile comes back."""
    needs_requests(world)
    fault = world.random.choice(list(FAULTS))
    with world.fault("object-store"):
        await_checkpoints(world)
        world.bucket.fail(fault, world.random.choice(CHANCES))
        try:
            world.sleep(2 * CHECKPOINT_SECONDS)
            world.recovered("object-store", world.demand(world.watch.partitions))
            member = world.pick()
            _, demand = lose_disks(world, [member])
            member.start()
            world.sleep(3.0)
        finally:
            failed = world.bucket.fail(None)
        world.bites(failed, f"no request met `{fault}`")
        world.notes[f"requests to the object store that failed: {fault}"] += failed
        world.recovered("object-store-and-wipe", demand)


def outage_scenario(fault):
    """While the fault lasts: judging goes on, ends are clean and in time, and a lost disk costs no more than a long fold."""
    kind = f"object-store-{fault}"

    def run(world):
        needs_requests(world)
        with world.fault(kind):
            await_checkpoints(world)
            # Two that judge something: the one that is wiped must be missed, the other must have something to leave.
            world.until(lambda: all(member.live() for member in world.members), BITES_WITHIN, "every processor judges something")
            leaving, wiped = world.random.sample(world.members, 2)
            world.bucket.fail(fault)
            try:
                world.sleep(CHECKPOINT_SECONDS)
                took = leaving.end(ENDS_WITHOUT_STORE)
                slowest = f"slowest end, ms: {kind}"
                world.notes[slowest] = max(world.notes[slowest], int(took * 1000))
                leaving.start()
                _, demand = lose_disks(world, [wiped])
                wiped.start()
                world.recovered(kind, demand)  # from the beginning of the log: it is whole
            finally:
                failed = world.bucket.fail(None)
            world.bites(failed, "no request met it")
            world.notes[f"requests to the object store that failed: {fault}"] += failed
            world.recovered(f"{kind}-over", world.demand(world.watch.partitions))

    run.__doc__ = f"The object store is {fault} for a while; meanwhile one processor ends, and another one loses its disk."
    ALL[kind] = run


outage_scenario("down")
outage_scenario("silent")
outage_scenario("unreadable")


def needs_requests(world):
    if world.options.checkpoints != "s3":
        raise Skipped("a directory gets no requests that could fail (--checkpoints directory)")


# ---------------------------------------------------------------- damaged checkpoints


def manifests(world, number="*"):
    """Paths of the manifests of a partition, oldest first: their names are in the order of their boundaries."""
    return sorted(world.bucket.root.glob(f"*/{number}/manifests/*.json"), key=lambda path: path.name)


def await_checkpoints(world):
    """Until each partition has one."""
    world.until(
        lambda: all(manifests(world, number) for number in world.watch.partitions), BITES_WITHIN, "a checkpoint of each partition"
    )


def quarantined(world):
    return set(world.bucket.root.glob("*/*/quarantine/*"))


def checkpoint_scenario(name, kind, choose, spoil, what):
    """`choose` takes the paths to be spoilt out of a partition's manifests, `spoil` does it."""

    def run(world):
        with world.fault(name):
            await_checkpoints(world)
            member = world.pick()
            victims, demand = lose_disks(world, [member])
            # Nobody writes checkpoints of these until somebody has restored them.
            for number in victims:
                for path in choose(world, manifests(world, number)):
                    spoil(path, world.random)
                    world.damaged.add(path)
            before = quarantined(world)
            member.start()
            world.recovered(name, demand)
            judges_again(world, member)
            world.until(lambda: quarantined(world) - before, BITES_WITHIN, "a broken checkpoint is set aside")
            found = sum(member.corrupt("checkpoint") for member in world.members)
            world.bites(found, "no processor counts a broken checkpoint")
            world.notes[f"partitions with spoilt checkpoints: {kind}"] += len(victims)
            world.notes[f"checkpoints set aside: {kind}"] += len(quarantined(world) - before)

    run.__doc__ = f"{what}, and a processor loses its disk."
    ALL[name] = run


def one_of_its_files(world, manifest):
    named = json.loads(manifest.read_bytes().splitlines()[0])["files"]
    return manifest.parents[1] / world.random.choice([file for file in named if file["size"]])["object"]


def newest(_, paths):
    return paths[-1:]


def file_of_newest(world, paths):
    return [one_of_its_files(world, path) for path in paths[-1:]]


def every_one(_, paths):
    return paths


def remove(path, _):
    path.unlink()


checkpoint_scenario(
    "flip-checkpoint-manifest", "manifest", newest, flip, "Of each newest checkpoint one byte of the manifest is another one"
)
checkpoint_scenario("flip-checkpoint-file", "file", file_of_newest, flip, "Of each newest checkpoint one byte of a file is another one")
checkpoint_scenario("lose-checkpoint-file", "lost file", file_of_newest, remove, "Of each newest checkpoint a file is gone")
checkpoint_scenario(
    "flip-every-checkpoint", "every manifest", every_one, flip, "Of every checkpoint one byte of the manifest is another one"
)
