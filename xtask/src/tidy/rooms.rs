//! The rooms of the house: the areas, and by name whatever else a layer holds.

/// What the service is about. Each has a room of its name in every layer that it reaches.
pub(super) const AREAS: [&str; 7] =
    ["keys", "terminology", "practice", "shopping", "jobs", "identity", "audit"];

/// Areas that others may call.
pub(super) const CALLED_BY_OTHERS: [&str; 2] = ["identity", "audit"];

/// Folders whose rooms are areas, or named below.
pub(super) const LAYERS: [&str; 6] = [
    "crates/domain/src",
    "crates/repository/src",
    "crates/repository/tests",
    "crates/services/src",
    "crates/http/src",
    "crates/http/tests",
];

/// Of the layers, those in which an area with tables must have its room.
pub(super) const REQUIRED: [&str; 5] = [
    "crates/domain/src",
    "crates/repository/src",
    "crates/repository/tests",
    "crates/http/src",
    "crates/http/tests",
];

/// A room beside the areas.
#[derive(Debug)]
pub(super) struct Room {
    /// The layer's folder.
    pub(super) layer: &'static str,
    /// The name of its file or folder.
    pub(super) name: &'static str,
    /// Why it belongs to no area.
    pub(super) reason: &'static str,
    /// Whether it may be missing still.
    pub(super) later: bool,
}

const fn room(layer: &'static str, name: &'static str, reason: &'static str) -> Room {
    Room { layer, name, reason, later: false }
}

const fn later(layer: &'static str, name: &'static str, reason: &'static str) -> Room {
    Room { layer, name, reason, later: true }
}

/// The rooms beside the areas. A new one needs a line here, and a reason; a line without its room is a finding.
pub(super) const ROOMS: &[Room] = &[
    room("crates/domain/src", "lib", "lists the rooms"),
    room("crates/domain/src", "invalid", "why a value was refused, in every area's words"),
    room("crates/domain/src", "page", "paging is the same everywhere"),
    room("crates/domain/src", "text", "what text may hold at all"),
    later("crates/domain/src", "money", "amounts of several areas"),
    later("crates/domain/src", "ids", "ids that areas exchange"),
    room("crates/repository/src", "lib", "lists the rooms"),
    room("crates/repository/src", "store", "holds the database for every area"),
    room("crates/repository/src", "error", "the layer's one error"),
    room("crates/repository/src", "cases", "collects the cases of the areas"),
    room("crates/repository/tests", "support", "builders that know tables"),
    room(
        "crates/repository/tests",
        "cases",
        "the cases and the seed of all areas, as verification uses them",
    ),
    room(
        "crates/repository/tests",
        "round_trips",
        "one proxy counts flights for the operations of several areas",
    ),
    room("crates/services/src", "lib", "lists the rooms"),
    room("crates/services/src", "error", "the layer's one error"),
    room("crates/http/src", "lib", "lists the rooms"),
    room("crates/http/src", "envelope", "the form of every answer"),
    room("crates/http/src", "problem", "the only room that knows status codes of failures"),
    room("crates/http/src", "extract", "what every route accepts"),
    room("crates/http/src", "openapi", "describes all routes"),
    room("crates/http/src", "correlation", "ties a request to its log lines"),
    room("crates/http/src", "serve", "the server under the routes"),
    room("crates/http/src", "router", "joins the areas' routes"),
    room("crates/http/src", "route", "how a route is declared, for router and description alike"),
    room("crates/http/src", "access_log", "one log event a request"),
    room("crates/http/src", "health", "liveness and readiness"),
    room("crates/http/src", "state", "what handlers are given"),
    room("crates/http/src", "statements", "how many statements any request sends"),
    room("crates/http/src", "testing", "toy routes for the tests of the rooms above"),
    later("crates/http/src", "console", "the page for operators"),
    room("crates/http/tests", "health", "the room of the same name, over a real server"),
    room("crates/http/tests", "api", "joins the rooms below into one program, which links faster than many"),
    room("crates/http/tests", "inputs", "no input of any area is a failure of the server"),
    room("crates/http/tests", "statements", "no route of any area sends more statements than it declares"),
    room("crates/http/tests", "support", "a server for tests"),
];
