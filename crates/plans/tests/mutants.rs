//! Tests of mutants: each is accepted by the server and undone by a rollback, and judging is strict.
#![expect(clippy::unwrap_used, reason = "a test whose set-up fails has failed")]

#[path = "support/forest.rs"]
mod forest;
#[path = "support/suspect.rs"]
mod suspect;

use forest::{FOREST, grown};
use proptest::prelude::*;
use std::collections::BTreeSet;
use steadfast_plans::{
    Bound, Catalogue, KilledBy, Measured, Mutant, MutantKind, MutantOutcome, Refused, Rule, Score,
    judge_ablation, judge_mutant, mutants,
};
use suspect::assert_suspects_statement;

#[tokio::test]
async fn mutants_change_their_index_until_rollback() {
    let (_database, client) = grown(FOREST).await;
    let before = Catalogue::load(&client).await.unwrap();
    for mutant in mutants(&before) {
        client.batch_execute("BEGIN").await.unwrap();
        mutant.apply(&client).await.unwrap();
        let after = Catalogue::load(&client).await.unwrap();
        let (old, new) = (before.index(&mutant.index).unwrap(), after.index(&mutant.index));
        match mutant.kind {
            MutantKind::Drop => assert_eq!(new, None, "{}", mutant.name),
            MutantKind::SwapColumns => {
                assert_ne!(new.unwrap().keys, old.keys, "{}", mutant.name);
                assert_eq!(new.unwrap().constraint, old.constraint, "{}", mutant.name);
                assert_eq!(after.foreign_keys, before.foreign_keys, "{}", mutant.name);
            }
            MutantKind::WidenPredicate => assert_eq!(new.unwrap().predicate, None, "{}", mutant.name),
            MutantKind::WrapInExpression => {
                let differ = new.unwrap().keys.iter().zip(&old.keys).filter(|(new, old)| new.sql != old.sql);
                assert_eq!(differ.count(), 1, "{}", mutant.name);
            }
        }
        client.batch_execute("ROLLBACK").await.unwrap();
    }
    assert_eq!(Catalogue::load(&client).await.unwrap(), before);
}

#[tokio::test]
async fn mutants_preserve_other_properties_of_their_index() {
    let (_database, client) = grown(FOREST).await;
    let catalogue = Catalogue::load(&client).await.unwrap();
    let of = |index: &str, kind| {
        let all = mutants(&catalogue);
        let made: Vec<String> = all
            .into_iter()
            .filter(|mutant| mutant.index == index && mutant.kind == kind)
            .map(|mutant| mutant.statements[1].clone())
            .collect();
        made
    };
    assert_eq!(
        of("trees_tall", MutantKind::SwapColumns)[0],
        r#"CREATE INDEX "trees_tall" ON "Trees" USING btree ("a Height" DESC NULLS LAST, species, planted NULLS FIRST) INCLUDE (girth) WITH (fillfactor='70') WHERE NOT is_felled"#
    );
    assert_eq!(
        of("trees_code", MutantKind::WidenPredicate)[0],
        r#"CREATE INDEX "trees_code" ON "Trees" USING btree (code COLLATE pg_catalog."C" bpchar_pattern_ops, kind)"#
    );
    assert_eq!(
        of("trees_near", MutantKind::WrapInExpression)[0],
        r#"CREATE INDEX "trees_near" ON "Trees" USING gist ((species || '') gist_trgm_ops(siglen='32'), spot)"#
    );
    assert_eq!(
        of("trees_stamp_key", MutantKind::SwapColumns)[0],
        r#"ALTER TABLE "Trees" ADD CONSTRAINT trees_stamp_key UNIQUE NULLS NOT DISTINCT (kind, stamp) INCLUDE (species) DEFERRABLE"#
    );
}

#[tokio::test]
async fn every_kind_of_mutant_is_generated() {
    let (_database, client) = grown(FOREST).await;
    let catalogue = Catalogue::load(&client).await.unwrap();
    let all = mutants(&catalogue);
    let names: BTreeSet<&str> = all.iter().map(|mutant| mutant.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "names are unique");
    for index in catalogue.whole_indexes() {
        let count =
            |kind| all.iter().filter(|mutant| mutant.index == index.name && mutant.kind == kind).count();
        let ordered = !matches!(index.method.as_str(), "gin" | "brin");
        assert_eq!(count(MutantKind::Drop), 1, "{}", index.name);
        assert_eq!(
            count(MutantKind::SwapColumns),
            if ordered { index.keys.len() - 1 } else { 0 },
            "{}",
            index.name
        );
        assert_eq!(
            count(MutantKind::WidenPredicate),
            usize::from(index.predicate.is_some()),
            "{}",
            index.name
        );
        if index.method == "btree" {
            assert_eq!(count(MutantKind::WrapInExpression), index.keys.len(), "{}", index.name);
        }
    }
}

// If the planner could simplify the expression, the mutant would change nothing.
#[tokio::test]
async fn wrapped_keys_serve_no_query() {
    let (_database, client) = grown(FOREST).await;
    let catalogue = Catalogue::load(&client).await.unwrap();
    let mut tried = 0;
    for mutant in mutants(&catalogue).iter().filter(|mutant| mutant.kind == MutantKind::WrapInExpression) {
        let index = catalogue.index(&mutant.index).unwrap();
        let Some(column) = &index.keys[0].column else { continue };
        let leads = !mutant.statements[1].contains(&format!("({column},"));
        if index.predicate.is_some() || index.method != "btree" || !leads {
            continue;
        }
        client
            .batch_execute("BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off")
            .await
            .unwrap();
        let query = format!("EXPLAIN SELECT FROM {0} a JOIN {0} b USING ({column})", index.table);
        mutant.apply(&client).await.unwrap();
        let plan: Vec<String> =
            client.query(&query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        let conditions = plan.iter().filter(|line| line.contains("Index Cond"));
        assert!(!conditions.clone().any(|line| line.contains(&mutant.index)), "{}: {plan:#?}", mutant.name);
        client.batch_execute("ROLLBACK").await.unwrap();
        tried += 1;
    }
    assert!(tried >= 6, "{tried}");
}

fn read(case: &str, buffers: u64, indexes: &[&str]) -> Measured {
    Measured {
        operation: "trees.tall".to_owned(),
        case: case.to_owned(),
        buffers,
        indexes: indexes.iter().map(|&index| index.to_owned()).collect(),
        ..Measured::default()
    }
}

fn refused(case: &str) -> Refused {
    Refused {
        operation: "trees.tall".to_owned(),
        case: case.to_owned(),
        statement: 0,
        message: "no unique constraint matches".to_owned(),
    }
}

#[test]
fn rejected_or_missing_statements_kill() {
    let before = [read("rare", 4, &["a"]), read("common", 9, &["a"])];
    let refused = [Ok(read("rare", 4, &["a"])), Err(refused("common"))];
    assert_eq!(judge_mutant(&before, &refused, Bound::GROWTH), KilledBy::Error);
    assert_eq!(judge_mutant(&before, &refused[..1], Bound::GROWTH), KilledBy::Error);
}

#[test]
fn indexes_no_longer_used_kill() {
    let before = [read("rare", 4, &["a"]), read("common", 9, &["a", "b"])];
    let still = [Ok(read("rare", 5, &["b"])), Ok(read("common", 9, &["a", "b"]))];
    let lost = [Ok(read("rare", 4, &["b"])), Ok(read("common", 9, &["b"]))];
    assert_eq!(judge_mutant(&before, &still, Bound::GROWTH), KilledBy::Survived);
    assert_eq!(judge_mutant(&before, &lost, Bound::GROWTH), KilledBy::Verdict);
}

#[test]
fn writes_kill_only_with_far_more_pages() {
    let write = |buffers| Measured { writes: true, ..read("new", buffers, &[]) };
    let of_10_to = |after| judge_mutant(&[write(10)], &[Ok(write(after))], Bound::GROWTH);
    assert_eq!(of_10_to(11), KilledBy::Equivalent);
    assert_eq!(of_10_to(24), KilledBy::Buffers { before: 10, after: 24 });
}

#[test]
fn only_new_findings_kill() {
    let with = |findings| Measured { findings, ..read("rare", 4, &["a"]) };
    assert_eq!(judge_mutant(&[with(1)], &[Ok(with(1))], Bound::GROWTH), KilledBy::Equivalent);
    assert_eq!(judge_mutant(&[with(1)], &[Ok(with(2))], Bound::GROWTH), KilledBy::Verdict);
}

#[test]
fn rounds_combine_to_the_stronger_result() {
    use KilledBy::{Equivalent, Error, Survived, Unjudged, Verdict};
    let killed = KilledBy::Buffers { before: 1, after: 99 };
    let rounds = [
        (Survived, Equivalent, Survived),
        (Equivalent, Survived, Survived),
        (Equivalent, Equivalent, Equivalent),
        (Survived, Verdict, Verdict),
        (killed.clone(), Equivalent, killed.clone()),
        (Equivalent, Error, Error),
        (Unjudged, Equivalent, Equivalent),
        (Survived, Unjudged, Survived),
        (Unjudged, Unjudged, Unjudged),
    ];
    for (first, second, both) in rounds {
        assert_eq!(first.clone().and(second.clone()), both, "{first:?} and {second:?}");
    }
}

#[test]
fn mutants_without_replays_are_unjudged() {
    assert_eq!(judge_mutant(&[], &[], Bound::GROWTH), KilledBy::Unjudged);
}

#[test]
fn indexes_must_save_half_of_the_pages_or_a_forbidden_node() {
    let before = [read("rare", 4, &["a"]), read("common", 40, &["a"]), read("other", 1, &["b"])];
    let without = |rare, common| {
        [Ok(read("rare", rare, &[])), Ok(read("common", common, &[])), Ok(read("other", 99, &["b"]))]
    };
    assert_eq!(judge_ablation("a", &before, &without(8, 40)), None);
    let finding = judge_ablation("a", &before, &without(7, 79)).unwrap();
    assert_eq!((finding.rule, finding.case.as_str()), (Rule::Unneeded, "trees.tall common"));
    assert_suspects_statement(&finding.suggestion);
    let mut scanned = without(7, 79);
    scanned[0].as_mut().unwrap().forbidden = 1;
    assert_eq!(judge_ablation("a", &before, &scanned), None);
    assert_eq!(judge_ablation("unused", &before, &without(8, 40)), None);
    assert_eq!(judge_ablation("a", &before, &[Err(refused("rare"))]), None);
}

#[test]
fn score_counts_outcomes_and_names_survivors() {
    let kinds = [
        KilledBy::Error,
        KilledBy::Verdict,
        KilledBy::Buffers { before: 1, after: 99 },
        KilledBy::Equivalent,
        KilledBy::Survived,
        KilledBy::Unjudged,
    ];
    let outcomes = kinds.map(|killed_by| {
        let name = format!("drop {killed_by:?}");
        let mutant = Mutant { name, kind: MutantKind::Drop, index: "a".to_owned(), statements: vec![] };
        MutantOutcome { mutant, killed_by }
    });
    let score = Score::of(&outcomes);
    let line =
        "6 generated: 1 killed by verdict, 1 by buffers, 1 by error, 1 equivalent, 1 survived, 1 unjudged";
    assert_eq!(score.total().to_string(), line);
    assert_eq!(score.equivalent, ["drop Equivalent"]);
    score.findings().iter().for_each(|finding| assert_suspects_statement(&finding.suggestion));
    let found: Vec<String> = score.findings().into_iter().map(|finding| finding.subject).collect();
    assert_eq!(found, ["drop Survived", "drop Unjudged"]);
}

fn measured() -> impl Strategy<Value = Measured> {
    let parts = (0..3u8, 0..3u8, 0..2usize, 0..60u64, prop::collection::btree_set("[ab]", 0..3), 0..2usize);
    parts.prop_map(|(operation, case, statement, buffers, indexes, findings)| Measured {
        writes: false,
        operation: operation.to_string(),
        case: case.to_string(),
        statement,
        buffers,
        indexes,
        findings,
        forbidden: 0,
    })
}

/// Returns each statement of each case once.
fn replay() -> impl Strategy<Value = Vec<Measured>> {
    prop::collection::vec(measured(), 1..12).prop_map(|mut all| {
        let mut seen = BTreeSet::new();
        all.retain(|one| seen.insert((one.operation.clone(), one.case.clone(), one.statement)));
        all
    })
}

proptest! {
    #[test]
    fn the_schema_as_it_is_is_equivalent_to_itself(replay in replay()) {
        let after: Vec<_> = replay.iter().cloned().map(Ok).collect();
        prop_assert_eq!(judge_mutant(&replay, &after, Bound::GROWTH), KilledBy::Equivalent);
    }

    #[test]
    fn the_order_of_the_replays_does_not_matter(before in replay(), more in prop::collection::vec(0..90u64, 12)) {
        let after: Vec<Result<Measured, Refused>> = before.iter().zip(more)
            .map(|(one, more)| Ok(Measured { buffers: one.buffers + more, ..one.clone() })).collect();
        let judged = judge_mutant(&before, &after, Bound::GROWTH);
        let reversed: Vec<_> = after.iter().rev().cloned().collect();
        // Of two equally bad statements, either may be named.
        let kind = |killed: KilledBy| std::mem::discriminant(&killed);
        prop_assert_eq!(kind(judge_mutant(&before, &reversed, Bound::GROWTH)), kind(judged));
    }

    #[test]
    fn more_pages_never_make_a_mutant_less_noticed(before in replay(), at in 0..12usize, more in 1..200u64) {
        let mut after: Vec<Result<Measured, Refused>> = before.iter().cloned().map(Ok).collect();
        let at = at % after.len();
        after[at].as_mut().unwrap().buffers += more;
        let is_far = (before[at].buffers + more) as f64 > before[at].buffers as f64 * 1.5 + 8.0;
        let judged = judge_mutant(&before, &after, Bound::GROWTH);
        prop_assert_eq!(matches!(judged, KilledBy::Buffers { .. }), is_far);
        prop_assert_eq!(judged == KilledBy::Survived, !is_far);
    }

    #[test]
    fn a_claimed_index_is_needed_exactly_if_one_claiming_statement_reads_twice(
        before in replay(), factors in prop::collection::vec(0..4u64, 12)
    ) {
        let after: Vec<Result<Measured, Refused>> = before.iter().zip(&factors)
            .map(|(one, factor)| Ok(Measured { buffers: one.buffers * factor, ..one.clone() })).collect();
        let claiming = || before.iter().zip(&factors).filter(|(one, _)| one.indexes.contains("a"));
        let is_worth_it = claiming().any(|(one, &factor)| one.buffers > 0 && factor >= 2);
        let finding = judge_ablation("a", &before, &after);
        prop_assert_eq!(finding.is_some(), claiming().next().is_some() && !is_worth_it);
    }
}
