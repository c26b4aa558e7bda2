#![doc = include_str!("../README.md")]

pub mod identity;
pub mod invalid;
pub mod keys;
pub mod page;
pub mod terminology;
pub mod text;

pub use invalid::{Checks, FieldError, Invalid};
