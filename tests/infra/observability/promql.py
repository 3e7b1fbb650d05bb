"""What a query asks for: metrics, the labels it selects by, the labels it groups by.

promtool says whether a query can be read; this says whether what it names is there. It knows as much of PromQL as that takes.
"""

import re

GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
SELECTOR = re.compile(r"(?<![\w.$:])([a-zA-Z_:][\w:]*)(?![\w:]|\s*\()\s*(?:\{((?:[^{}\"]|\"(?:[^\"\\]|\\.)*\")*)\})?")
WORDS = {"and", "or", "unless", "offset", "bool", "by", "on", "ignoring", "without", "inf", "nan"}


def selections(query):
    """(metric, [(label, operator, value)]) for each selector."""
    bare = GROUPING.sub(" ", query)
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    for name, inner in SELECTOR.findall(bare):
        if name.lower() not in WORDS:
            yield name, MATCHER.findall(inner)


def groupings(query):
    """All labels in `by (…)`, `on (…)` and the like."""
    return {label.strip() for _, inner in GROUPING.findall(query) for label in inner.split(",") if label.strip()}


def result_labels(query, of):
    """The labels that the result may have; `of` gives those of a metric."""
    kept = {label.strip() for word, inner in GROUPING.findall(query) if word == "by" for label in inner.split(",") if label.strip()}
    return kept or set().union(*(of(name) for name, _ in selections(query)), set())


def problems(query, known, exported, target):
    """What the query names that is not there. `known`: metric -> labels, recorded ones among them."""
    there = set()
    for name, matchers in selections(query):
        if name not in known:
            yield f"`{name}` is not exported"
            continue
        labels = known[name] | target
        there |= labels
        for label, operator, value in matchers:
            if label not in labels:
                yield f"`{name}` has no label `{label}`"
            elif label == "le" and name.startswith("gavel_verdict_delay") and value not in exported.buckets:
                yield f"`{name}` has no bucket at {value}"
            elif label in known[name] and name.startswith("gavel") and label not in ("le", "partition") and "$" not in value:
                for word in value.split("|") if "~" in operator else [value]:
                    if re.fullmatch(r"[\w-]+", word) and word not in exported.words:
                        yield f"`{name}`: no `{label}` is ever `{word}`"
    for label in sorted(groupings(query) - there):
        yield f"it groups by `{label}`, which nothing in it has"
