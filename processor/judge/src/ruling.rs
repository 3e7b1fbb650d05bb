//! Words of a verdict.

/// What happens to a message. The order is that of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Allow,
    Flag,
    Mask,
    Block,
}

/// Why a verdict is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// By the policy.
    Judged,
    /// An order's marker.
    Control,
    /// Nobody could read it; also a dead letter.
    Refused,
    /// The user was muted.
    Muted,
    /// No policy was active.
    NoPolicy,
    /// The marker of an order that undid an earlier verdict.
    Overturned,
}

impl Action {
    pub const ALL: [Action; 4] = [Action::Allow, Action::Flag, Action::Mask, Action::Block];

    pub fn as_str(self) -> &'static str {
        match self {
            Action::Allow => "allow",
            Action::Flag => "flag",
            Action::Mask => "mask",
            Action::Block => "block",
        }
    }

    pub(crate) fn as_byte(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Action> {
        Action::ALL.get(usize::from(byte)).copied()
    }
}

impl Code {
    /// Whether somebody said something that was heard: no order, and nothing that could not be read.
    pub fn is_of_a_message(self) -> bool {
        matches!(self, Code::Judged | Code::Muted | Code::NoPolicy)
    }

    pub const ALL: [Code; 6] = [
        Code::Judged,
        Code::Control,
        Code::Refused,
        Code::Muted,
        Code::NoPolicy,
        Code::Overturned,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Code::Judged => "judged",
            Code::Control => "control",
            Code::Refused => "refused",
            Code::Muted => "muted",
            Code::NoPolicy => "no-policy",
            Code::Overturned => "overturned",
        }
    }

    pub(crate) fn as_byte(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Code> {
        Code::ALL.get(usize::from(byte)).copied()
    }
}
