"""YAML as Python values, by a pinned reader.

The checks themselves run on what every test of the project runs on, which has no YAML.
"""

import json

READ = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)"


def documents(bench, text):
    """All documents of a text."""
    return json.loads(bench.run(bench.tool("pyyaml", "python"), "-c", READ, text=text).stdout)
