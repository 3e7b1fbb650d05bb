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
        holds = model.EXPRESS.get(size["broker"].removeprefix("express.m7g."))
        if holds and model.capacity(size["peak"], message["bytes"], message["verdict_bytes"]).bytes_in > size["brokers"] * holds:
            raise Failed(f"{name}: its brokers do not hold its peak")
        if f"| {name} |" not in said:
            raise Failed(f"the table has no {name}")
    spoilt = bench.directory("cost") / "prices.toml"
    spoilt.write_text((cost.COST / "prices.toml").read_text().replace('source = "https://aws.amazon.com/kms/pricing/"\n', ""))
    bench.run(bench.root / "scripts/cost", "--prices", spoilt, ok=(1,))
    tied = tie(bench, sizes)
    return f"{len(sizes)} environments, {len(prices.known)} prices of {prices.as_of}, {len(prices.unchecked)} unchecked; {tied}; a price without source refused"


def tie(bench, sizes):
    """The brokers, the controllers' nodes and the NAT gateways of each environment's variables are those that are paid for."""
    envs = bench.root / "infra/envs"
    if not envs.is_dir():
        return "infra/envs is not in this tree"
    for name, size in sizes.items():
        stem, _, cluster = name.partition("-")
        files = [envs / stem / "common.tfvars", envs / stem / f"{cluster or stem}.tfvars"]
        text = "".join(file.read_text() for file in files if file.exists())
        kafka = re.search(r"^kafka\s*=\s*\{(.*?)^\}", text, re.MULTILINE | re.DOTALL)
        controllers = re.search(r"^controllers\s*=\s*\{(.*?)\}", text, re.MULTILINE | re.DOTALL)
        if not kafka or not controllers:
            raise Failed(f"the variables of {name} say nothing of kafka or controllers: {', '.join(str(file) for file in files)}")
        found = {
            "broker": re.search(r'instance_type\s*=\s*"(.+?)"', kafka.group(1)).group(1),
            "brokers": int(re.search(r"brokers\s*=\s*(\d+)", kafka.group(1)).group(1)),
            "system_node": re.search(r'instance_types\s*=\s*\["(.+?)"', controllers.group(1)).group(1),
            "system_nodes": int(re.search(r"size\s*=\s*(\d+)", controllers.group(1)).group(1)),
            "nat_gateways": 1 if re.search(r"^single_nat_gateway\s*=\s*true", text, re.MULTILINE) else 3,
        }
        if differing := {key: (value, size[key]) for key, value in found.items() if value != size[key]}:
            raise Failed(f"{name}: infra/envs has one thing, infra/cost/sizes.toml pays for another: {differing}")
    return f"brokers, nodes and gateways of {len(sizes)} are those of infra/envs"
