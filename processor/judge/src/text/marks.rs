//! Which disguises were taken off.

/// What was undone to read a text so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Marks(pub u16);

impl Marks {
    pub const NONE: Marks = Marks(0);
    pub const LEET: Marks = Marks(1);
    pub const INVISIBLE: Marks = Marks(2);
    pub const CONFUSABLE: Marks = Marks(4);
    pub const FULL_WIDTH: Marks = Marks(8);
    pub const REPEAT: Marks = Marks(16);
    pub const SPACED: Marks = Marks(32);
    pub const STACKED: Marks = Marks(64);
    pub const EMOJI: Marks = Marks(128);
    pub const REVERSED: Marks = Marks(256);
    pub const CENSORED: Marks = Marks(512);
    pub const MISSPELT: Marks = Marks(1_024);
    pub const SPLIT: Marks = Marks(2_048);
    pub const GLUED: Marks = Marks(4_096);
    pub const JOINED: Marks = Marks(8_192);

    /// Names as verdicts carry them, in their order.
    pub const NAMES: [(Marks, &'static str); 14] = [
        (Marks::CENSORED, "censored"),
        (Marks::CONFUSABLE, "confusable"),
        (Marks::EMOJI, "emoji-letters"),
        (Marks::FULL_WIDTH, "full-width"),
        (Marks::GLUED, "glued"),
        (Marks::INVISIBLE, "invisible"),
        (Marks::JOINED, "joined-messages"),
        (Marks::LEET, "leet"),
        (Marks::STACKED, "marks"),
        (Marks::MISSPELT, "misspelt"),
        (Marks::REPEAT, "repeat"),
        (Marks::REVERSED, "reversed"),
        (Marks::SPACED, "spaced"),
        (Marks::SPLIT, "split"),
    ];

    pub fn with(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }

    pub fn without(self, other: Marks) -> Marks {
        Marks(self.0 & !other.0)
    }

    pub fn has(self, other: Marks) -> bool {
        self.0 & other.0 != 0
    }

    /// How many disguises were undone.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Names joined by `+`.
    pub fn names(self) -> String {
        let names = Marks::NAMES.iter().filter(|(mark, _)| self.has(*mark));
        names.map(|(_, name)| *name).collect::<Vec<_>>().join("+")
    }
}
