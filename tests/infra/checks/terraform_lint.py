"""What the schema of the AWS provider cannot see: values that AWS has never heard of (tflint), and settings that are valid and unwise (checkov).

Invariant: a finding is either mended or waived at its place, with a reason. A waiver that waives nothing is a finding, too; so is a file
that the tool could not read, because it finds nothing there.
"""

import json
import re
from pathlib import Path

from infra.opentofu import Opentofu
from infra.proof import Failed, check

SKIP = re.compile(r"#\s*checkov:skip=(\w+)(?::\s*(.*))?")
REJECTED = Path(__file__).resolve().parent.parent / "rejected" / "terraform"


def tflint(bench, tree, ok=(0,)):
    plugins = bench.directory("tflint-plugins")
    (plugins / "tflint-ruleset-aws").symlink_to(bench.tool("tflint", "tflint-ruleset-aws"))
    settings = tree / ".tflint.hcl"
    settings.write_text(
        f'config {{\n  plugin_dir = "{plugins}"\n  call_module_type = "none"\n}}\n'
        'plugin "terraform" {\n  enabled = true\n  preset = "all"\n}\nplugin "aws" {\n  enabled = true\n}\n'
        # Where one line says it all, a module has one file (edge/acl).
        'rule "terraform_standard_module_structure" {\n  enabled = false\n}\n'
    )
    return bench.run(bench.tool("tflint"), "--recursive", f"--config={settings}", "--format=compact", "--no-color", cwd=tree, ok=ok, within=300)


def checkov(bench, tree):
    found = bench.run(
        bench.tool("checkov"), "--directory", tree, "--framework", "terraform", "--skip-download", "--output", "json", ok=(0, 1), within=300
    )  # fmt: skip
    report = json.loads(found.stdout)
    report = report[0] if isinstance(report, list) else report
    if "results" not in report:
        raise Failed(f"checkov found nothing to look at: {found.stdout}")
    return report


@check("tflint")
def values(bench):
    tree = bench.directory("tflint") / "infra"
    Opentofu.copy(bench.root / "infra", tree)
    tflint(bench, tree)
    return f"{len(list(tree.rglob('*.tf')))} files, terraform and AWS rules"


@check("checkov")
def wisdom(bench):
    waived = {}
    for file in (bench.root / "infra").rglob("*.tf"):
        for name, reason in SKIP.findall(file.read_text()):
            if len(reason.split()) < 4:
                raise Failed(f"{file}: {name} is waived without a reason")
            waived[name] = file
    report = checkov(bench, bench.root / "infra")
    summary = report["summary"]
    if summary["parsing_errors"]:
        raise Failed(f"checkov could not read {report['results']['parsing_errors']}, and found nothing there")
    if failed := report["results"]["failed_checks"]:
        raise Failed("\n".join(sorted({f"{one['check_id']} {one['resource']}: {one['check_name']}" for one in failed})))
    if stale := set(waived) - {one["check_id"] for one in report["results"]["skipped_checks"]}:
        raise Failed(f"waived, and not found any more: {sorted(f'{name} in {waived[name]}' for name in stale)}")
    return f"{summary['passed']} passed, {len(waived)} waived with a reason, {summary['parsing_errors']} unread"
