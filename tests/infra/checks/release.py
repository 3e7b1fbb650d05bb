"""The commands that releases and promotions are made of, run on real input.

Invariant: what a user downloads is what was built (same bytes from the same binary, checksums that fit, a binary that runs), and an
environment's image changes by exactly one line.
"""

import json
import re
import tarfile

from infra.proof import Failed, check

OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "a1" * 32
VALUES = f"""# dev
replicas: 6
image:
  # by digest, never by tag
  repository: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/gavel

  digest: {OLD} # given by scripts/bump-digest
topics:
  digest: not-an-image
"""
REFUSED = {
    "a tag is no digest": (VALUES, ["dev", "v1.2.3"]),
    "a digest that is cut off": (VALUES, ["dev", NEW[:-1]]),
    "values without an image": ("replicas: 6\n", ["dev", NEW]),
    "a digest in another block alone": ("image:\n  tag: a\ntopics:\n  digest: b\n", ["dev", NEW]),
    "two images": (VALUES + VALUES, ["dev", NEW]),
    "an environment that is not there": (VALUES, ["production", NEW]),
    "promotion of what has no digest": (VALUES.replace(OLD, '""'), ["staging", "--from", "dev"]),
}


@check("bump-digest")
def bump_digest(bench):
    envs, command = bench.directory("envs"), bench.root / "scripts/bump-digest"

    def give(text, *words, ok):
        for name in ("dev", "staging"):
            (envs / name).mkdir(exist_ok=True)
            (envs / name / "values.yaml").write_text(text)
        return bench.run(command, *words, "--envs", envs, ok=ok)

    give(VALUES, "dev", NEW, ok=(0,))
    if (envs / "dev/values.yaml").read_text() != VALUES.replace(OLD, NEW):
        raise Failed("more or less than the digest has changed")
    bench.run(command, "staging", "--from", "dev", "--envs", envs)
    if bench.run(command, "--show", "staging", "--envs", envs).stdout.strip() != NEW:
        raise Failed("a promotion did not copy the digest")
    for why, (text, words) in REFUSED.items():
        give(text, *words, ok=(1,))
        if (envs / "dev/values.yaml").read_text() != text:
            raise Failed(f"refused, yet changed: {why}")
    real = [path.parent.name for path in sorted((bench.root / "manifests/envs").glob("*/values.yaml"))]
    for name in real:
        copy = bench.directory("real") / name
        copy.mkdir()
        (copy / "values.yaml").write_text((bench.root / "manifests/envs" / name / "values.yaml").read_text())
        bench.run(command, name, NEW, "--envs", copy.parent)
    return f"one line changes, and is promoted; {len(REFUSED)} wrong uses refused; {len(real)} environments of the tree take it"


@check("sbom")
def sbom(bench):
    """Against the lock file, by other means than the script's."""
    bill = json.loads(bench.run(bench.root / "scripts/sbom").stdout)
    lock = (bench.root / "Cargo.lock").read_text()
    locked = dict(re.findall(r'^name = "(.+)"\nversion = ".+"\nsource = ".+"\nchecksum = "(.+)"', lock, re.MULTILINE))
    several = {name for name in locked if lock.count(f'\nname = "{name}"\n') > 1}
    components = bill["components"]
    known = {component["bom-ref"] for component in components} | {bill["metadata"]["component"]["bom-ref"]}
    for component in components:
        name, hashes = component["name"], component.get("hashes")
        if hashes and name not in several and hashes[0]["content"] != locked[name]:
            raise Failed(f"{name} has another checksum than in Cargo.lock")
        if not hashes and not name.startswith("gavel"):
            raise Failed(f"{name} is from outside and has no checksum")
    dangling = {each for entry in bill["dependencies"] for each in [entry["ref"], *entry["dependsOn"]]} - known
    if dangling:
        raise Failed(f"dependencies on what is not listed: {sorted(dangling)}")
    if missing := {"librocksdb-sys", "rdkafka-sys", "openssl-src", "gavel-judge"} - {component["name"] for component in components}:
        raise Failed(f"not listed: {sorted(missing)}")
    return f"{len(components)} components, every checksum that of Cargo.lock"


@check("package")
def package(bench):
    binary, made = bench.binary(), [bench.directory("archive-1"), bench.directory("archive-2")]
    for out in made:
        bench.run(bench.root / "scripts/package", binary, "--out", out)
    first, second = ({file.name: file.read_bytes() for file in out.iterdir()} for out in made)
    if first != second:
        raise Failed(f"two archives of one binary differ: {sorted(name for name in first if first[name] != second.get(name))}")
    (archive,) = made[0].glob("*.tar.gz")
    (sums,) = made[0].glob("*.sha256")
    bench.run("sha256sum", "--check", "--strict", sums, cwd=made[0])
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        if owned := [member.name for member in members if (member.uid, member.gid) != (0, 0)]:
            raise Failed(f"owned by somebody: {owned[:3]}")
        tar.extractall(made[0], filter="data")
    tree = made[0] / archive.name.removesuffix(".tar.gz")
    version = bench.run(tree / "gavel", "--version").stdout.split()[1]
    if not re.fullmatch(rf"gavel-{re.escape(version)}-linux-(amd64|arm64)", tree.name):
        raise Failed(f"{tree.name} holds version {version}")
    bench.run("bash", "-n", tree / "completions/gavel.bash")
    bench.run(tree / "gavel", "policy", "check", tree / "policies/starter/policy.toml")
    if ".debug_line" in bench.run("readelf", "--sections", tree / "gavel").stdout:
        raise Failed("the binary is not stripped")
    archive.write_bytes(archive.read_bytes()[:-1] + b"\0")
    bench.run("sha256sum", "--check", "--status", sums, cwd=made[0], ok=(1,))
    bench.run(bench.root / "scripts/package", bench.root / "scripts/package", "--out", made[0], ok=(1,))
    return f"{tree.name}: {len(members)} entries, {len(first[archive.name]) / 1e6:.1f} MB, the same bytes twice, runs; a changed byte and a script refused"


INFRA = """#!/bin/sh
# Stands for scripts/infra: says what it was asked, and plans what PLAN says. It knows two environments.
case $1 in dev | prod-a) ;; *) exit 1 ;; esac
shift
printf '%s\\n' "$1" >> "$CALLS"
for word; do case $word in -out=*) : > "${word#-out=}" ;; esac; done
case $1 in show) cat "$PLAN" ;; esac
"""


@check("approved-plan")
def approved_plan(bench):
    """Only what was approved is applied: tried with a stand-in, whose plans change between approval and application."""
    place, command = bench.directory("plan"), bench.root / "scripts/plan"
    (place / "infra").write_text(INFRA)
    (place / "infra").chmod(0o755)
    calls, plan, fingerprint = place / "calls", place / "plan.json", place / "fingerprint"
    env = {"INFRA": str(place / "infra"), "CALLS": str(calls), "PLAN": str(plan)}

    def planned(*changes, **also):
        """The order of a plan's parts, and its time, mean nothing."""
        plan.write_text(json.dumps({"resource_changes": list(changes), "timestamp": str(also)}))

    def did(*words, ok=(0,)):
        calls.write_text("")
        bench.run(command, *words, env=env, ok=ok)
        return calls.read_text().split()

    def change(address, size, actions=("update",)):
        return {"address": address, "change": {"actions": list(actions), "before": {"size": 1}, "after": {"size": size}}}

    planned(change("b", 2), change("a", 3), change("c", 1, ["no-op"]), time=1)
    if did("prod-a", "--fingerprint", fingerprint) != ["plan", "show"]:
        raise Failed("a plan does something else than to plan")
    planned(change("a", 3), change("b", 2), time=2)
    if did("prod-a", "--apply-if", fingerprint) != ["plan", "show", "apply"]:
        raise Failed("what was approved is not applied")
    refused = 0
    for changes in ([change("a", 3), change("b", 4)], [change("a", 3)], [change("a", 3), change("b", 2, ["delete", "create"])], []):
        planned(*changes)
        if "apply" in did("prod-a", "--apply-if", fingerprint, ok=(1,)):
            raise Failed(f"applied, although it was not approved: {changes}")
        refused += 1
    did("nowhere", ok=(1,))
    did("dev", "--apply-if", place / "nothing", ok=(1,))
    return f"the approved plan is applied; {refused} plans that had changed since, an unknown environment and a missing approval refused"
