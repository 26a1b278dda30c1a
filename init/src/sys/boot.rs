//! Calls of stage 1 and of bringing the machine up.
