//! Tests of capture, replay and verdict on a real server, with a program that declares no operations.

mod plan_kinds;
mod replays;
mod support;
#[path = "../support/suspect.rs"]
mod suspect;
mod verdicts;
mod work;
