//! Calls of supervising. Owned by the supervisor part.
