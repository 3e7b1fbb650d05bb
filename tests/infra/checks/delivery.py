"""What is built, signed and released, and how."""

from infra.proof import check


@check("actionlint")
def workflows(bench):
    files = sorted((bench.root / ".github/workflows").glob("*.yml"))
    bench.run(bench.tool("actionlint"), "-shellcheck", "shellcheck", *files)
    return f"{len(files)} workflows"
