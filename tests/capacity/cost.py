"""What an environment costs in a month, by list prices.

    python -m capacity.cost [--prices FILE] [--sizes FILE] [--capacity RATE,…]

Invariant: every amount is quantity x price, with both shown, and every price has a source and a date. What depends on the buyer (spot,
Savings Plan, amd64 instead of Graviton) stands in columns of its own, and changes nothing but the nodes of the processors.
"""

import argparse
import datetime
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from capacity.model import premises, table

try:
    import tomllib
except ImportError:
    import tomli as tomllib

COST = Path(__file__).resolve().parents[2] / "infra" / "cost"
HOURS = 730
SECONDS = HOURS * 3600
PUTS_PER_CHECKPOINT = 6  # docs/operations.md
STALE_DAYS = 365
CASES = ("amd64", "on-demand", "+ spot", "+ Savings Plan")


class Refused(Exception):
    """The figures cannot be trusted; the text says why."""


@dataclass(frozen=True)
class Row:
    name: str
    quantity: float
    price: str
    usd: float


class Prices:
    def __init__(self, text):
        read = tomllib.loads(text)
        self.region, self.as_of = read["region"], datetime.date.fromisoformat(read["as_of"])
        self.known, self.saving = read["price"], read["saving"]
        for name, entry in self.known.items():
            if not entry.get("source", "").startswith("https://aws.amazon.com/") or not entry.get("unit") or entry["usd"] <= 0:
                raise Refused(f"the price `{name}` has no source, no unit, or is nothing")
        for name, share in self.saving.items():
            if not 0 <= share < 1:
                raise Refused(f"the saving `{name}` is no share")

    def row(self, name, price, quantity):
        if price not in self.known:
            raise Refused(f"there is no price `{price}`")
        return Row(name, quantity, price, quantity * self.known[price]["usd"])

    @property
    def unchecked(self):
        return [name for name, entry in self.known.items() if not entry.get("checked")]


def nodes(size):
    """(mean number of nodes, of these never spot)."""
    mean = math.ceil(size["pods"][1] / size["pods_per_node"])
    return mean, min(mean, size["on_demand_base"])


def broker_rows(size, written, kept, prices):
    """Standard brokers are paid for with their volumes; Express brokers for what is written and kept, too."""
    kind, _, name = size["broker"].split(".")
    if kind == "kafka":
        yield prices.row("brokers", f"msk-standard-{name}", HOURS * size["brokers"])
        yield prices.row("volumes of brokers", "msk-standard-storage", size["brokers"] * size["broker_gb"])
    else:
        yield prices.row("brokers", f"msk-express-{name}", HOURS * size["brokers"])
        yield prices.row("written to brokers", "msk-express-written", written)
        yield prices.row("kept by brokers", "msk-express-storage", kept)


def rows(size, message, prices):
    """Everything but the processors' nodes. Gigabytes are of ten to the ninth."""
    written = size["rate"] * (message["bytes"] + message["verdict_bytes"]) * SECONDS / 1e9
    kept = written * size["retention_days"] * 24 / HOURS
    # A client meets its leader in another zone in two of three cases; message and verdict each cross once as written and once as read.
    crossing = 2 * written * (size["zones"] - 1) / size["zones"]
    checkpoints = size["partitions"] * SECONDS / size["checkpoint_every_s"]
    yield prices.row("EKS control plane", "eks-cluster", HOURS)
    yield prices.row("system nodes", f"node-system-{size['system_node'].split('.')[1]}", HOURS * size["system_nodes"])
    yield from broker_rows(size, written, kept, prices)
    yield prices.row("inter-AZ, out", "inter-az", crossing)
    yield prices.row("inter-AZ, in", "inter-az", crossing)
    yield prices.row("state volumes", "gp3", size["pods"][1] * size["state_gb_per_pod"])
    yield prices.row("checkpoint requests", "s3-put", checkpoints * PUTS_PER_CHECKPOINT / 1000)
    yield prices.row("checkpoints kept", "s3-storage", size["checkpoint_gb"])
    yield prices.row("NAT gateways", "nat-gateway", HOURS * size["nat_gateways"])
    yield prices.row("through NAT", "nat-data", size["nat_gb"])
    yield prices.row("interface endpoints", "interface-endpoint", HOURS * size["interface_endpoints"] * size["zones"])
    yield prices.row("logs", "log-ingest", size["rate"] * message["log_bytes"] * SECONDS / 1e9)
    yield prices.row("keys", "kms-key", size["keys"])


def node_costs(size, prices):
    """Case -> dollars for the nodes of the processors."""
    mean, base = nodes(size)
    hourly = prices.known["node-arm64"]["usd"] * HOURS
    rest = mean - base
    spot = rest * (1 - prices.saving["spot"])
    return {
        "amd64": mean * prices.known["node-amd64"]["usd"] * HOURS,
        "on-demand": mean * hourly,
        "+ spot": (base + spot) * hourly,
        "+ Savings Plan": (base * (1 - prices.saving["savings_plan"]) + spot) * hourly,
    }


def read_sizes(text):
    """environment -> size, and what a message is."""
    read = tomllib.loads(text)
    message = read.pop("message")
    return {name: read[size["same_as"]] if "same_as" in size else size for name, size in read.items()}, message


def totals(size, message, prices):
    fixed = sum(row.usd for row in rows(size, message, prices))
    return {case: fixed + of_nodes for case, of_nodes in node_costs(size, prices).items()}


def report(sizes, message, prices, today):
    """Lines of Markdown."""
    yield f"List prices of {prices.region} as of {prices.as_of}, US dollars a month of {HOURS} hours, without tax and discounts. CHECK BEFORE USE:"
    yield f"{len(prices.unchecked)} of {len(prices.known)} prices were never compared with their page."
    if (today - prices.as_of).days > STALE_DAYS:
        yield f"STALE: the prices are {(today - prices.as_of).days} days old."
    yield ""
    yield f"| environment | {' | '.join(CASES)} |"
    yield f"|---|{'---:|' * len(CASES)}"
    for name, size in sizes.items():
        sums = totals(size, message, prices)
        yield f"| {name} | {' | '.join(f'{sums[case]:,.0f}' for case in CASES)} |"
    for name, size in sizes.items():
        yield from ["", f"{name}: {size['rate']:,} messages/s in the mean, {size['pods'][1]} pods", "", "| what | quantity | price | $ |", "|---|---:|---:|---:|"]
        for row in rows(size, message, prices):
            entry = prices.known[row.price]
            yield f"| {row.name} | {row.quantity:,.0f} | {entry['usd']:g} per {entry['unit']} | {row.usd:,.0f} |"
        mean, base = nodes(size)
        yield f"| nodes of the processors, Graviton, on-demand ({base} of {mean} never spot) | {mean * HOURS:,} | {prices.known['node-arm64']['usd']:g} per hour | {node_costs(size, prices)['on-demand']:,.0f} |"
    yield from [
        "",
        f"Assumed: a record of {message['bytes']} bytes and a verdict of {message['verdict_bytes']}; two thirds of all traffic with brokers crosses a zone, in and out;",
        f"replication between brokers is free on MSK; {PUTS_PER_CHECKPOINT} requests for a checkpoint and partition; every partition changes in every interval;",
        f"spot saves {prices.saving['spot']:.0%}, a Savings Plan {prices.saving['savings_plan']:.0%} of the nodes that are never spot. Support, people and data that leave AWS are not in it.",
    ]


def main():
    parser = argparse.ArgumentParser(prog="scripts/cost", description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--prices", type=Path, default=COST / "prices.toml")
    parser.add_argument("--sizes", type=Path, default=COST / "sizes.toml")
    parser.add_argument("--capacity", default="47000,250000,1000000", metavar="RATE,…", help="what these rates take")
    chosen = parser.parse_args()
    try:
        prices = Prices(chosen.prices.read_text())
        sizes, message = read_sizes(chosen.sizes.read_text())
        print("\n".join(report(sizes, message, prices, datetime.date.today())))
    except Refused as why:
        print(f"cost: {why}", file=sys.stderr)
        return 1
    print()
    print("\n".join(table([int(rate) for rate in chosen.capacity.split(",")])))
    print()
    print("\n".join(premises()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
