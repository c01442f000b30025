//! The one table of what the service can be asked: which path, by which
//! methods, leads to which endpoint, and on which address. Finding a request's
//! endpoint, 404 and 405 follow from it. Does not own what an endpoint does (`dispatch` and the files
//! of the handlers).

use warp::http::Method;

/// What a route leads to: each has one handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Takes messages in.
    PostMessages,
    /// Launched rockets, filtered, sorted and paged.
    ListRockets,
    /// One launched rocket.
    GetRocket,
    /// Forgets a rocket.
    DeleteRocket,
    /// What the last messages of one rocket changed.
    GetHistory,
    /// The names of the missions in use, or their figures.
    ListMissions,
    /// The rockets on one mission.
    GetMission,
    /// Rockets that wait for a missing message.
    ListGaps,
    /// Declares lost what a rocket waits for.
    SkipGap,
    /// What changes, as it changes.
    GetEvents,
    /// What a node of a cluster has stored, for another one.
    GetCheckpoint,
    /// Whether the service can serve.
    GetReadiness,
    /// Whether the process moves.
    GetLiveness,
    /// The service's figures.
    GetMetrics,
    /// What the service says of itself, for programs.
    GetOpenApi,
    /// The same as a page.
    GetDocs,
    /// What that page is made of.
    GetDocsFile,
    /// What there is to ask for; for browsers the page.
    GetIndex,
    /// A file of the page.
    GetPageFile,
}

impl Endpoint {
    /// Whether its answer is made of what the fleet is now.
    #[must_use]
    pub const fn reads_the_fleet(self) -> bool {
        matches!(
            self,
            Self::ListRockets
                | Self::GetRocket
                | Self::DeleteRocket
                | Self::GetHistory
                | Self::ListMissions
                | Self::GetMission
                | Self::ListGaps
                | Self::SkipGap
        )
    }
}

/// What a token is good for (`access`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// To send messages.
    Ingest,
    /// To read the fleet.
    Read,
    /// To decide about the fleet. Not needed on an address for operators.
    Operate,
    /// No token is needed: it tells nothing of the fleet.
    Open,
}

/// Whom an endpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Senders and readers.
    Clients,
    /// Those who run the service, and their probes.
    Operators,
    /// Both.
    All,
}

/// On which side of the service a listener stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The only one there is: it has everything.
    Only,
    /// The main one, beside one for operators.
    Main,
    /// The one for operators, `--admin-listen`.
    Admin,
}

impl Side {
    /// Whether an endpoint for these can be found here.
    #[must_use]
    pub fn has(self, audience: For) -> bool {
        match self {
            Self::Only => true,
            Self::Main => audience != For::Operators,
            Self::Admin => audience != For::Clients,
        }
    }

    /// All routes that can be found here.
    pub fn routes(self) -> impl Iterator<Item = &'static Route> {
        ROUTES.iter().filter(move |route| self.has(route.audience))
    }
}

/// A line of the table.
#[derive(Debug)]
pub struct Route {
    /// With a name in braces for a segment that may be any but the empty one;
    /// at most one of them.
    pub path: &'static str,
    /// What the path allows here; 405 for any other, unless another line has it.
    pub methods: &'static [Method],
    /// Where these methods lead.
    pub endpoint: Endpoint,
    /// Whom it is for, and so on which side it stands.
    pub audience: For,
    /// What its token must be good for.
    pub scope: Scope,
}

impl Route {
    const fn new(
        path: &'static str,
        methods: &'static [Method],
        endpoint: Endpoint,
        audience: For,
        scope: Scope,
    ) -> Self {
        Self { path, methods, endpoint, audience, scope }
    }
}

const READ: &[Method] = &[Method::GET, Method::HEAD];

/// Every route; no request has two.
pub const ROUTES: &[Route] = &[
    Route::new("/messages", &[Method::POST], Endpoint::PostMessages, For::Clients, Scope::Ingest),
    Route::new("/rockets", READ, Endpoint::ListRockets, For::Clients, Scope::Read),
    Route::new("/rockets/{id}", READ, Endpoint::GetRocket, For::Clients, Scope::Read),
    Route::new(
        "/rockets/{id}",
        &[Method::DELETE],
        Endpoint::DeleteRocket,
        For::Operators,
        Scope::Operate,
    ),
    Route::new("/rockets/{id}/history", READ, Endpoint::GetHistory, For::Clients, Scope::Read),
    Route::new("/missions", READ, Endpoint::ListMissions, For::Clients, Scope::Read),
    Route::new("/missions/{mission}", READ, Endpoint::GetMission, For::Clients, Scope::Read),
    Route::new("/gaps", READ, Endpoint::ListGaps, For::All, Scope::Read),
    Route::new(
        "/gaps/{id}/skip",
        &[Method::POST],
        Endpoint::SkipGap,
        For::Operators,
        Scope::Operate,
    ),
    Route::new("/events", READ, Endpoint::GetEvents, For::Clients, Scope::Read),
    Route::new(
        "/cluster/checkpoint",
        &[Method::GET],
        Endpoint::GetCheckpoint,
        For::Operators,
        Scope::Operate,
    ),
    Route::new("/readyz", READ, Endpoint::GetReadiness, For::Operators, Scope::Open),
    Route::new("/livez", READ, Endpoint::GetLiveness, For::Operators, Scope::Open),
    // What probes asked for before the two above were told apart.
    Route::new("/healthz", READ, Endpoint::GetLiveness, For::Operators, Scope::Open),
    Route::new("/metrics", READ, Endpoint::GetMetrics, For::Operators, Scope::Open),
    // The page is the same for everybody; what it shows is asked for with a token.
    Route::new("/ui/{file}", READ, Endpoint::GetPageFile, For::Clients, Scope::Open),
    Route::new("/openapi.json", READ, Endpoint::GetOpenApi, For::All, Scope::Open),
    Route::new("/docs", READ, Endpoint::GetDocs, For::All, Scope::Open),
    Route::new("/docs/{file}", READ, Endpoint::GetDocsFile, For::All, Scope::Open),
    Route::new("/", READ, Endpoint::GetIndex, For::All, Scope::Open),
];

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Where these methods lead.
    pub endpoint: Endpoint,
    /// What its token must be good for.
    pub scope: Scope,
    /// The segment that stands for the name in braces, as it came; empty if the
    /// route has none.
    pub segment: &'a str,
    /// Whether the path ends in a slash, for what refers to what is beside it.
    pub has_slash: bool,
}

/// Why a request leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No route has this path.
    UnknownPath,
    /// Something is there, and allows only these methods.
    WrongMethod(Vec<&'static Method>),
}

/// What a request's token must be good for on this side; none where no route is.
#[must_use]
pub fn scope(side: Side, method: &Method, path: &str) -> Option<Scope> {
    // To take paths apart costs more than all else that is done about a token.
    let hot = &ROUTES[0];
    if path == hot.path && hot.methods.contains(method) && side.has(hot.audience) {
        return Some(hot.scope);
    }
    find(side, method, path).ok().map(|found| found.scope)
}

/// Finds what a request is for on this side.
///
/// # Errors
/// When no route has this path, or none that has it this method.
pub fn find<'a>(side: Side, method: &Method, path: &'a str) -> Result<Found<'a>, NoRoute> {
    let mut allowed = Vec::new();
    for Route { path: pattern, methods, endpoint, scope, .. } in side.routes() {
        let Some(segment) = matched(pattern, path) else { continue };
        if methods.contains(method) {
            let has_slash = path.ends_with('/');
            return Ok(Found { endpoint: *endpoint, scope: *scope, segment, has_slash });
        }
        allowed.extend(*methods);
    }
    Err(if allowed.is_empty() { NoRoute::UnknownPath } else { NoRoute::WrongMethod(allowed) })
}

/// What `path` has in place of the name in braces, empty if `pattern` has none;
/// `None` if it is not of this pattern.
fn matched<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    if pattern == "/" {
        // No slash of it belongs to no segment.
        return (path == "/").then_some("");
    }
    let mut given = segments(path);
    let mut named = "";
    for expected in segments(pattern) {
        let segment = given.next()?;
        if is_name(expected) && !segment.is_empty() {
            named = segment;
        } else if expected != segment {
            return None;
        }
    }
    given.next().is_none().then_some(named)
}

/// One slash in front belongs to no segment, nor does one at the end: as warp
/// has it, which finds the hot route.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    inner.strip_suffix('/').unwrap_or(inner).split('/')
}

fn is_name(segment: &str) -> bool {
    segment.starts_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path of the route, and what stands for the name in it.
    fn example(route: &Route) -> (String, &'static str) {
        match route.path.split_once('{') {
            Some((before, name)) => {
                let (_, after) = name.split_once('}').expect("a closing brace");
                (format!("{before}x%2Fy{after}"), "x%2Fy")
            }
            None => (route.path.to_owned(), ""),
        }
    }

    fn overlap(one: &Route, other: &Route) -> bool {
        let (ones, others): (Vec<_>, Vec<_>) =
            (segments(one.path).collect(), segments(other.path).collect());
        let same = |(one, other): (&&str, &&str)| one == other || is_name(one) || is_name(other);
        ones.len() == others.len()
            && ones.iter().zip(&others).all(same)
            && one.methods.iter().any(|method| other.methods.contains(method))
    }

    #[test]
    fn no_request_has_two_routes_and_no_path_two_names() {
        for (at, one) in ROUTES.iter().enumerate() {
            assert!(one.path.matches('{').count() <= 1, "{one:?}");
            for other in &ROUTES[at + 1..] {
                assert!(!overlap(one, other), "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn each_route_is_found_by_its_methods_and_names_them_to_others() {
        let brew = Method::from_bytes(b"BREW").unwrap();
        for route in ROUTES {
            let (path, segment) = example(route);
            let other = if path == "/" { path.clone() } else { format!("{path}/") };
            for path in [path.clone(), other] {
                for method in route.methods {
                    let Route { endpoint, scope, .. } = *route;
                    let has_slash = path.ends_with('/');
                    let found = Found { endpoint, scope, segment, has_slash };
                    assert_eq!(find(Side::Only, method, &path), Ok(found), "{method} {path}");
                }
                let at_path = ROUTES.iter().filter(|other| other.path == route.path);
                let allowed = at_path.flat_map(|route| route.methods).collect();
                let found = find(Side::Only, &brew, &path);
                assert_eq!(found, Err(NoRoute::WrongMethod(allowed)), "{path}");
            }
        }
    }

    #[test]
    fn slashes_are_not_taken_lightly() {
        for path in ["//", "", "*", "//rockets", "/rockets//", "/rockets//a", "/rockets/a//"] {
            let found = find(Side::Only, &Method::GET, path);
            assert_eq!(found, Err(NoRoute::UnknownPath), "{path}");
        }
    }

    #[test]
    fn beside_another_address_each_has_what_is_for_its_own() {
        for route in ROUTES {
            let (path, _) = example(route);
            let found = |side| find(side, &route.methods[0], &path).is_ok();
            let sides = [Side::Only, Side::Main, Side::Admin].map(found);
            for (side, has) in [Side::Only, Side::Main, Side::Admin].into_iter().zip(sides) {
                let scope = scope(side, &route.methods[0], &path);
                assert_eq!(scope, has.then_some(route.scope), "{side:?} {path}");
            }
            let expected = match route.audience {
                For::Clients => [true, true, false],
                For::Operators => [true, false, true],
                For::All => [true, true, true],
            };
            assert_eq!(sides, expected, "{path}");
        }
    }
}
