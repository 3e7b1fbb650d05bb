"""OpenTofu against the stub provider, on a copy of infra/.

Invariant: what runs here is what is in the tree. Nothing is written into the tree, nothing is downloaded, and the one thing replaced is
where the state goes (a file instead of S3).
"""

import json
import os
import re
from pathlib import Path

from infra.proof import Failed

VERSION = "6.66.0"  # of hashicorp/aws, whose schema tools/aws-schema holds
DECLARED = re.compile(r'^\s*(?:resource|data) "(aws_\w+)"', re.M)
REGISTRIES = ("registry.opentofu.org", "registry.terraform.io")  # each tool looks below the name of its own


class Opentofu:
    def __init__(self, bench, name="opentofu", program=None, source=None):
        self.bench = bench
        self.place = bench.directory(name)
        self.program = program or bench.tool("tofu")
        self.tree = self.place / "infra"
        self.copy(source or bench.root / "infra", self.tree)
        self.env = {
            "TF_CLI_CONFIG_FILE": str(self.settings(bench.tool("aws-stub"))),
            "AWS_STUB_SCHEMA": str(self.schema(bench.tool("aws-schema", "schema.json"))),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }

    @staticmethod
    def copy(source, target):
        """Without what somebody's own init left there: a lock file of the real provider refuses the stub."""
        for file in source.rglob("*"):
            inside = file.relative_to(source)
            if file.is_file() and ".terraform" not in inside.parts and file.name != ".terraform.lock.hcl":
                (target / inside).parent.mkdir(parents=True, exist_ok=True)
                (target / inside).write_bytes(file.read_bytes())

    def settings(self, stub):
        mirror = self.place / "mirror"
        system, machine = os.uname().sysname.lower(), {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
        for registry in REGISTRIES:
            provider = mirror / registry / "hashicorp/aws" / VERSION / f"{system}_{machine}"
            provider.mkdir(parents=True)
            (provider / f"terraform-provider-aws_v{VERSION}").symlink_to(stub)
        file = self.place / "cli.tfrc"
        file.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
        return file

    def schema(self, whole):
        """Of what is declared in infra/ alone: a provider that is started a hundred times reads three megabytes each time otherwise. A
        type that the whole schema does not know is left out, and so refused."""
        declared = {name for file in self.tree.rglob("*.tf") for name in DECLARED.findall(file.read_text())}
        document = json.loads(whole.read_text())
        if document["provider_version"] != VERSION:
            raise Failed(f"the schema is of {document['provider_version']}, the checks are of {VERSION}")
        (provider,) = document["provider_schemas"].values()
        for kind in ("resource_schemas", "data_source_schemas"):
            provider[kind] = {name: schema for name, schema in provider[kind].items() if name in declared}
        file = self.place / "schema.json"
        file.write_text(json.dumps(document))
        return file

    def run(self, directory, *words, ok=(0,), within=300):
        return self.bench.run(self.program, *words, cwd=self.tree / directory, env=self.env, ok=ok, within=within)

    def init(self, directory):
        self.run(directory, "init", "-backend=false", "-input=false", "-no-color")

    def keep_state_here(self):
        """The root's state in a file. An override, so that everything else of the backend's block is still read."""
        (self.tree / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        self.run(".", "init", "-input=false", "-no-color")

    def apply(self, environment, *var_files):
        """What would stand in AWS, as far as the stub can make it up: the resources of the state."""
        state = self.place / f"{environment}.tfstate"
        files = [f"-var-file={self.tree / file}" for file in var_files]
        plan = self.place / f"{environment}.plan"
        self.run(".", "plan", "-input=false", "-no-color", f"-state={state}", f"-out={plan}", *files)
        self.run(".", "apply", "-input=false", "-no-color", "-auto-approve", f"-state={state}", plan)
        # What was just made must not be changed by the next plan: a value that never settles is replaced for ever.
        self.run(".", "plan", "-input=false", "-no-color", "-detailed-exitcode", f"-state={state}", *files)
        shown = json.loads(self.run(".", "show", "-json", state).stdout)
        return Applied(environment, shown["values"])


class Applied:
    """The resources and outputs of one environment."""

    def __init__(self, environment, values):
        self.environment = environment
        self.outputs = {name: output["value"] for name, output in values["outputs"].items()}
        self.resources = list(self.within(values["root_module"]))

    def within(self, module):
        yield from module.get("resources", [])
        for child in module.get("child_modules", []):
            yield from self.within(child)

    def of(self, kind):
        """The values of all resources of a type."""
        return [resource["values"] for resource in self.resources if resource["type"] == kind]

    def at(self, address):
        for resource in self.resources:
            if resource["address"] == address:
                return resource["values"]
        raise Failed(f"{self.environment}: there is no {address}")


def var_files(root, environment):
    """The files of an environment, relative to infra/; the two clusters of prod share one."""
    if environment.startswith("prod-"):
        return ["envs/prod/common.tfvars", f"envs/prod/{environment.removeprefix('prod-')}.tfvars"]
    return [f"envs/{environment}/{environment}.tfvars"]


def backend_file(environment):
    if environment.startswith("prod-"):
        return Path("envs/prod") / f"{environment.removeprefix('prod-')}.backend.hcl"
    return Path("envs") / environment / f"{environment}.backend.hcl"
