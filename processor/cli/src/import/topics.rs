//! The topic of a term: what the author says, else what the list's own category makes.
//!
//! Invariant: no topic is invented. Under a name that nobody chose a term would meet thresholds that nobody wrote for it.

use std::collections::BTreeSet;

use super::ids::slug;
use super::{Choices, Entry, ImportError};

/// The topic of an entry; a mapping that was needed leaves `unused`.
pub fn topic<'c>(
    entry: &Entry,
    choices: &'c Choices,
    unused: &mut BTreeSet<&'c str>,
) -> Result<String, ImportError> {
    let own = slug(&entry.category);
    let mapped = choices
        .topic_map
        .iter()
        .find(|(from, _)| *from == entry.category || !own.is_empty() && *from == own);
    if let Some((from, to)) = mapped {
        unused.remove(from.as_str());
        return Ok(to.clone());
    }
    if let Some(topic) = &choices.topic {
        return Ok(topic.clone());
    }
    let place = entry.place.clone();
    if entry.category.trim().is_empty() {
        return Err(ImportError::NoCategory { place });
    }
    if own.is_empty() {
        let category = entry.category.clone();
        return Err(ImportError::NoName { place, category });
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_becomes_a_topic_unless_it_is_mapped() {
        let topic_of = |category: &str, choices: &Choices| {
            let entry = Entry {
                category: category.into(),
                ..Entry::default()
            };
            topic(&entry, choices, &mut BTreeSet::new())
        };
        let mapped = Choices {
            topic_map: vec![
                ("bodily-fluids".into(), "vulgar".into()),
                ("".into(), "other".into()),
            ],
            ..Choices::default()
        };
        assert_eq!(topic_of("Mild / Oaths", &mapped).unwrap(), "mild-oaths");
        assert_eq!(topic_of("bodily fluids", &mapped).unwrap(), "vulgar");
        assert_eq!(topic_of("", &mapped).unwrap(), "other");
        assert!(matches!(
            topic_of("点", &mapped),
            Err(ImportError::NoName { .. })
        ));
        assert!(matches!(
            topic_of("", &Choices::default()),
            Err(ImportError::NoCategory { .. })
        ));
    }
}
