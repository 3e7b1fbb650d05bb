//! Erasing what is remembered of a user.
//!
//! Invariant: the order reaches every message partition, not only that of the user's key: a producer with another partitioner may have put
//! the user anywhere. It can be run again: the same order is marked again, which also forgets what was said since.

use gavel_schemas::{Order, UserErased, limits};

use super::{Author, OrderError, Orders, nonce};
use crate::clock::wall_ms;

/// What an erasure would come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// The order that erased this user before.
    pub order: Option<i64>,
    /// Message partitions that get its marker.
    pub partitions: i32,
}

/// What `erase` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    pub order: i64,
    /// True when the order stood there already, and only its markers were sent again.
    pub resumed: bool,
    pub partitions: i32,
}

impl Orders<'_> {
    /// Looks at what an erasure would come to.
    pub fn weigh_erasure(&self, community: &str, user: &str) -> Result<Erasure, OrderError> {
        check_user(community, user)?;
        let partitions = self.message_partitions()?;
        let same = |order: &Order| matches!(order, Order::UserErased(order) if order.community == community && order.user == user);
        let orders = self.control().orders();
        let before = orders.filter(|recorded| same(recorded.order())).last();
        Ok(Erasure {
            order: before.map(|recorded| recorded.offset),
            partitions,
        })
    }

    /// Writes the order, unless it stands there already, and its marker into every message partition.
    pub fn erase(
        &mut self,
        community: &str,
        user: &str,
        author: Author,
    ) -> Result<Erased, OrderError> {
        let Erasure {
            order: before,
            partitions,
        } = self.weigh_erasure(community, user)?;
        let order = match before {
            Some(order) => order,
            None => {
                let order = Order::UserErased(UserErased {
                    community: community.to_owned(),
                    user: user.to_owned(),
                    by: author.by,
                    reason: author.reason,
                    nonce: nonce()?,
                    issued_at: wall_ms(),
                });
                self.write(&format!("{community}/{user}"), &order)?
            }
        };
        self.mark(order, 0..partitions, None)
            .map_err(|source| OrderError::NotMarked {
                order,
                finish: format!(
                    "gavel state erase --community '{community}' --user '{user}' --reason …"
                ),
                source: Box::new(source),
            })?;
        Ok(Erased {
            order,
            resumed: before.is_some(),
            partitions,
        })
    }
}

/// What a message could have had: a second `/` would name somebody else's context.
fn check_user(community: &str, user: &str) -> Result<(), OrderError> {
    let fits = |word: &str| word.len() <= limits::STRING_BYTES;
    if !community.contains('/') && fits(community) && fits(user) {
        return Ok(());
    }
    Err(OrderError::NoUser {
        community: community.to_owned(),
        user: user.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_one_that_a_message_can_have() {
        for (community, user) in [("lobby", "ada"), ("", "ada"), ("lobby", "a/b"), ("l", "")] {
            assert!(check_user(community, user).is_ok(), "{community}/{user}");
        }
        let long = "x".repeat(limits::STRING_BYTES + 1);
        for (community, user) in [("a/b", "c"), (long.as_str(), "c"), ("c", long.as_str())] {
            assert!(check_user(community, user).is_err(), "{community}/{user}");
        }
    }
}
