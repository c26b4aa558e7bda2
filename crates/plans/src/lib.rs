#![doc = include_str!("../README.md")]

mod activity;
mod binds;
mod branches;
mod catalogue;
mod contract;
mod coverage;
mod declared_indexes;
mod error;
mod explain;
mod facts;
mod finding;
mod foreign_keys;
mod freeze;
mod growth;
mod judge;

mod mutants;
mod outcome;
mod plan_kind;
mod raw;
mod replay;
mod replay_database;
mod report;
mod resolve;
mod sequences;
mod server_cost;
mod steps;
mod unproven;
mod unseeded;
mod unstable;
mod verdict;
mod verification;
mod work;

pub use activity::TableActivity;
pub use binds::{SeenBinds, uncovered_binds};
pub use branches::branches;
pub use catalogue::{
    BackedConstraint, Catalogue, Checked, Claims, Column, Constraint, ConstraintKind, Documented,
    ForeignColumn, ForeignKey, Index, Key, Sequence, SequenceOwner, Table, TableKind, unclaimed,
};
pub use contract::Contract;
pub use coverage::{Seen, uncovered};
pub use declared_indexes::never_used;
pub use error::{Error, ExplainError};
pub use explain::{Conflict, Explained, Filter, Join, Node, Relation, Spill, Trigger};
pub use finding::{Explanation, Finding, Occurrence, Rule, UnknownRule};
pub use freeze::freeze;
pub use growth::{Growth, growth};
pub use judge::{Run, judge};

pub use mutants::{
    Bound, KilledBy, Measured, Mutant, MutantKind, MutantOutcome, Refused, Score, Tally, judge_ablation,
    judge_mutant, mutants,
};
pub use outcome::{Judged, StatementOutcome};
pub use plan_kind::{PlanKind, plan_kinds};
pub use replay_database::ReplayDatabase;
pub use report::{AblationRow, CaseRow, DocumentedRow, OperationRow, Report};
pub use resolve::resolved;
pub use sequences::Sequences;
pub use server_cost::ServerCost;
pub use unproven::unproven;
pub use unseeded::{SmallTable, unseeded};
pub use unstable::unstable_plans;
pub use verdict::{Access, Via};
pub use verification::{Case, ProgramDatabase, Verification};
pub use work::Work;

pub use steadfast_postgres::{Captured, CapturedStatement, ConnectError, Reads, Recorder};
pub use steadfast_postgres::{diesel, diesel_async, tokio_postgres};
