//! One rule of a policy in its author's words, from the canonical document.
//!
//! The document holds no files and no lines: what an author wrote in which place is not in the digest. The properties are those that
//! `policy diff` names.

use super::facts;
use super::{Fact, Group, Value};
use crate::policy::document::{Consequence, Document};
use serde::Serialize;

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// `term`, `detector`, `context`, `strikes`, `channel`: the table of the policy file.
    pub table: &'static str,
    /// In the order of the reference; what is as usual is left out.
    pub properties: Vec<Property>,
}

/// One property of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Property {
    pub what: String,
    /// One value, or the items of a list.
    pub is: Vec<String>,
}

/// What a consequence demands, in words.
pub(crate) fn demand(of: &Consequence) -> String {
    facts::action(Some(of))
}

impl Document {
    /// The rule with this id; None if there is none.
    pub fn definition(&self, id: &str) -> Option<Definition> {
        let defined = |table, mut group: Group| {
            let facts = group.remove(id)?;
            Some(Definition {
                table,
                properties: properties(facts),
            })
        };
        if let Some(term) = self.terms.iter().find(|term| term.id == id) {
            return defined("term", facts::terms(std::slice::from_ref(term)));
        }
        if let Some(rule) = self.detectors.iter().find(|rule| rule.id == id) {
            return defined("detector", facts::detectors(std::slice::from_ref(rule)));
        }
        let rule = self.contexts.iter().find(|rule| rule.id == id)?;
        defined("context", facts::contexts(std::slice::from_ref(rule)))
    }
}

fn properties(facts: Vec<Fact>) -> Vec<Property> {
    let property = |fact: Fact| {
        let is = match fact.value {
            Value::One(one) if one == fact.usual => return None,
            Value::One(one) => vec![one],
            Value::Many(many) => many.into_iter().collect(),
            Value::Count { number, .. } => vec![number.to_string()],
        };
        (!is.is_empty()).then_some(Property {
            what: fact.what,
            is,
        })
    };
    facts.into_iter().filter_map(property).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_quoted_in_its_authors_words() {
        let text = "[policy]\nid = \"p\"\ntopics = [\"rude\"]\n[audience.default]\ndefault = { block = 5 }\n[[term]]\nid = \"d\"\n\
                    match = [\"darn*\", \"dang\"]\ntopic = \"rude\"\nrisk = 3\nfuzzy = true\n";
        let document = Document::parse("p.toml", text, &mut |_| Err("none".into())).expect("sound");
        let definition = document.definition("d").expect("it is there");
        let said: Vec<String> = definition
            .properties
            .iter()
            .map(|one| format!("{} {}", one.what, one.is.join(", ")))
            .collect();
        assert_eq!(definition.table, "term");
        assert_eq!(
            said,
            ["topic rude", "risk 3", "fuzzy yes", "patterns dang, darn*"]
        );
        assert_eq!(document.definition("other"), None);
    }
}
