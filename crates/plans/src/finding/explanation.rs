//! Explanations of the rules, for `--explain`.

use super::{Rule, WIDTH, wrapped};
use std::fmt;

/// Explanation of a rule. `to_string` is the text that `--explain` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Requirement of the rule.
    pub meaning: &'static str,
    /// Reason for the rule.
    pub reason: &'static str,
    /// Example of a fault.
    pub example: &'static str,
    /// Suggested repair, the statement first.
    pub remedy: &'static str,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { meaning, reason, example, remedy } = self;
        let labels = [("", meaning), ("Why: ", reason), ("Example: ", example), ("What to do: ", remedy)];
        let paragraphs = labels.map(|(label, text)| wrapped(&format!("{label}{text}"), WIDTH).join("\n"));
        f.write_str(&paragraphs.join("\n\n"))
    }
}

impl Rule {
    /// Returns the explanation of the rule.
    pub const fn explanation(self) -> Explanation {
        match self {
            Self::Unserved => UNSERVED,
            Self::Undeclared => UNDECLARED,
            Self::Unclaimed => UNCLAIMED,
            Self::Wasteful => WASTEFUL,
            Self::Unbounded => UNBOUNDED,
            Self::Repeated => REPEATED,
            Self::Branch => BRANCH,
            Self::Unproven => UNPROVEN,
            Self::Unseeded => UNSEEDED,
            Self::GenericPlan => GENERIC_PLAN,
            Self::Growth => GROWTH,
            Self::Replay => REPLAY,
            Self::Budget => BUDGET,
            Self::UnstablePlan => UNSTABLE_PLAN,
            Self::Coverage => COVERAGE,
            Self::Unneeded => UNNEEDED,
            Self::Survived => SURVIVED,
            Self::Catalogue => CATALOGUE,
        }
    }
}

const UNSERVED: Explanation = Explanation {
    meaning: "\
A statement reads a whole table of more than 8 pages, or a whole index without a condition on its keys. Foreign keys
and triggers count as well.",
    reason: "\
The time of such a statement grows with the table. It is fast in every test and slow in production.",
    example: "\
`SELECT * FROM sightings WHERE lower(observer) = $1` with an index on (observer): the function hides the column, and
the whole of sightings is read.",
    remedy: "\
Look at the condition of the statement first: does it name the leading columns of an existing index, without a function
or a cast around them? Only if the statement is right and no index fits, add one. If the whole table is needed, as for
an export, declare `reads(All, reason)`.",
};

const UNDECLARED: Explanation = Explanation {
    meaning: "\
A statement uses an index that its operation names neither in `served_by` nor in `supports_fk`.",
    reason: "\
The list is complete, so that a changed plan becomes visible. If another index is used, the statement has usually lost
the condition that the declared one serves.",
    example: "\
`stars.brightest` declares stars_brightness (constellation_id, magnitude). After its ORDER BY was removed, the planner
uses stars_constellation instead.",
    remedy: "\
Look at the statement first: why does it not use the declared index? Only if the other index is right for what the
statement is meant to do, name it in the operation.",
};

const UNCLAIMED: Explanation = Explanation {
    meaning: "\
An operation declares an index that none of its cases uses.",
    reason: "\
Either the statement no longer uses the index, or no case covers the branch that needs it. In both cases the
declaration proves nothing.",
    example: "\
`books.search` declares books_blocked, and no case searches for blocked books.",
    remedy: "\
Look at the statement first: did it use the index before? If so, restore that. If a branch needs the index, add the
case that covers the branch. Only if neither applies, remove the index from the list.",
};

const WASTEFUL: Explanation = Explanation {
    meaning: "\
A scan throws away more than 100 rows, and more than 10 for each row that is returned or changed; or a sort goes to
disk; or an index-only scan visits the table.",
    reason: "\
Rows that are read and thrown away are work that no caller asked for, and their number grows with the data.",
    example: "\
`WHERE author_id = $1 AND is_lent` with an index on (author_id): of 401 books of an author one is lent, and 400 are
thrown away.",
    remedy: "\
Look at the statement first: does it filter by a condition that no index has, or sort more than it returns? Only if
that is what it is meant to do, add the condition to an index or declare `reads(PerMatch(limit), reason)`.",
};

const UNBOUNDED: Explanation = Explanation {
    meaning: "\
A statement scans, joins, skips or writes more than 200 rows, and more than 10 for each row that it returns or changes,
and declares no higher bound by `reads`. Rows that foreign keys and triggers write count as well.",
    reason: "\
Only the rows that a statement returns or changes justify its work. Rows that it merely reads do not.",
    example: "\
`SELECT * FROM books WHERE author_id = $1 ORDER BY price LIMIT 20` with an index on (author_id): all books of the
author are sorted for 20 of them. Other examples are `OFFSET 3000`, an exact count of a frequent key, a join without an
equality, and a DELETE that cascades to thousands of rows.",
    remedy: "\
Look at the statement first: continue after the last row instead of skipping rows, count up to a limit, join by an
equality, order by the next columns of the index. Only if the statement is right, add an index with that order, or
declare `reads(UpTo(rows), reason)` or `reads(PerMatch(limit), reason)`.",
};

const REPEATED: Explanation = Explanation {
    meaning: "\
A case sends one statement more than twice, and its operation declares no batch.",
    reason: "\
A loop that sends a statement for each row grows with the data, however fast each statement is.",
    example: "\
`SELECT name FROM authors WHERE id = $1`, sent once for each book of a page.",
    remedy: "\
Send the statement once for all of its values, e.g. with `= ANY($1)` or a join. Only if it is meant to be sent in
batches, declare `batch(at_most, reason)`.",
};

const BRANCH: Explanation = Explanation {
    meaning: "\
No case covers a branch of a statement: a parameter is NULL in every case, its values never or always find something,
or a LIMIT is never or always reached.",
    reason: "\
Each branch has its own plan and may send its own statements. What no case sends is not verified.",
    example: "\
An optional filter that no case sets, or a second statement that is sent only if the first one finds something, which
it does in no case.",
    remedy: "\
Add a case that sends the statement with such values.",
};

const UNPROVEN: Explanation = Explanation {
    meaning: "\
An operation declares a budget of statements that no case uses up, or a `reads` that no case needs or comes close to.",
    reason: "\
A bound that is wider than the work hides the next fault.",
    example: "\
`statements(5)` for an operation that sends two in every case, or `reads(All, reason)` from the time before there was
an index.",
    remedy: "\
Add the case that sends the other statements or reads as much as declared. If there is none, lower or remove the bound.",
};

const UNSEEDED: Explanation = Explanation {
    meaning: "\
A table that an operation reads has at most 8 pages at the larger size and is not declared small, or has more rows than
its declaration says.",
    reason: "\
Every plan is good on a table of a few pages, so reading it proves nothing.",
    example: "\
A new table without seed data: its missing index is found in production.",
    remedy: "\
Seed the table. If it is always small, declare it small with its maximum number of rows and the reason.",
};

const GENERIC_PLAN: Explanation = Explanation {
    meaning: "\
After some executions of a prepared statement the server changes to one generic plan for all values, and that plan
breaks another rule in a case.",
    reason: "\
Tests send a statement once or twice and never meet this plan. Production meets it from the sixth execution on.",
    example: "\
`WHERE state = $1` with an index `WHERE state = 'candidate'`: a generic plan cannot use the partial index.",
    remedy: "\
Look at the statement first: does it bind a value where the predicate of a partial index has a constant, or switch a
condition on and off by a NULL? Write the constant as literal SQL, and send one statement for each form.",
};

const GROWTH: Explanation = Explanation {
    meaning: "\
At ten times the data a statement reads more pages than its bound: 1.5 times as many, 8 more, and 4 in each of its
tables for each additional row that it returns or changes, unless it declares more by `reads`. With `Reads::All` and
`Reads::PostingLists` its work must still grow no faster than the data.",
    reason: "\
Work that grows with the table exceeds every deadline one day. Pages are counted because they are the same on every
machine.",
    example: "\
An exact `count(*)` of all books of a publisher: 260 pages today, 2,560 at ten times the data.",
    remedy: "\
Look at the statement first: is it bounded by LIMIT and by conditions that an index looks up? Only if its work is meant
to grow, declare by how much and why: `reads(PerMatch(limit), reason)`.",
};

const REPLAY: Explanation = Explanation {
    meaning: "\
The replay of a captured statement returned other rows than the program received, or was rejected, or the capture is
incomplete.",
    reason: "\
A plan is evidence only if it belongs to the statement that the program really sent, on the same data.",
    example: "\
A statement that draws random ids in the database, or `SELECT ... ORDER BY random()`.",
    remedy: "\
Make the statement repeatable: pass ids and times as values, send one statement per message, await every answer, and
build both copies from the same data.",
};

const BUDGET: Explanation = Explanation {
    meaning: "\
A case sends more statements than its operation declares, their number differs between the two sizes of the data, or
more than 10 are declared without a batch and its reason.",
    reason: "\
One statement for each row is invisible with ten rows and takes seconds with ten thousand.",
    example: "\
A loop that loads the author of each book separately: 44 statements at the smaller size, 143 at the larger one.",
    remedy: "\
Look for the statement that is sent repeatedly and fetch its rows with one statement, e.g. with `= ANY($1)`. Only if
all statements are needed, raise `statements(n)`.",
};

const UNSTABLE_PLAN: Explanation = Explanation {
    meaning: "\
After another ANALYZE of the same data a statement uses another index, or breaks a rule that it did not break before.",
    reason: "\
Two plans have nearly the same estimated cost, so chance decides which one production uses.",
    example: "\
`WHERE shelf = $1 AND blocked ORDER BY id LIMIT 50`, for which the planner uses (shelf) in one sample and the primary
key in the next.",
    remedy: "\
Rewrite the statement so that one plan is clearly best. Only if that is impossible, raise the statistics target of the
column or create extended statistics.",
};

const COVERAGE: Explanation = Explanation {
    meaning: "\
The tests sent a statement that no case sends, or sent one with a combination of NULL parameters that no case sends; or
an operation has no case.",
    reason: "\
What no case sends is not verified, however good the rest is.",
    example: "\
A filter that only one test sets, or a query that a service sends outside of any operation.",
    remedy: "\
Move the statement into an operation if it has none, and add a case that sends it. If it is not needed, delete it.",
};

const UNNEEDED: Explanation = Explanation {
    meaning: "\
No case, constraint, foreign key or document needs the index, or every statement that uses it is nearly as fast without
it.",
    reason: "\
Each index costs space and a part of every write.",
    example: "\
stars_state (state), if all queries also name a constellation.",
    remedy: "\
Find the statement that the index was created for. If it no longer uses the index, that is the fault. If no case sends
it, add the case. Only if no such statement exists, drop the index.",
};

const SURVIVED: Explanation = Explanation {
    meaning: "\
With `--mutate`, an index was dropped or changed, and no case noticed or no case uses its table.",
    reason: "\
If a change of the index goes unnoticed, so does a change of the statement that depends on it.",
    example: "\
`swap books_by_author: id before author_id` reads as much as before, because every case searches for an author with few
books.",
    remedy: "\
Find the statement that needs the index in this form, and add a case that shows it. Only if there is none, simplify the
index.",
};

const CATALOGUE: Explanation = Explanation {
    meaning: "\
The schema has a fault that shows without any query: a duplicate or invalid index, a foreign key without an index, a
table without a primary key, a constraint that is NOT VALID, a timestamp without time zone, and others.",
    reason: "\
Each of them costs time, space or correctness in any schema.",
    example: "\
`CREATE INDEX a ON trees (height)` and `CREATE INDEX b ON trees (height, girth)`: b does the work of a.",
    remedy: "\
Find the statements that the change affects, then write a migration. Before an index is dropped or created, look at the
statement that needs it.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_120_columns() {
        for rule in Rule::all() {
            let text = rule.explanation().to_string();
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(120), "{rule}: {longest:?}");
        }
    }

    #[test]
    fn remedies_suspect_the_statement_first() {
        for rule in Rule::all() {
            crate::finding::suspect::assert_suspects_statement(rule.explanation().remedy);
        }
    }
}
