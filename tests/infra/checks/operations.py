"""What the documentation promises is there: links and their headings, scripts, runbooks, drills.

Invariant: a page names no file, heading, script or drill that does not exist. Headings are those that GitHub makes of them.
"""

import re

from infra.proof import Failed, Unavailable, check

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
SCRIPT = re.compile(r"(?<![\w/.-])(?:\./)?(scripts/[a-z][\w.-]*[\w])")


def pages(root):
    known = [root / "README.md", root / "CONTRIBUTING.md", *root.glob("docs/**/*.md"), *root.glob("*/README.md"), *root.glob("policies/*/README.md")]
    return sorted(known)


def anchors(page):
    """As GitHub makes them of headings; the second of a name gets a number."""
    found, seen = set(), {}
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = seen.get(name, 0)
        seen[name] = number + 1
        found.add(f"{name}-{number}" if number else name)
    return found


def broken_links(page, root):
    for target in LINK.findall(re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        if not aim.exists():
            yield f"{page.relative_to(root)}: {target} is not there"
        elif anchor and aim.suffix == ".md" and anchor not in anchors(aim):
            yield f"{page.relative_to(root)}: {target}: there is no such heading"


@check("docs-links")
def docs_links(bench):
    known = pages(bench.root)
    broken = [line for page in known for line in broken_links(page, bench.root)]
    if broken:
        raise Failed("\n".join(broken))
    index = (bench.root / "docs/operations.md").read_text()
    for page in sorted((bench.root / "docs/operations").glob("*.md")):
        if f"(operations/{page.name}" not in index:
            raise Failed(f"docs/operations.md does not link {page.name}")
    spoilt = bench.directory("links")
    (spoilt / "there.md").write_text("# What is `here`, now?\n")
    (spoilt / "page.md").write_text("[a](there.md#what-is-here-now) [b](there.md#what-is-there) [c](gone.md) [d](https://example.org/x)\n")
    if len(list(broken_links(spoilt / "page.md", spoilt))) != 2:
        raise Failed("of two broken links and two good ones, not exactly two were found")
    links = sum(len(LINK.findall(page.read_text())) for page in known)
    return f"{links} links of {len(known)} pages; a missing page and a missing heading refused"


@check("docs-scripts")
def docs_scripts(bench):
    """Of a script its head says what it does, and a page says what it is for."""
    named = {}
    for page in [*pages(bench.root), *sorted((bench.root / ".github/workflows").glob("*.yml"))]:
        # A filter of paths runs nothing.
        for name in SCRIPT.findall(re.sub(r"^ *paths: .*$", "", page.read_text(), flags=re.MULTILINE)):
            named.setdefault(name, page)
    missing = [f"{page.relative_to(bench.root)}: {name}" for name, page in named.items() if not (bench.root / name).exists()]
    if missing:
        raise Failed("named, and not there:\n" + "\n".join(missing))
    there = {f"scripts/{path.name}" for path in (bench.root / "scripts").iterdir() if path.suffix != ".sh"}
    if unnamed := sorted(there - set(named)):
        raise Failed(f"no page names {', '.join(unnamed)}")
    return f"{len(named)} scripts named, {len(there)} there"


@check("runbooks")
def runbooks(bench):
    """Every reason for which a partition can halt has its section."""
    sections = anchors(bench.root / "docs/runbooks.md")
    source = (bench.root / "processor/runtime/src/lane/phase.rs").read_text()
    reasons = set(re.findall(r'HaltReason::\w+(?: \{ \.\. \})? => "([a-z-]+)"', source))
    if missing := sorted(reasons - sections):
        raise Failed(f"docs/runbooks.md has no section {', '.join(missing)}")
    if len(reasons) < 5:
        raise Failed(f"only {len(reasons)} reasons were found: {sorted(reasons)}")
    return f"{len(reasons)} reasons for a halt, each with its section"


@check("game-days")
def game_days(bench):
    """The drills say enough, the page lists them, and the alerts that they name are there."""
    python = bench.run("bash", "-c", 'source scripts/lib.sh && python_env').stdout.strip() + "/bin/python"
    done = bench.run(python, "-m", "unittest", "gameday.test_gameday", "migration.test_compare", cwd=bench.root / "tests")
    listed = bench.run(python, "-m", "gameday.gameday", "--list", cwd=bench.root / "tests").stdout
    names = re.findall(r"^(\S+)$", listed, re.MULTILINE)
    page = (bench.root / "docs/operations/game-days.md").read_text()
    if missing := [name for name in names if f"| `{name}` |" not in page]:
        raise Failed(f"docs/operations/game-days.md does not list {missing}")
    alerts = set(re.findall(r'^alert = "(\w+)"', (bench.root / "tests/gameday/drills.toml").read_text(), re.MULTILINE))
    rules = bench.root / "manifests/observability/rules"
    number = re.search(r"Ran (\d+)", done.stderr).group(1)
    said = f"{len(names)} drills, {number} tests of scorecard and comparison"
    if not rules.is_dir():
        return said + "; the alerts are not in this tree"
    known = set(re.findall(r"alert: (\w+)", "".join(file.read_text() for file in rules.rglob("*.yaml"))))
    if missing := sorted(alerts - known):
        raise Failed(f"tests/gameday/drills.toml names alerts that are no rules: {missing}")
    return said + f", {len(alerts)} alerts are rules"


@check("fis-twins")
def fis_twins(bench):
    """The templates that the drills name are those of the module."""
    module = bench.root / "infra/modules/fis"
    if not module.is_dir():
        raise Unavailable("infra/modules/fis is not in this tree")
    text = "".join(file.read_text() for file in module.glob("*.tf"))
    named = set(re.findall(r'^fis = "([\w-]+)"', (bench.root / "tests/gameday/drills.toml").read_text(), re.MULTILINE))
    if missing := sorted(name for name in named if name not in text):
        raise Failed(f"infra/modules/fis has no template {', '.join(missing)}")
    return f"{len(named)} templates"


@check("migration-rehearsal", lane="control-plane")
def migration_rehearsal(bench):
    """On real brokers: about two minutes."""
    env = {"GAVEL_BINARY": str(bench.binary())}
    done = bench.run(bench.root / "scripts/rehearse-migration", "--rate", "300", "--seconds", "15", env=env, within=900)
    compared = re.findall(r"rehearse: ([^:]+): ([\d,]+) messages compared, (\d+) differ", done.stderr)
    return "; ".join(f"{what}: {number} compared, {differ} differ" for what, number, differ in compared)
