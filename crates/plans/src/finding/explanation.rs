//! Explanations of the rules, for `--explain`.

use super::{Rule, WIDTH, wrapped};
use std::fmt;

/// Explanation of a rule. `to_string` is the text that `--explain` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What the rule requires.
    pub meaning: &'static str,
    /// Reason for the rule.
    pub reason: &'static str,
    /// Example of a fault.
    pub example: &'static str,
    /// What to do about a finding, the statement first.
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
A statement reads a table of more than 8 pages as a whole, or walks through an index without a condition on it, also
behind a foreign key.",
    reason: "\
The time of such a statement grows with the table. It is fast in every test and slow in production.",
    example: "\
`SELECT * FROM sightings WHERE lower(observer) = $1` with an index on (observer): the function hides the column, and
all of sightings is read.",
    remedy: "\
Look at the condition of the statement first: does it name the leading columns of an existing index, without a function
or a cast around them? Only if the statement is right and no index fits, add one. If all of the table is wanted, as by
an export, declare `reads(All, reason)`.",
};

const UNDECLARED: Explanation = Explanation {
    meaning: "\
A statement uses an index that its operation names neither in `served_by` nor in `supports_fk`.",
    reason: "\
The list is closed so that a changed plan shows. Where another index steps in, the statement has usually lost the
condition that the declared one served.",
    example: "\
`stars.brightest` declares stars_brightness (constellation_id, magnitude). After its ORDER BY was removed, the planner
takes stars_constellation instead.",
    remedy: "\
Look at the statement first: why does it not take the declared index? Only if the other index is the right one for what
the statement is meant to do, name it in the operation.",
};

const UNCLAIMED: Explanation = Explanation {
    meaning: "\
An operation declares an index that none of its cases uses.",
    reason: "\
Either the statement has lost the index, or no case reaches the branch that needs it. In both cases the declaration
proves nothing.",
    example: "\
`books.search` declares books_blocked, and no case asks for blocked books.",
    remedy: "\
Look at the statement first: did it use the index before? If so, restore that. If a branch needs the index, add the case
that reaches the branch. Only if neither is so, take the index off the list.",
};

const WASTEFUL: Explanation = Explanation {
    meaning: "\
A scan reads more than 100 rows, and more than 10 for each row that stays, to throw them away; or a sort goes to disk;
or an index-only scan visits the table.",
    reason: "\
Rows that are read and thrown away are work that no caller asked for, and their number grows with the data.",
    example: "\
`WHERE author_id = $1 AND is_lent` with an index on (author_id): of 401 books of an author one is lent, and 400 are
thrown away.",
    remedy: "\
Look at the statement first: does it select by a condition that no index has, or sort more than it returns? Only if that
is what it is meant to do, add the condition to an index or declare `reads(PerMatch(limit), reason)`.",
};

const UNBOUNDED: Explanation = Explanation {
    meaning: "\
A statement scans, joins, skips or writes more than 200 rows, and more than 10 for each row that it returns or changes,
unless it declares more by `reads`. Rows that foreign keys and triggers write behind it count as well.",
    reason: "\
What a statement reads gives it no right to read: only what it returns or changes can justify its work.",
    example: "\
`SELECT * FROM books WHERE author_id = $1 ORDER BY price LIMIT 20` with an index on (author_id): all books of the author
are sorted for 20 of them. Other examples are `OFFSET 3000`, an exact count of a heavy key, a join without an equality,
and a DELETE that cascades to thousands of rows.",
    remedy: "\
Look at the statement first: continue after the last row instead of skipping, count up to a limit, join by an equality,
order by what the index continues with. Only if the statement is right, add an index with the order, or declare
`reads(UpTo(rows), reason)` or `reads(PerMatch(limit), reason)`.",
};

const REPEATED: Explanation = Explanation {
    meaning: "\
A case sends one statement more than twice, and its operation declares no batch.",
    reason: "\
A loop over rows that sends a statement for each of them grows with the data, however fast each one is.",
    example: "\
`SELECT name FROM authors WHERE id = $1`, sent once for each book of a page.",
    remedy: "\
Send the statement once for all of its values, e.g. by `= ANY($1)` or by a join. Only if it is meant to be sent in
batches, declare `batch(at_most, reason)`.",
};

const BRANCH: Explanation = Explanation {
    meaning: "\
No case shows a branch of a statement: a parameter that is NULL in every case, values that never find something or always
do, a LIMIT that is never reached or always.",
    reason: "\
Each of these has its own plan and its own statements behind it. What no case sends is not verified.",
    example: "\
An optional filter that no case sets, or a second statement that is sent only if the first one finds something, and no case
lets it.",
    remedy: "\
Add a case that sends the statement with such values.",
};

const UNPROVEN: Explanation = Explanation {
    meaning: "\
An operation declares a budget of statements that no case uses up, or a `reads` that no case needs or comes near to.",
    reason: "\
A bound that is wider than the work hides the next fault.",
    example: "\
`statements(5)` for an operation that sends two in every case, or `reads(All, reason)` from the time before it had an
index.",
    remedy: "\
Add the case that sends the other statements or reads as much as declared. If there is none, lower or remove the bound.",
};

const UNSEEDED: Explanation = Explanation {
    meaning: "\
A table that an operation reads has at most 8 pages at the larger size and is not declared small, or has more rows than
its declaration says.",
    reason: "\
Every plan is good on a table of a few pages, so nothing is proven by reading it.",
    example: "\
A new table that nobody seeds: its missing index is found in production.",
    remedy: "\
Seed the table. If it is small by its nature, declare it small with its maximum number of rows and the reason.",
};

const GENERIC_PLAN: Explanation = Explanation {
    meaning: "\
After some runs of a prepared statement the server changes to one plan for all values, and that plan breaks another rule
in a case.",
    reason: "\
Tests send a statement once or twice and never meet this plan. Production meets it from the sixth execution on.",
    example: "\
`WHERE state = $1` with an index `WHERE state = 'candidate'`: a plan for all values cannot use the partial index.",
    remedy: "\
Look at the statement first: does it bind a value where the predicate of a partial index has a constant, or switch a
condition on and off by a NULL? Write the constant as literal SQL, and send one statement for each form.",
};

const GROWTH: Explanation = Explanation {
    meaning: "\
At ten times the data a statement touches more pages than its bound: 1.5 times as many, 8, and 4 for each row more that
it returns or changes in each of its tables, unless it declares more by `reads`. With `Reads::All` and `Reads::Lists` its
work must still grow no faster than the data.",
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
The replay of a captured statement returned other rows than the program got, was refused, or the capture has gaps.",
    reason: "\
A plan is only evidence if it comes from the statement that the program really sent, on the same data.",
    example: "\
A statement that draws random ids in the database, or `SELECT ... ORDER BY random()`.",
    remedy: "\
Make the statement repeatable: pass ids and times as values, send one statement per message, wait for every answer, and
build both clones from the same data.",
};

const BUDGET: Explanation = Explanation {
    meaning: "\
A case sends more statements than its operation declares, their number differs between the two sizes of the data, or more
than 10 are declared without a batch and its reason.",
    reason: "\
One statement for each row is invisible with ten rows and takes seconds with ten thousand.",
    example: "\
A loop that loads the author of each book by itself: 44 statements at the smaller size, 143 at the larger one.",
    remedy: "\
Look for the statement that is sent repeatedly and fetch its rows in one statement, e.g. by `= ANY($1)`. Only if each of
the statements is needed, raise `statements(n)`.",
};

const UNSTABLE_PLAN: Explanation = Explanation {
    meaning: "\
After another ANALYZE of the same data a statement takes another index, or breaks a rule that it did not break before.",
    reason: "\
Two plans cost nearly the same, so chance decides which one production has.",
    example: "\
`WHERE shelf = $1 AND blocked ORDER BY id LIMIT 50`, which the planner serves by (shelf) in one sample and by the
primary key in the next.",
    remedy: "\
Rewrite the statement so that one plan is clearly best. Only if it cannot be written otherwise, raise the statistics
target of the column or create extended statistics.",
};

const COVERAGE: Explanation = Explanation {
    meaning: "\
The tests sent a statement that no case of any operation sends, or one with parameters NULL that no case sends as NULL
together.",
    reason: "\
What no case sends is not verified, however good the rest is.",
    example: "\
A filter that only one test sets, or a query that a service sends without an operation.",
    remedy: "\
Move the statement into an operation if it has none, and add a case that sends it. If nobody needs it, delete it.",
};

const UNNEEDED: Explanation = Explanation {
    meaning: "\
No case, constraint, foreign key or document needs the index, or every statement that uses it does nearly as well
without it.",
    reason: "\
Each index costs space and a part of every write.",
    example: "\
stars_state (state) beside queries that always ask for a constellation as well.",
    remedy: "\
Find the statement that the index was made for. If it no longer uses the index, that is the fault. If no case reaches
it, add the case. Only if no such statement exists, drop the index.",
};

const SURVIVED: Explanation = Explanation {
    meaning: "\
With `--mutate`, an index was dropped or changed, and no case noticed, or no case touches its table.",
    reason: "\
If a change of the index goes unnoticed, so would a change of the statement that relies on it.",
    example: "\
`swap books_by_author: id before author_id` reads as much as before, because every case asks for an author with few
books.",
    remedy: "\
Find the statement that needs the index as it is, and add a case that shows it. Only if no statement does, take the
simpler index.",
};

const CATALOGUE: Explanation = Explanation {
    meaning: "\
The schema has a fault that shows without any query: a duplicate or invalid index, a foreign key without an index, a
table without a primary key, a constraint that is NOT VALID, a time without zone, and others.",
    reason: "\
Each of them costs time, space or correctness whatever the schema is for.",
    example: "\
`CREATE INDEX a ON trees (height)` beside `CREATE INDEX b ON trees (height, girth)`: b does the work of a.",
    remedy: "\
Find the statements that the change concerns, then write a migration. Before an index is dropped or created, look at the
statement that it is for.",
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
