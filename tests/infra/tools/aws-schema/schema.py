"""Reads the schema of the AWS provider back from the bindings that CDK Terrain generated from it.

Written to schema.json in the form of `terraform providers schema -json`. Invariant: a resource stands in it with every attribute and block
of the provider's own schema, or not at all. What the bindings do not carry is lost and stays lost: value validators, sensitivity,
`max_items` above one, deprecations. The package is deleted afterwards; it is ten times the size of what is wanted from it.
"""

import json
import re
import shutil
import sys
from pathlib import Path

PACKAGE = Path("node_modules/@cdktn/provider-aws")
SCALARS = {"String": "string", "Number": "number", "Boolean": "bool", "Any": "dynamic"}

CLASS = re.compile(r"^class (\w+) extends cdktn\.(\w+)", re.M)
FIELD = re.compile(r"^    // (\w+) - computed: (\w+), optional: (\w+), required: (\w+)$", re.M)
MAPPER = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.M | re.S)
RESOURCE = re.compile(r'tfResourceType = "(\w+)"')
ENTRY = re.compile(r'^ {8,12}"?(\w+)"?: \{\s*value: (.*?),\s*isBlock: (?:true|false),\s*type: "(\w+)",\s*storageClassType: "(\w+)"', re.M | re.S)
BLOCK = re.compile(r"^    \* (\w+) block\n(?:    \*.*\n)*?    \*/\n    readonly \w+\??: (\w+)", re.M)
NESTED = re.compile(r'new (?!cdktn\b)(\w+?)(List|Map|OutputReference)\(this, "(\w+)"(?:, (true|false))?\)')
WRAPPED = re.compile(r'new cdktn\.(String|Number|Boolean|Any)(Map)?(List)?\(this, "\w+"(?:, (true|false))?\)')
GETTER = re.compile(r"this\.get(String|Number|Boolean|Any)?(List|Map|MapList)?Attribute\('\w+'\)")


def capital(name):
    return name[0].upper() + name[1:]


class Bindings:
    """The classes of one directory of the package: a resource, a data source, or the provider."""

    def __init__(self, directory):
        script = self.text(directory, "*.js")
        starts = [*CLASS.finditer(script)]
        ends = [start.start() for start in starts[1:]] + [len(script)]
        self.classes = {start[1]: (start[2], script[start.end() : end]) for start, end in zip(starts, ends)}
        self.mapped = {capital(found[1]): self.entries(found[2]) for found in MAPPER.finditer(script)}
        self.blocks = set(BLOCK.findall(self.text(directory, "*.d.ts")))
        self.types = {}

    @staticmethod
    def text(directory, files):
        return "\n".join(file.read_text() for file in sorted(directory.rglob(files)))

    @staticmethod
    def entries(body):
        """name -> (value, nesting, storage) of what a class maps to HCL."""
        return {found[1]: (found[2], found[3], found[4]) for found in ENTRY.finditer(body)}

    def fields(self, body):
        found = [*FIELD.finditer(body)]
        ends = [field.start() for field in found[1:]] + [len(body)]
        for field, end in zip(found, ends):
            yield field[1], {word: field[at] == "true" for at, word in ((2, "computed"), (3, "optional"), (4, "required"))}, body[field.end() : end]

    def shape(self, code, entry):
        """(type of an attribute, None, None), or (None, the struct inside, how it nests)."""
        nesting = entry[1] if entry else None
        if nested := NESTED.search(code):
            struct, kind, _, is_set = nested.groups()
            if kind == "List":
                return None, struct, "set" if is_set == "true" else "list"
            if kind == "Map":
                return None, struct, "map"
            return None, struct, {"list": "one", "set": "one of a set"}.get(nesting, "single")
        if wrapped := WRAPPED.search(code):
            inner = SCALARS[wrapped[1]]
            inner = ["map", inner] if wrapped[2] else inner
            return (["set" if wrapped[4] == "true" else "list", inner] if wrapped[3] else inner), None, None
        if got := GETTER.search(code):
            many = got[2]
            inner = SCALARS[got[1] or ("String" if many else "Any")]
            if not many:
                return inner, None, None
            if many == "MapList":
                return ["list", ["map", inner]], None, None
            if nesting not in ("list", "set", "map"):
                nesting = "map" if many == "Map" else "set" if "Fn.tolist" in code else "list"
            return [nesting, inner], None, None
        return self.plain_shape(entry)

    def plain_shape(self, entry):
        """Of the provider's own arguments, which have no getters."""
        if entry is None:
            return "dynamic", None, None
        value, nesting, storage = entry
        for mapper in re.findall(r"(\w+)ToHclTerraform", value):
            if capital(mapper) in self.mapped:
                return None, capital(mapper), nesting
        for suffix, of in (("List", nesting if nesting in ("list", "set") else "list"), ("Map", "map")):
            if storage.endswith(suffix):
                return [of, SCALARS.get(capital(storage[: -len(suffix)]), "string")], None, None
        return SCALARS.get(capital(storage), "string"), None, None

    def object_type(self, struct):
        if struct not in self.types:
            self.types[struct] = "dynamic"  # what a type that contains itself is cut to
            entries = self.mapped.get(struct, {})
            _, body = self.classes.get(struct + "OutputReference", ("", ""))
            inside = {}
            for name, _, code in self.fields(body):
                of, inner, nesting = self.shape(code, entries.get(name))
                inside[name] = of if inner is None else self.wrapped(inner, nesting)
            self.types[struct] = ["object", inside]
        return self.types[struct]

    def wrapped(self, struct, nesting):
        of = self.object_type(struct)
        return {"one": ["list", of], "one of a set": ["set", of], "list": ["list", of], "set": ["set", of], "map": ["map", of]}.get(nesting, of)

    def block(self, body, entries, within=()):
        attributes, blocks = {}, {}
        for name, flags, code in self.fields(body):
            of, struct, nesting = self.shape(code, entries.get(name))
            if struct and (name, struct) in self.blocks and struct not in within:
                blocks[name] = self.nested(struct, nesting, flags["required"], within)
                continue
            attributes[name] = {"type": of if struct is None else self.wrapped(struct, nesting)} | {word: True for word, on in flags.items() if on}
            if not any(flags.values()):
                attributes[name]["computed"] = True
        return {"attributes": attributes, "block_types": blocks}

    def nested(self, struct, nesting, required, within):
        _, body = self.classes.get(struct + "OutputReference", ("", ""))
        entries = self.mapped.get(struct, {})
        inner = self.block(body, entries, (*within, struct)) if body else self.plain_block(entries)
        found = {"nesting_mode": {"one": "list", "one of a set": "set", "struct": "single"}.get(nesting, nesting), "block": inner}
        if nesting.startswith("one"):
            found["max_items"] = 1
        if required and found["nesting_mode"] in ("list", "set"):
            found["min_items"] = 1
        return found

    def plain_block(self, entries):
        attributes, blocks = {}, {}
        for name, entry in entries.items():
            of, struct, nesting = self.plain_shape(entry)
            if struct:
                blocks[name] = {"nesting_mode": nesting, "block": self.plain_block(self.mapped[struct])}
            else:
                attributes[name] = {"type": of, "optional": True}
        return {"attributes": attributes, "block_types": blocks}

    def schemas(self):
        """(base class, Terraform name or None, schema) of every class that stands for something one can declare."""
        for base, body in self.classes.values():
            if base in ("TerraformResource", "TerraformDataSource", "TerraformProvider"):
                hcl = re.search(r"synthesizeHclAttributes\(\) \{(.*?)^    \}", body, re.M | re.S)
                name = RESOURCE.search(body)
                yield base, name and name[1], {"version": 0, "block": self.block(body, self.entries(hcl[1] if hcl else ""))}


def by_hand(attributes="", **blocks):
    """A block: `name*` is required, `name#` a number, `name+` a set of strings."""
    made = {}
    for word in attributes.split():
        of = "number" if "#" in word else ["set", "string"] if "+" in word else "string"
        made[word.rstrip("*#+")] = {"type": of, "required" if "*" in word else "optional": True}
    nested = {name: {"nesting_mode": "list", "max_items": 1, "block": block} for name, block in blocks.items()}
    return {"attributes": made, "block_types": nested}


def waf_statement(depth=2):
    """WAF's statements contain themselves, which the bindings type as `any`, which no set of blocks may hold. The usual kinds, then."""
    kinds = {
        "managed_rule_group_statement": by_hand("name* vendor_name* version"),
        "ip_set_reference_statement": by_hand("arn*"),
        "geo_match_statement": by_hand("country_codes+"),
        "label_match_statement": by_hand("key* scope*"),
        "rate_based_statement": by_hand("limit#* aggregate_key_type evaluation_window_sec#"),
    }
    if depth:
        inner = waf_statement(depth - 1)
        kinds["rate_based_statement"] = by_hand("limit#* aggregate_key_type evaluation_window_sec#", scope_down_statement=inner)
        for word in ("and", "or", "not"):
            kinds[f"{word}_statement"] = by_hand(statement=inner)
            if word != "not":
                kinds[f"{word}_statement"]["block_types"]["statement"].pop("max_items")
    return by_hand(**kinds)


def main():
    resources, sources, provider, version = {}, {}, None, None
    for directory in sorted((PACKAGE / "lib").iterdir()):
        if not (directory / "index.js").exists():
            continue
        bindings = Bindings(directory)
        for base, name, schema in bindings.schemas():
            if base == "TerraformProvider":
                provider = schema
            else:
                (resources if base == "TerraformResource" else sources)[name] = schema
        if version is None and (found := re.search(r"providerVersion: '([\d.]+)'", (directory / "index.js").read_text())):
            version = found[1]
    for name in ("aws_wafv2_web_acl", "aws_wafv2_rule_group"):
        rule = resources[name]["block"]["block_types"]["rule"]["block"]
        del rule["attributes"]["statement"]
        rule["block_types"]["statement"] = {"nesting_mode": "list", "min_items": 1, "max_items": 1, "block": waf_statement()}
    if len(resources) < 1500 or provider is None:
        sys.exit(f"only {len(resources)} resources could be read from {PACKAGE}")
    schemas = {"registry.terraform.io/hashicorp/aws": {"provider": provider, "resource_schemas": resources, "data_source_schemas": sources}}
    Path("schema.json").write_text(json.dumps({"format_version": "1.0", "provider_version": version, "provider_schemas": schemas}, separators=(",", ":")))
    shutil.rmtree("node_modules")


if __name__ == "__main__":
    main()
