//! Alternated rounds of contestants, and the bounds of their ratios.

use crate::client::Target;
use crate::median::{bounds, median};
use anyhow::Result;
use std::time::Duration;

/// Load before each round that is not counted.
const WARM_UP: Duration = Duration::from_millis(300);

/// Figures of one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Requests per second.
    pub(crate) rate: f64,
    /// CPU time of the server process per request, in seconds.
    pub(crate) cpu: f64,
    /// Context switches of the server process per request.
    pub(crate) switches: f64,
}

impl Round {
    /// Loads a server for `time`.
    pub(crate) fn run(target: &Target<'_>, time: Duration) -> Result<Self> {
        target.load(WARM_UP)?;
        let before = target.server.usage()?;
        let (requests, took) = target.load(time)?;
        let after = target.server.usage()?;
        let requests = requests as f64;
        Ok(Self {
            rate: requests / took.as_secs_f64(),
            cpu: (after.cpu - before.cpu) / requests,
            switches: (after.switches - before.switches) as f64 / requests,
        })
    }
}

/// All rounds of one contestant.
pub(crate) struct Results {
    name: &'static str,
    rounds: Vec<Round>,
}

/// Runs the contestants in turns, every second time in the opposite order, so that a drift of the machine affects all.
pub(crate) fn contest(targets: &[Target<'_>], rounds: usize, time: Duration) -> Result<Vec<Results>> {
    let mut results: Vec<_> =
        targets.iter().map(|target| Results { name: target.name, rounds: Vec::new() }).collect();
    for number in 0..rounds {
        let mut order: Vec<usize> = (0..targets.len()).collect();
        if number % 2 == 1 {
            order.reverse();
        }
        for at in order {
            results[at].rounds.push(Round::run(&targets[at], time)?);
        }
    }
    Ok(results)
}

/// A figure of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Rate,
    Cpu,
}

impl Figure {
    fn of(self, round: &Round) -> f64 {
        match self {
            Self::Rate => round.rate,
            Self::Cpu => round.cpu,
        }
    }
}

/// A ratio of two contestants and the bound that it has to keep.
pub(crate) struct Bar {
    figure: Figure,
    limit: Option<Limit>,
    ours: &'static str,
    peer: &'static str,
}

#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    pub(crate) fn at_least(figure: Figure, bound: f64, ours: &'static str, peer: &'static str) -> Self {
        Self { figure, limit: Some(Limit::AtLeast(bound)), ours, peer }
    }

    pub(crate) fn at_most(figure: Figure, bound: f64, ours: &'static str, peer: &'static str) -> Self {
        Self { figure, limit: Some(Limit::AtMost(bound)), ours, peer }
    }

    /// A ratio that is only printed.
    pub(crate) fn info(figure: Figure, ours: &'static str, peer: &'static str) -> Self {
        Self { figure, limit: None, ours, peer }
    }
}

/// Prints all figures and ratios. Returns true if a bar was missed.
pub(crate) fn report(results: &[Results], bars: &[Bar]) -> bool {
    println!("  {:<16} {:>10} {:>14} {:>18}", "", "requests/s", "CPU/request", "switches/request");
    for Results { name, rounds } in results {
        let median = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
        let (rate, cpu, switches) = (median(|r| r.rate), median(|r| r.cpu), median(|r| r.switches));
        println!("  {name:<16} {rate:>10.0} {:>11.1} us {switches:>18.2}", cpu * 1e6);
    }
    let mut missed = false;
    for bar in bars {
        let rounds_of = |name| results.iter().find(|results| results.name == name).map(|found| &found.rounds);
        let (Some(ours), Some(peer)) = (rounds_of(bar.ours), rounds_of(bar.peer)) else { continue };
        let of = |round| bar.figure.of(round);
        let ratios: Vec<f64> = ours.iter().zip(peer).map(|(ours, peer)| of(ours) / of(peer)).collect();
        let (low, high) = bounds(ratios.clone());
        let verdict = match bar.limit {
            Some(Limit::AtLeast(bound)) => {
                verdict(low >= bound, &format!("at least {bound:.2}"), &mut missed)
            }
            Some(Limit::AtMost(bound)) => verdict(high <= bound, &format!("at most {bound:.2}"), &mut missed),
            None => String::new(),
        };
        let (figure, ours, peer) = (bar.figure, bar.ours, bar.peer);
        let figure = if figure == Figure::Rate { "rate" } else { "CPU " };
        let middle = median(ratios);
        println!("  {figure} {ours} / {peer}: {middle:.3}, 95 % bounds {low:.3} and {high:.3}{verdict}");
    }
    missed
}

fn verdict(is_met: bool, bar: &str, missed: &mut bool) -> String {
    *missed |= !is_met;
    format!(" ({bar}: {})", if is_met { "met" } else { "MISSED" })
}
