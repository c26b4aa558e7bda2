#![doc = include_str!("../README.md")]

pub mod audit;
pub mod fields;
pub mod identity;
pub mod invalid;
pub mod keys;
pub mod page;
pub mod practice;
pub mod terminology;
pub mod text;
pub mod version;

pub use invalid::{Checks, FieldError, Invalid};
