"""Judges IAM policies as AWS does, as far as those of infra/ go.

Invariant: a word that it does not know (an element, an operator) is an error and never a guess, so a policy that it cannot judge does not
pass as harmless. A denial by any policy outweighs every allowance.
"""

import json
import re
from fnmatch import translate


class Unknown(Exception):
    """A policy says something that this evaluator has not learnt."""


def several(value):
    return value if isinstance(value, list) else [value]


def like(pattern, text, fold=False):
    # `[` means nothing in IAM, and something in fnmatch.
    return re.fullmatch(translate(pattern.replace("[", "[[]")), text, re.I if fold else 0) is not None


# operator -> (does one wanted value fit the given one, is it a negation)
OPERATORS = {
    "StringEquals": (lambda wanted, given: wanted == given, False),
    "StringNotEquals": (lambda wanted, given: wanted == given, True),
    "StringLike": (like, False),
    "ArnEquals": (like, False),
    "ArnLike": (like, False),
    "ArnNotLike": (like, True),
    "Bool": (lambda wanted, given: wanted == given, False),
}


def holds(operator, key, wanted, context):
    """One condition. A negated one holds for a key that is absent, any other does not, unless it ends in IfExists."""
    given = context.get(key)
    if operator == "Null":
        return (given is None) == (several(wanted) == ["true"])
    if operator.startswith("ForAllValues:"):
        fits, negated = OPERATORS[operator.removeprefix("ForAllValues:")]
        return not negated and all(any(fits(one, value) for one in several(wanted)) for value in several(given or []))
    name = operator.removesuffix("IfExists")
    if name not in OPERATORS:
        raise Unknown(f"the operator {operator}")
    fits, negated = OPERATORS[name]
    if given is None:
        return negated or operator.endswith("IfExists")
    return any(fits(one, given) for one in several(wanted)) != negated


def principal_matches(wanted, principal):
    if wanted == "*":
        return True
    return any(kind in principal and principal[kind] in several(values) for kind, values in wanted.items())


def applies(statement, action, resource, context, principal):
    known = {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}
    if set(statement) - known:
        raise Unknown(f"the elements {sorted(set(statement) - known)}")
    if "Principal" in statement and not principal_matches(statement["Principal"], principal):
        return False
    if not any(like(pattern, action, fold=True) for pattern in several(statement["Action"])):
        return False
    if "Resource" in statement and not any(like(pattern, resource) for pattern in several(statement["Resource"])):
        return False
    return all(holds(operator, key, wanted, context) for operator, keys in statement.get("Condition", {}).items() for key, wanted in keys.items())


def allowed(policies, action, resource, context=None, principal=None):
    """Whether the policies together (of a role, of a resource) allow it: somebody must, and nobody may deny it."""
    effects = {
        statement["Effect"]
        for policy in policies
        for statement in (json.loads(policy) if isinstance(policy, str) else policy)["Statement"]
        if applies(statement, action, resource, context or {}, principal or {})
    }
    return "Allow" in effects and "Deny" not in effects
