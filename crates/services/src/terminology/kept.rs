//! What is kept of answers, as it stands in Redis. What comes back is parsed as strictly as what a caller sends, so that
//! what somebody else wrote there is a miss.

use super::Found;
use serde::{Deserialize, Serialize};
use steadfast_domain::Invalid;
use steadfast_domain::terminology::{Concept, IcdCode, Match, MatchType, Placed, Relative, Relatives};

/// A code as its stored form.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
struct Code(IcdCode);

impl TryFrom<String> for Code {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        IcdCode::parse("code", &text).map(Self)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.0.as_str().to_owned()
    }
}

/// How a result was found.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    ExactCode,
    TermPrefix,
    Fuzzy,
}

/// One result of a search.
#[derive(Clone, Deserialize, Serialize)]
struct KeptMatch {
    code: Code,
    term: String,
    chapter: String,
    kind: Kind,
    confidence: f64,
}

/// What a search found: whole, for a part is not kept.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct KeptSearch {
    matches: Vec<KeptMatch>,
    total: usize,
}

impl From<Found> for KeptSearch {
    fn from(found: Found) -> Self {
        let matches = found.matches.into_iter().map(KeptMatch::from).collect();
        Self { matches, total: found.total }
    }
}

impl From<KeptSearch> for Found {
    fn from(kept: KeptSearch) -> Self {
        let matches = kept.matches.into_iter().map(Match::from).collect();
        Self { matches, total: kept.total, failed: Vec::new() }
    }
}

impl From<Match> for KeptMatch {
    fn from(found: Match) -> Self {
        let Match { code, term, chapter, match_type, confidence } = found;
        let kind = match match_type {
            MatchType::ExactCode => Kind::ExactCode,
            MatchType::TermPrefix => Kind::TermPrefix,
            MatchType::Fuzzy => Kind::Fuzzy,
        };
        Self { code: Code(code), term, chapter, kind, confidence }
    }
}

impl From<KeptMatch> for Match {
    fn from(kept: KeptMatch) -> Self {
        let KeptMatch { code: Code(code), term, chapter, kind, confidence } = kept;
        let match_type = match kind {
            Kind::ExactCode => MatchType::ExactCode,
            Kind::TermPrefix => MatchType::TermPrefix,
            Kind::Fuzzy => MatchType::Fuzzy,
        };
        Self { code, term, chapter, match_type, confidence }
    }
}

/// One code by itself.
#[derive(Clone, Deserialize, Serialize)]
struct KeptConcept {
    code: Code,
    term: String,
    chapter: String,
    parent_code: Option<Code>,
    active: bool,
    billable: bool,
}

impl From<Concept> for KeptConcept {
    fn from(concept: Concept) -> Self {
        let Concept { code, term, chapter, parent_code, active, billable } = concept;
        Self { code: Code(code), term, chapter, parent_code: parent_code.map(Code), active, billable }
    }
}

impl From<KeptConcept> for Concept {
    fn from(kept: KeptConcept) -> Self {
        let KeptConcept { code: Code(code), term, chapter, parent_code, active, billable } = kept;
        Self { code, term, chapter, parent_code: parent_code.map(|Code(code)| code), active, billable }
    }
}

/// A code or that there is none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "Option<KeptConcept>", into = "Option<KeptConcept>")]
pub(super) struct Details(pub(super) Option<Concept>);

impl From<Details> for Option<KeptConcept> {
    fn from(details: Details) -> Self {
        details.0.map(KeptConcept::from)
    }
}

impl From<Option<KeptConcept>> for Details {
    fn from(kept: Option<KeptConcept>) -> Self {
        Self(kept.map(Concept::from))
    }
}

/// A relative of a code.
#[derive(Clone, Deserialize, Serialize)]
struct KeptRelative {
    code: Code,
    term: String,
}

/// Some relatives, and how many there are.
#[derive(Clone, Deserialize, Serialize)]
struct KeptRelatives {
    shown: Vec<KeptRelative>,
    total: i64,
}

/// A code with its place in the tree.
#[derive(Clone, Deserialize, Serialize)]
struct KeptPlace {
    concept: KeptConcept,
    parents: Vec<KeptRelative>,
    children: KeptRelatives,
    siblings: KeptRelatives,
}

fn kept(relatives: Vec<Relative>) -> Vec<KeptRelative> {
    relatives.into_iter().map(|Relative { code, term }| KeptRelative { code: Code(code), term }).collect()
}

fn relatives(kept: Vec<KeptRelative>) -> Vec<Relative> {
    kept.into_iter().map(|KeptRelative { code: Code(code), term }| Relative { code, term }).collect()
}

impl From<Relatives> for KeptRelatives {
    fn from(Relatives { shown, total }: Relatives) -> Self {
        Self { shown: kept(shown), total }
    }
}

impl From<KeptRelatives> for Relatives {
    fn from(KeptRelatives { shown, total }: KeptRelatives) -> Self {
        Self { shown: relatives(shown), total }
    }
}

/// A code with its place in the tree, or that there is none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "Option<KeptPlace>", into = "Option<KeptPlace>")]
pub(super) struct Hierarchy(pub(super) Option<Placed>);

impl From<Hierarchy> for Option<KeptPlace> {
    fn from(hierarchy: Hierarchy) -> Self {
        let Placed { concept, parents, children, siblings } = hierarchy.0?;
        let (children, siblings) = (children.into(), siblings.into());
        Some(KeptPlace { concept: concept.into(), parents: kept(parents), children, siblings })
    }
}

impl From<Option<KeptPlace>> for Hierarchy {
    fn from(kept: Option<KeptPlace>) -> Self {
        Self(kept.map(|KeptPlace { concept, parents, children, siblings }| {
            let (children, siblings) = (children.into(), siblings.into());
            Placed { concept: concept.into(), parents: relatives(parents), children, siblings }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relatives_of(codes: &[&str]) -> Vec<Relative> {
        let code = |text: &&str| IcdCode::parse("code", text).expect("a code");
        codes.iter().map(|text| Relative { code: code(text), term: (*text).to_owned() }).collect()
    }

    fn there_and_back<T: Serialize + for<'a> Deserialize<'a>>(value: &T) -> T {
        serde_json::from_slice(&serde_json::to_vec(value).expect("JSON")).expect("the same")
    }

    #[test]
    fn what_was_kept_is_what_comes_back() {
        let [concept_code, parent] =
            ["E119", "E11"].map(|code| IcdCode::parse("code", code).expect("a code"));
        let (term, chapter) = (String::from("Type 2 \u{201c}diabetes\u{201d}"), String::from("4 Endocrine"));
        let find = |match_type, confidence| {
            let (code, term, chapter) = (concept_code.clone(), term.clone(), chapter.clone());
            Match { code, term, chapter, match_type, confidence }
        };
        let matches = vec![
            find(MatchType::ExactCode, 1.0),
            find(MatchType::TermPrefix, 0.9),
            find(MatchType::Fuzzy, 0.6),
        ];
        let found = Found { matches, total: 31, failed: Vec::new() };
        assert_eq!(there_and_back(&found), found);
        let concept = Concept {
            code: concept_code.clone(),
            term: term.clone(),
            chapter: chapter.clone(),
            parent_code: Some(parent),
            active: false,
            billable: true,
        };
        let children = Relatives { shown: relatives_of(&["E1191", "E1192"]), total: 25 };
        let siblings = Relatives { shown: Vec::new(), total: 0 };
        let placed = Placed { concept: concept.clone(), parents: relatives_of(&["E11"]), children, siblings };
        for (details, hierarchy) in
            [(Details(Some(concept)), Hierarchy(Some(placed))), (Details(None), Hierarchy(None))]
        {
            assert_eq!(there_and_back(&details), details);
            assert_eq!(there_and_back(&hierarchy), hierarchy);
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let kept = r#"{"matches":[{"code":"E11","term":"","chapter":"","kind":"fuzzy","confidence":0.4}],"total":1}"#;
        assert!(serde_json::from_str::<Found>(kept).is_ok());
        for (good, bad) in
            [("E11", "E 11"), ("fuzzy", "guessed"), ("0.4", "null"), ("\"total\":1", "\"total\":-1")]
        {
            assert!(serde_json::from_str::<Found>(&kept.replace(good, bad)).is_err(), "{bad}");
        }
    }
}
