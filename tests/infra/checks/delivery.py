"""What is built, signed and released, and how.

Invariant: whatever runs with the project's rights is pinned by content (actions by commit, base images by digest, other images by exact
version), and every judge used here also rejects a fixture with a mistake, so that a judge which has gone blind is noticed.
"""

import json
import re
from pathlib import Path

from infra.proof import Failed, Unavailable, check
from infra.tools import tomllib

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "delivery"
COMMIT = re.compile(r"uses: (?!\./)(\S+?)@([0-9a-f]{40}) # (v[0-9]+\.[0-9]+\.[0-9]+)$")
BASE = re.compile(r"^FROM (?:--\S+ )*(\S+)(?: AS (\S+))?$", re.MULTILINE)
EXACT = re.compile(r"[\w./-]+:(v?\d+\.\d+\.\d+|RELEASE\.[\dTZ-]+)")
OWN_IMAGE = "gavel:local"  # built here, never pulled


def workflows(bench):
    return sorted((bench.root / ".github/workflows").glob("*.yml"))


def rejects(bench, fixtures, *command):
    """Each of them alone is refused; how many there are."""
    blind = [fixture.name for fixture in fixtures if bench.run(*command, fixture, ok=range(256)).returncode == 0]
    if blind or not fixtures:
        raise Failed(f"mistakes that went unnoticed: {blind or 'there is no fixture'}")
    return len(fixtures)


@check("actionlint")
def actionlint(bench):
    command = [bench.tool("actionlint"), "-shellcheck", "shellcheck"]
    bench.run(*command, *workflows(bench))
    wrong = rejects(bench, [FIXTURES / "workflows/undefined.yml"], *command)
    return f"{len(workflows(bench))} workflows; {wrong} wrong one refused"


@check("zizmor")
def zizmor(bench):
    for file in workflows(bench):
        if "\npermissions: {}\n" not in file.read_text():
            raise Failed(f"{file.name} gives rights to every job, those that are added later, too: `permissions: {{}}`, and each job its own")
    command = [bench.tool("zizmor"), "--offline", "--no-progress", "--quiet", "--no-config"]
    bench.run(*command, bench.root / ".github")
    wrong = rejects(bench, [FIXTURES / "workflows/injection.yml", FIXTURES / "workflows/unpinned.yml"], *command)
    return f"{len(workflows(bench))} workflows and dependabot; {wrong} wrong ones refused"


@check("action-pins")
def action_pins(bench):
    """One action, one commit: two pins of one version that differ are a slip, or worse."""
    known, number = {}, 0
    for file in workflows(bench):
        for line in file.read_text().splitlines():
            if "uses:" not in line or "uses: ./" in line:
                continue
            found = COMMIT.search(line)
            if not found:
                raise Failed(f"{file.name}: not a commit with its version behind it: {line.strip()}")
            action, commit, version = found.groups()
            if known.setdefault(action, (commit, version)) != (commit, version):
                raise Failed(f"{file.name}: {action} is {version} {commit} here, {known[action]} elsewhere")
            number += 1
    return f"{number} uses of {len(known)} actions"


@check("hadolint")
def hadolint(bench):
    command = [bench.tool("hadolint"), "--failure-threshold", "info"]
    bench.run(*command, bench.root / "Dockerfile")
    wrong = rejects(bench, [FIXTURES / "docker/Dockerfile.floating"], *command)
    return f"1 file; {wrong} wrong one refused"


def base_images(text):
    """The images from outside that a Dockerfile builds on; Failed for one without a digest."""
    stages, found = set(), []
    for image, stage in BASE.findall(text):
        if image not in stages:
            if not re.search(r"@sha256:[0-9a-f]{64}$", image):
                raise Failed(f"`{image}` has no digest")
            found.append(image)
        stages.add(stage)
    return found


@check("image-recipe")
def image_recipe(bench):
    """What hadolint does not know: digests, the user, no shell at the end, and a context that holds what is compiled."""
    text = (bench.root / "Dockerfile").read_text()
    bases = base_images(text)
    last = text[text.rindex("\nFROM ") :]
    for wanted in ("USER 65532:65532", "gcr.io/distroless/cc-debian12:nonroot@", 'ENTRYPOINT ["/usr/local/bin/gavel"]'):
        if wanted not in last:
            raise Failed(f"the last stage has no `{wanted}`")
    if re.search(r"^(RUN|SHELL) ", last, re.MULTILINE):
        raise Failed("the last stage runs something: there is no shell in it")
    try:
        base_images((FIXTURES / "docker/Dockerfile.floating").read_text())
    except Failed:
        pass
    else:
        raise Failed("a base image without a digest went unnoticed")
    allowed = [line[1:] for line in (bench.root / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    included = 0
    for source in (file for place in allowed for file in (bench.root / place).rglob("*.rs")):
        if {"tests", "examples", "benches", "fuzz"} & set(source.parts):
            continue
        compiled = source.read_text().split("#[cfg(test)]", 1)[0]
        for name in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', compiled):
            path = (source.parent / name).resolve().relative_to(bench.root)
            if path.parts[0] not in allowed:
                raise Failed(f"{source.relative_to(bench.root)} includes {path}, which .dockerignore keeps out of the build")
            included += 1
    members = tomllib.loads((bench.root / "Cargo.toml").read_text())["workspace"]["members"]
    for file in ("Cargo.toml", "Cargo.lock", "LICENSE", *(member.split("/")[0] for member in members)):
        if file not in allowed:
            raise Failed(f".dockerignore keeps {file} out of the build")
    return f"{len(bases)} base images by digest, user 65532, no shell; {included} included files are in the context"


def compose_project(bench, file):
    return json.loads(bench.run(bench.tool("compose-config"), file).stdout)


@check("compose")
def compose(bench):
    project = compose_project(bench, bench.root / "compose.yaml")
    services = project["services"]
    for name, service in services.items():
        image = service["image"]
        if image != OWN_IMAGE and not EXACT.fullmatch(image):
            raise Failed(f"{name}: `{image}` is no exact version")
        for port in service.get("ports") or []:
            if port.get("host_ip") != "127.0.0.1":
                raise Failed(f"{name}: port {port['target']} is open to the network")
        for other, how in (service.get("depends_on") or {}).items():
            if how["condition"] == "service_healthy" and not services[other].get("healthcheck"):
                raise Failed(f"{name} waits for the health of {other}, which has no healthcheck")
    lasting = [name for name, service in services.items() if service.get("healthcheck")]
    wrong = rejects(bench, sorted((FIXTURES / "compose").glob("*.yaml")), bench.tool("compose-config"))
    return f"{len(services)} services, {len(lasting)} with a healthcheck; {wrong} wrong files refused"


@check("compose-mounts")
def compose_mounts(bench):
    """What is mounted from the tree is there: Docker would make an empty directory of it, owned by root."""
    if not (bench.root / "manifests/observability").is_dir():
        raise Unavailable("manifests/observability is not in this tree")
    services = compose_project(bench, bench.root / "compose.yaml")["services"]
    mounts = [mount for service in services.values() for mount in service.get("volumes") or [] if mount["type"] == "bind"]
    for mount in mounts:
        source = Path(mount["source"])
        if not source.exists() or (source.is_dir() and not any(source.iterdir())):
            raise Failed(f"{source} is mounted, and not there or empty")
    return f"{len(mounts)} mounts, {prometheus_starts(bench)}"


def prometheus_starts(bench):
    """Its configuration with the rules that are mounted, by promtool: it names every file that it has read."""
    place, rules = bench.directory("compose-prometheus"), sorted((bench.root / "manifests/observability/rules").glob("*.yaml"))
    config = (bench.root / "manifests/compose/prometheus.yaml").read_text()
    (place / "prometheus.yaml").write_text(config.replace("/rules/", f"{bench.root}/manifests/observability/rules/"))
    said = bench.run(bench.tool("prometheus", "promtool"), "check", "config", place / "prometheus.yaml").stdout
    if unread := [file.name for file in rules if str(file) not in said] or not rules:
        raise Failed(f"Prometheus would not read {unread or 'any rule'}")
    return f"{len(rules)} files of rules"
