//! One declaration per setting: field, documentation, default, environment variable and parser come from the same
//! line, so that they cannot drift apart.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::de::DeValue;

/// A setting as documentation sees it.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name inside its section.
    pub name: &'static str,
    /// Meaning, unit, default and what breaks at the extremes.
    pub doc: &'static str,
}

/// A value as it was written: in a TOML file, or as text in a variable or flag.
pub enum Written<'a> {
    Text(&'a str),
    Toml(&'a DeValue<'a>),
}

/// A type that a setting can have.
pub trait FromWritten: Sized {
    /// Takes the value over into `self` (a table adds to what earlier sources said). The error says what would be right.
    fn take(&mut self, written: &Written<'_>) -> Result<(), String>;
}

/// A table of settings.
pub trait Section {
    const TABLE: &'static str;
    const KEYS: &'static [Key];
    /// `None` when there is no such key.
    fn take(&mut self, key: &str, written: &Written<'_>) -> Option<Result<(), String>>;
}

macro_rules! section {
    ($(#[doc = $about:literal])+ $name:ident [$table:literal] {
        $( $(#[doc = $doc:literal])+ $field:ident : $kind:ty = $default:expr ),+ $(,)?
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name { $( $(#[doc = $doc])+ pub $field: $kind, )+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default.into(), )+ }
            }
        }

        impl $crate::config::setting::Section for $name {
            const TABLE: &'static str = $table;
            const KEYS: &'static [$crate::config::setting::Key] = &[
                $( $crate::config::setting::Key { name: stringify!($field), doc: concat!($($doc),+) }, )+
            ];

            fn take(&mut self, key: &str, written: &$crate::config::setting::Written<'_>) -> Option<Result<(), String>> {
                match key {
                    $( stringify!($field) => Some($crate::config::setting::FromWritten::take(&mut self.$field, written)), )+
                    _ => None,
                }
            }
        }
    };
}
pub(super) use section;

/// A number of bytes: an integer, or a text with the unit KiB, MiB or GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    pub const fn mib(n: u64) -> Self {
        ByteSize(n << 20)
    }

    /// As a count for memory on this machine; saturates.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// How partitions are shared out in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The members decide (cooperative-sticky); works with every broker.
    Classic,
    /// The broker decides (KIP-848); brokers from 4.0.
    Consumer,
}

/// How clients prove to brokers who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// As the raw settings say.
    Properties,
    /// Tokens signed with AWS credentials.
    MskIam,
    /// A token that something else renews in a file.
    TokenFile,
}

const AUTHS: [(&str, Auth); 3] = [
    ("properties", Auth::Properties),
    ("msk-iam", Auth::MskIam),
    ("token-file", Auth::TokenFile),
];

impl FromWritten for Auth {
    fn take(&mut self, written: &Written<'_>) -> Result<(), String> {
        let mut text = String::new();
        text.take(written)?;
        let found = AUTHS.iter().find(|(name, _)| *name == text);
        *self = found.map(|(_, auth)| *auth).ok_or_else(|| {
            let near = suggestion(&text, AUTHS.map(|(name, _)| name));
            format!("`{text}` is no way to prove who one is{near}; there are properties, msk-iam and token-file")
        })?;
        Ok(())
    }
}

impl FromWritten for String {
    fn take(&mut self, written: &Written<'_>) -> Result<(), String> {
        *self = match written {
            Written::Text(text) => (*text).to_owned(),
            Written::Toml(DeValue::String(text)) => text.to_string(),
            Written::Toml(other) => {
                return Err(format!("expected a string, found {}", article(other)));
            }
        };
        Ok(())
    }
}

impl FromWritten for Option<String> {
    fn take(&mut self, written: &Written<'_>) -> Result<(), String> {
        let mut text = String::new();
        text.take(written)?;
        *self = Some(text);
        Ok(())
    }
}

impl FromWritten for PathBuf {
    fn take(&mut self, written: &Written<'_>) -> Result<(), String> {
        let mut text = String::new();
        text.take(written)?;
        *self = PathBuf::from(text);
        Ok(())
    }
}

impl FromWritten for bool {
    fn take(&mut self, written: &Written<'_>) -> Result<(), String> {
        *self = match written {
            Written::Toml(DeValue::Boolean(value)) => *value,
            Written::Text("true") => true,
            Written::Text("false") => false,
            Written::Text(text) => return Err(format!("expected true or false, found `{text}`")),
            Written::Toml(other) => {
                return Err(format!("expected true or false, found {}", article(other)));
            }
        };
        Ok(())
    }
}

impl FromWritten for u64 {
    fn take(&mut self, written: &Written<'_>) -> Result<(), String> {
        *self = match written {
            Written::Text(text) => whole(text)?,
            Written::Toml(value) => integer(value)?,
        };
        Ok(())
    }
}

impl FromWritten for usize {
    fn take(&mut self, written: &Written<'_>) -> Result<(), String> {
        let mut wide = 0u64;
        wide.take(written)?;
        *self = usize::try_from(wide).map_err(|_| format!("{wide} is too large"))?;
        Ok(())
    }
}

impl FromWritten for ByteSize {
    fn take(&mut self, written: &Written<'_>) -> Result<(), String> {
        self.0 = match written {
            Written::Text(text) => bytes(text)?,
            Written::Toml(DeValue::String(text)) => bytes(text)?,
            Written::Toml(value) => integer(value)?,
        };
        Ok(())
    }
}

impl FromWritten for SocketAddr {
    fn take(&mut self, written: &Written<'_>) -> Result<(), String> {
        let mut text = String::new();
        text.take(written)?;
        *self = text.parse().map_err(|_| {
            format!("`{text}` is no address and port; write for example 127.0.0.1:9464")
        })?;
        Ok(())
    }
}

impl FromWritten for Protocol {
    fn take(&mut self, written: &Written<'_>) -> Result<(), String> {
        let mut text = String::new();
        text.take(written)?;
        *self = match text.as_str() {
            "classic" => Protocol::Classic,
            "consumer" => Protocol::Consumer,
            _ => {
                return Err(format!(
                    "`{text}` is not a group protocol{}",
                    suggestion(&text, ["classic", "consumer"])
                ));
            }
        };
        Ok(())
    }
}

fn whole(text: &str) -> Result<u64, String> {
    let digits: String = text.trim().chars().filter(|c| *c != '_').collect();
    digits
        .parse()
        .map_err(|_| format!("expected a whole number from 0 on, found `{text}`"))
}

fn integer(value: &DeValue<'_>) -> Result<u64, String> {
    match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| format!("expected a whole number from 0 on, found `{number}`")),
        other => Err(format!("expected a whole number, found {}", article(other))),
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, shift) = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("B", 0)]
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?.trim_end(), *shift)))
        .unwrap_or((text, 0));
    let number = whole(digits).map_err(|_| {
        format!("expected a number of bytes such as 67108864 or \"64 MiB\", found `{text}`")
    })?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("`{text}` is too large"))
}

fn article(value: &DeValue<'_>) -> String {
    let kind = value.type_str();
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {kind}")
}

/// The valid name that was probably meant.
pub fn nearest<'a>(wrong: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    valid
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&wrong.to_lowercase(), candidate),
                candidate,
            )
        })
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 2.max(wrong.len() / 3))
        .map(|(_, candidate)| candidate)
}

/// `; did you mean ...?` when something valid is near, otherwise what is valid.
pub fn suggestion<'a>(wrong: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    let valid: Vec<&str> = valid.into_iter().collect();
    match nearest(wrong, valid.iter().copied()) {
        Some(candidate) => format!("; did you mean `{candidate}`?"),
        None if valid.len() <= 16 => format!("; valid are: {}", valid.join(", ")),
        None => String::new(),
    }
}
