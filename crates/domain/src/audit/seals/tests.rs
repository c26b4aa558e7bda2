//! Tests of the chain and of its verification.

use super::*;

fn time(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).expect("a time")
}

fn row(id: i64) -> SealedRow {
    SealedRow { id, created_at: time(id), hash: Hash::of_row(&format!("row {id}")) }
}

/// Returns three seals over the ids 1 to 12. The rows 4 and 8 were never stored.
fn chain() -> Vec<Seal> {
    let (mut end, mut seals) = (ChainEnd::START, Vec::new());
    for (ids, last_id) in [(vec![1, 2, 3], 4), (vec![5, 6, 7], 8), (vec![9, 10, 11, 12], 12)] {
        let seal = Seal::after(&end, ids.into_iter().map(row).collect(), last_id, time(last_id));
        end = seal.end();
        seals.push(seal);
    }
    seals
}

fn rows() -> Vec<SealedRow> {
    [1, 2, 3, 5, 6, 7, 9, 10, 11, 12].map(row).to_vec()
}

/// Returns the findings, with the rows in batches of `batch`.
fn verify(seals: &[Seal], rows: &[SealedRow], batch: usize, noted: Option<NotedSeal>) -> Vec<String> {
    let mut verifier = Verifier::new(time(0), noted);
    let mut findings: Vec<Finding> = seals.iter().flat_map(|seal| verifier.add_seal(seal.clone())).collect();
    let sealed = |row: &&SealedRow| row.id <= verifier.end().last_id;
    let rows: Vec<SealedRow> = rows.iter().filter(sealed).copied().collect();
    for part in rows.chunks(batch) {
        findings.extend(verifier.add_rows(part, part.last().expect("not empty").id));
    }
    findings.extend(verifier.add_rows(&[], verifier.end().last_id));
    findings.extend(verifier.finish());
    findings.iter().map(ToString::to_string).collect()
}

fn kinds(seals: &[Seal], rows: &[SealedRow]) -> Vec<String> {
    let whole = verify(seals, rows, 100, None);
    assert_eq!(verify(seals, rows, 1, None), whole, "batches do not matter");
    let short = |finding: &String| finding.split(" of 2027-01-15T").next().unwrap_or_default().to_owned();
    let verb = |finding: &String| finding.rsplit(' ').next().unwrap_or_default().to_owned();
    whole.iter().map(|finding| format!("{} {}", short(finding), verb(finding))).collect()
}

#[test]
fn intact_trail_has_no_findings() {
    assert_eq!(kinds(&chain(), &rows()), [""; 0]);
    assert_eq!(kinds(&[], &[]), [""; 0]);
}

#[test]
fn altered_rows_are_named() {
    let altered = |alter: fn(&mut Vec<SealedRow>)| {
        let mut rows = rows();
        alter(&mut rows);
        rows.sort_by_key(|row| (row.id, row.created_at));
        kinds(&chain(), &rows)
    };
    assert_eq!(altered(|rows| rows[3].hash = Hash::of_row("other")), ["row 5 changed"]);
    assert_eq!(altered(|rows| _ = rows.remove(2)), ["row 3 removed"]);
    assert_eq!(altered(|rows| rows.push(row(8))), ["row 8 inserted"]);
    assert_eq!(altered(|rows| rows.push(row(-1))), ["row -1 inserted"]);
    let swapped = |rows: &mut Vec<SealedRow>| {
        let (one, other) = (rows[0].hash, rows[9].hash);
        (rows[0].hash, rows[9].hash) = (other, one);
    };
    assert_eq!(altered(swapped), ["row 1 changed", "row 12 changed"]);
    assert_eq!(altered(|rows| rows[4].created_at = time(99)), ["row 6 changed"]);
}

#[test]
fn second_row_of_an_id_is_inserted() {
    let second = SealedRow { created_at: time(-5), ..row(5) };
    let mut rows = rows();
    rows.insert(3, second);
    let inserted = Finding::RowInserted { id: 5, created_at: second.created_at }.to_string();
    assert_eq!(verify(&chain(), &rows, 100, None), [inserted]);
}

#[test]
fn altered_seals_are_named() {
    let altered = |alter: fn(&mut Vec<Seal>)| {
        let mut seals = chain();
        alter(&mut seals);
        verify(&seals, &rows(), 100, None)
    };
    let changed = |number| Finding::SealChanged { number }.to_string();
    let missing = |numbers| Finding::SealsMissing { numbers }.to_string();
    assert_eq!(altered(|seals| seals[1].sealed_at = time(99)), [changed(2)]);
    assert_eq!(altered(|seals| seals[1].last_id = 7)[0], changed(2));
    // Who computes the hash anew breaks the link to the next seal.
    let forged = |seals: &mut Vec<Seal>| {
        let end = seals[0].end();
        seals[1] = Seal::after(&end, seals[1].rows.clone(), 8, time(99));
    };
    assert_eq!(altered(forged), [changed(3)]);
    assert_eq!(altered(|seals| _ = seals.remove(1)), [missing(2..=2)]);
    assert_eq!(altered(|seals| drop(seals.drain(..2))), [missing(1..=2)]);
}

#[test]
fn noted_hash_reveals_a_new_chain() {
    let noted = |seal: &Seal| NotedSeal { number: seal.number, hash: seal.hash };
    let (seals, last) = (chain(), noted(&chain()[2]));
    assert_eq!(verify(&seals, &rows(), 100, Some(last)), [""; 0]);
    let mut end = ChainEnd::START;
    let forged: Vec<Seal> = seals
        .iter()
        .map(|seal| {
            let forged = Seal::after(&end, seal.rows.clone(), seal.last_id, time(99));
            end = forged.end();
            forged
        })
        .collect();
    assert_eq!(verify(&forged, &rows(), 100, None), [""; 0], "the chain alone is consistent");
    let differs = Finding::SealDiffers { noted: last }.to_string();
    assert_eq!(verify(&forged, &rows(), 100, Some(last)), [differs]);
    let missing = Finding::SealsMissing { numbers: 3..=3 }.to_string();
    assert_eq!(verify(&seals[..2], &rows()[..6], 100, Some(last)), [missing]);
}

#[test]
fn absent_rows_of_detached_partitions_are_counted() {
    let mut verifier = Verifier::new(time(4), None);
    let findings: Vec<Finding> = chain().into_iter().flat_map(|seal| verifier.add_seal(seal)).collect();
    assert_eq!(findings, []);
    assert_eq!(verifier.add_rows(&rows()[4..], 12), [Finding::RowRemoved { id: 5, created_at: time(5) }]);
    assert_eq!((verifier.detached, verifier.intact), (3, 6));
}

#[test]
fn every_field_counts() {
    let seal = &chain()[1];
    let before = chain()[0].hash;
    let mut others = vec![seal.clone(); 7];
    others[0].number += 1;
    others[1].first_id -= 1;
    others[2].last_id += 1;
    others[3].sealed_at = time(99);
    others[4].rows.pop();
    others[5].rows[0].created_at = time(99);
    others[6].rows[0].hash = before;
    for other in others {
        assert_ne!(other.hash_after(&before), seal.hash, "{other:?}");
    }
    assert_ne!(seal.hash_after(&seal.hash), seal.hash);
}

#[test]
fn noted_seals_are_parsed() {
    let noted = NotedSeal { number: 7, hash: Hash::of_row("x") };
    assert_eq!(noted.to_string().parse(), Ok(noted));
    let short = format!("7:{}", "a".repeat(63));
    let signed = format!("7:{}", "+1".repeat(32));
    for wrong in ["", "7", "7:", ":ab", &short, &signed, &noted.to_string().replace("7:", "0:")] {
        assert!(wrong.parse::<NotedSeal>().is_err(), "{wrong}");
    }
}
