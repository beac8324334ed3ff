//! The route table: every route once, with its handler and its documentation.
//!
//! Dispatch and the OpenAPI document are both made from [`TABLE`].

mod table;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::LazyLock;

use hyper::Method;

pub(crate) use table::TABLE;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::VERSION;

/// What a handler comes to.
pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send + 'a>>;

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Its path beneath `/api/v1`, at most one part of it named.
    pub(crate) path: &'static str,
    pub(crate) reach: Reach,
    pub(crate) handler: for<'a> fn(&'a mut Call) -> Answer<'a>,
    pub(crate) doc: fn() -> Doc,
}

/// Where a route is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Beneath `/api/v1`, and without it.
    Everywhere,
    /// Beneath `/api/v1` only.
    Canonical,
}

/// A route, and the part of the path that it names.
pub(crate) struct Found {
    pub(crate) route: &'static Route,
    pub(crate) param: Option<String>,
}

type Routers = HashMap<Method, matchit::Router<&'static Route>>;

/// One router for each method: a path that has another method only is no route.
static ROUTERS: LazyLock<Routers> = LazyLock::new(|| {
    let mut routers = Routers::new();
    for route in &TABLE {
        routers
            .entry(route.method.clone())
            .or_default()
            .insert(route.path, route)
            .expect("the paths of the route table do not conflict");
    }
    routers
});

/// Finds the route of a request. The path is taken as it is, with no percent-decoding.
pub(crate) fn find(method: &Method, path: &str) -> Result<Found, Error> {
    let (path, asked) = beneath(path)?;
    let found = ROUTERS
        .get(method)
        .and_then(|router| router.at(path).ok())
        .ok_or_else(Error::not_found)?;
    let route = *found.value;
    if route.reach == Reach::Canonical && asked == Reach::Everywhere {
        return Err(Error::not_found());
    }
    let param = found
        .params
        .iter()
        .next()
        .map(|(_, value)| value.to_owned());
    Ok(Found { route, param })
}

/// The path beneath the version, and whether the version was named.
fn beneath(path: &str) -> Result<(&str, Reach), Error> {
    let Some(versioned) = path.strip_prefix("/api/") else {
        return Ok((path, Reach::Everywhere));
    };
    let version = versioned.split('/').next().unwrap_or_default();
    if version != VERSION {
        return Err(Error::unsupported_version(version));
    }
    Ok((&versioned[version.len()..], Reach::Canonical))
}

#[cfg(test)]
mod tests {
    use coven::Code;

    use super::*;

    fn found(method: &Method, path: &str) -> Option<(&'static str, Option<String>)> {
        find(method, path)
            .ok()
            .map(|found| (found.route.path, found.param))
    }

    #[test]
    fn a_path_is_found_beneath_its_version_and_without_it() {
        for prefix in ["", "/api/v1"] {
            let at = |path: &str| found(&Method::GET, &format!("{prefix}{path}"));
            assert_eq!(at("/health"), Some(("/health", None)));
            assert_eq!(
                at("/sessions/a%20b"),
                Some(("/sessions/{id}", Some("a%20b".to_owned())))
            );
            assert_eq!(
                at("/sessions/external"),
                Some(("/sessions/{id}", Some("external".to_owned())))
            );
            assert_eq!(
                at("/capabilities/harnesses"),
                Some(("/capabilities/harnesses", None))
            );
        }
        let input = found(&Method::POST, "/sessions/external/input");
        assert_eq!(
            input,
            Some(("/sessions/{id}/input", Some("external".to_owned())))
        );
    }

    #[test]
    fn an_unknown_route_or_method_is_not_found() {
        for (method, path) in [
            (Method::GET, "/"),
            (Method::GET, ""),
            (Method::GET, "*"),
            (Method::GET, "/nothing"),
            (Method::GET, "/sessions/"),
            (Method::GET, "/health/"),
            (Method::GET, "//health"),
            (Method::POST, "/health"),
            (Method::HEAD, "/health"),
            (Method::OPTIONS, "/sessions"),
            (Method::GET, "/api/v1"),
            (Method::GET, "/api/v1/api/v1/health"),
            (Method::POST, "/internal/lifecycle/shutdown"),
            (Method::POST, "/api/v1/internal/lifecycle/shutdown/"),
        ] {
            let Err(error) = find(&method, path) else {
                panic!("{method} {path} was found")
            };
            assert_eq!(error.code(), Code::NotFound, "{method} {path}");
        }
        assert!(find(&Method::POST, "/api/v1/internal/lifecycle/shutdown").is_ok());
    }

    #[test]
    fn another_version_is_told_apart_from_an_unknown_route() {
        for path in [
            "/api/v2/health",
            "/api/v2",
            "/api/V1/health",
            "/api//health",
        ] {
            let Err(error) = find(&Method::GET, path) else {
                panic!("{path} was found")
            };
            assert_eq!(error.code(), Code::InvalidRequest, "{path}");
        }
    }
}
