"""Capacity and cost: figures computed by hand, sizes of the environments, and the table in the docs."""

import re

from capacity import cost, model
from infra.proof import Failed, check


@check("capacity-model")
def capacity_model(bench):
    done = bench.run("python3", "-m", "unittest", "capacity.test_capacity", cwd=bench.root / "tests")
    number = re.search(r"Ran (\d+) tests", done.stderr)
    page = (bench.root / "docs/operations/capacity.md").read_text()
    for line in model.table([47_000, 250_000, 1_000_000]):
        if line not in page:
            raise Failed(f"docs/operations/capacity.md does not have this line of `scripts/cost`:\n{line}")
    return f"{number.group(1)} tests with figures computed by hand; the page has the table"


@check("cost")
def costs(bench):
    said = bench.run(bench.root / "scripts/cost").stdout
    prices = cost.Prices((cost.COST / "prices.toml").read_text())
    sizes, message = cost.read_sizes((cost.COST / "sizes.toml").read_text())
    if set(sizes) != {"dev", "staging", "prod-a", "prod-b"}:
        raise Failed(f"sizes of {sorted(sizes)}")
    for name, size in sizes.items():
        if model.capacity(size["peak"], message["bytes"], message["verdict_bytes"]).bytes_in > size["brokers"] * model.EXPRESS[
            size["broker"].removeprefix("msk-express-")
        ]:
            raise Failed(f"{name}: its brokers do not hold its peak")
        if f"| {name} |" not in said:
            raise Failed(f"the table has no {name}")
    spoilt = bench.directory("cost") / "prices.toml"
    spoilt.write_text((cost.COST / "prices.toml").read_text().replace('source = "https://aws.amazon.com/kms/pricing/"\n', ""))
    bench.run(bench.root / "scripts/cost", "--prices", spoilt, ok=(1,))
    tied = tie(bench, sizes)
    return f"{len(sizes)} environments, {len(prices.known)} prices of {prices.as_of}, {len(prices.unchecked)} unchecked; {tied}; a price without source refused"


def tie(bench, sizes):
    """The brokers of a tfvars file are those that are paid for."""
    tied = 0
    for name, size in sizes.items():
        stem = name.replace("-", "[-/]?")
        for file in (bench.root / "infra/envs").rglob("*.tfvars*"):
            if not re.search(rf"(^|/){stem}(/|\.)", str(file.relative_to(bench.root / "infra/envs"))):
                continue
            text = file.read_text()
            broker = re.search(r'"?express\.m7g\.(\w+)"?', text)
            if broker and f"msk-express-{broker.group(1)}" != size["broker"]:
                raise Failed(f"{file.relative_to(bench.root)} has express.m7g.{broker.group(1)}, infra/cost/sizes.toml {size['broker']}")
            tied += bool(broker)
    return f"{tied} tied to tfvars"
