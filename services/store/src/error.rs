//! What can go wrong with the database, by what happens next.

use std::io::ErrorKind;

use thiserror::Error;

/// Why the database cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No space left. Next: its service makes room or says so.
    #[error("no space left: {0}")]
    Full(String),
    /// Its content cannot be what was written. Next: set it aside, start with an empty one.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The disk or the kernel failed. Next: exit, and be started again by `init`.
    #[error("{0}")]
    Failed(String),
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        let error = error.into();
        let message = error.to_string();
        match error {
            redb::Error::Io(error) => match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Full(message),
                // Not a database at all, or shorter than it says.
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Self::Damaged(message),
                _ => Self::Failed(message),
            },
            redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableIsNotMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. } => Self::Damaged(message),
            _ => Self::Failed(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_disk_has_the_name_of_what_happens_next() {
        let error = |kind: ErrorKind| StoreError::from(std::io::Error::from(kind));
        assert!(matches!(error(ErrorKind::StorageFull), StoreError::Full(_)));
        assert!(matches!(error(ErrorKind::UnexpectedEof), StoreError::Damaged(_)));
        assert!(matches!(error(ErrorKind::PermissionDenied), StoreError::Failed(_)));
        assert!(matches!(StoreError::from(redb::Error::PreviousIo), StoreError::Failed(_)));
    }
}
