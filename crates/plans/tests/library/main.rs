//! The whole way on a real server: a program that declares nothing runs on one clone, its statements are judged on
//! another.

mod plan_kinds;
mod replays;
mod support;
#[path = "../support/suspect.rs"]
mod suspect;
mod verdicts;
mod work;
