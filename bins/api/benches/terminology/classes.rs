//! Queries that are measured.

/// Queries of one kind.
pub(crate) struct Class {
    pub(crate) name: &'static str,
    pub(crate) queries: &'static [&'static str],
}

/// Fifty queries in five classes.
pub(crate) const CLASSES: [Class; 5] = [
    Class {
        name: "code",
        queries: &["E11", "S72001A", "s72.0", "I10", "A00", "Z23", "M54.5", "J45", "t36", "O60.12X5"],
    },
    Class {
        name: "frequent word",
        queries: &[
            "fracture",
            "initial",
            "encounter",
            "left",
            "right",
            "unspecified",
            "injury",
            "subsequent",
            "displaced",
            "accident",
        ],
    },
    Class {
        name: "rare word",
        queries: &[
            "cholera",
            "asthma",
            "hypertension",
            "covid",
            "botulism",
            "migraine",
            "scoliosis",
            "leprosy",
            "gout",
            "tetanus",
        ],
    },
    Class {
        name: "misspelt",
        queries: &[
            "hypertention",
            "fractur of femor",
            "asthmma",
            "pneumonea",
            "diabetis mellitus",
            "colera",
            "migrane",
            "alergic rhinitis",
            "hnad pain",
            "scolioss",
        ],
    },
    Class {
        name: "several words",
        queries: &[
            "fracture of femur",
            "type 2 diabetes mellitus with hyperglycemia",
            "femur left fracture initial encounter",
            "acute myocardial infarction",
            "chronic kidney disease stage 3",
            "laceration without foreign body of right hand",
            "displaced fracture of neck of left radius, initial encounter for closed fracture",
            "malignant neoplasm of upper lobe, left bronchus",
            "pain in right knee",
            "fracture collision",
        ],
    },
];
