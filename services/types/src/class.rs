//! The classes of traffic.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What traffic is for. Each class is carried in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Calls.
    Voip,
    /// Meetings with pictures.
    VideoConference,
    /// Files that somebody waits for.
    FileTransfer,
    /// Files that nobody waits for.
    Backup,
    /// Pages and programs that run in a browser.
    Web,
    /// Mail.
    Email,
    /// Questions to databases.
    Database,
    /// Everything else, also what the box itself sends.
    Other,
}

impl Class {
    /// All, by number.
    pub const ALL: [Self; 8] = [
        Self::Voip,
        Self::VideoConference,
        Self::FileTransfer,
        Self::Backup,
        Self::Web,
        Self::Email,
        Self::Database,
        Self::Other,
    ];

    /// Its number.
    #[must_use]
    pub const fn number(self) -> usize {
        self as usize
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voip => "voip",
            Self::VideoConference => "video-conference",
            Self::FileTransfer => "file-transfer",
            Self::Backup => "backup",
            Self::Web => "web",
            Self::Email => "email",
            Self::Database => "database",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_those_of_the_list_and_of_documents() {
        for (number, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.number(), number);
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}
