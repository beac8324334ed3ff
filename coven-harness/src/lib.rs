//! Coven.
#![deny(unsafe_code)]
