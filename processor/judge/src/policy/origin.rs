//! Where the thresholds of a message came from: asked by explanations, never on the way of a message.

use super::compile::{Policy, fits};

/// Who named the audience that judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AudienceOrigin {
    /// A pattern of the policy that fits the channel.
    Channel(String),
    /// The message, with a name that the policy knows.
    Message,
    /// Nobody, or a name that the policy does not know.
    Default,
}

impl Policy {
    /// The name of the audience that judges, and who named it.
    pub(crate) fn audience_origin(
        &self,
        channel: &str,
        audience: Option<&str>,
    ) -> (String, AudienceOrigin) {
        let name = self.audience_name(channel, audience).to_owned();
        let mut fitting = self
            .channels
            .iter()
            .filter(|rule| rule.audience.is_some() && fits(&rule.pattern, channel));
        let origin = match fitting.next() {
            Some(rule) if self.audiences.contains_key(&name) => {
                AudienceOrigin::Channel(rule.pattern.clone())
            }
            _ if audience == Some(name.as_str()) => AudienceOrigin::Message,
            _ => AudienceOrigin::Default,
        };
        (name, origin)
    }
}
