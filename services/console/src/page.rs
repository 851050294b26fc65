//! The web page: a few files that are part of the program. It loads nothing from anywhere else.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// A file of the page: where, what, and its content.
const FILES: [(&str, &str, &str); 14] = [
    ("/", HTML, include_str!("../page/index.html")),
    ("/console/style.css", CSS, include_str!("../page/style.css")),
    ("/console/icon.svg", SVG, include_str!("../page/icon.svg")),
    ("/console/app.js", SCRIPT, include_str!("../page/app.js")),
    ("/console/api.js", SCRIPT, include_str!("../page/api.js")),
    ("/console/dom.js", SCRIPT, include_str!("../page/dom.js")),
    ("/console/words.js", SCRIPT, include_str!("../page/words.js")),
    ("/console/parts.js", SCRIPT, include_str!("../page/parts.js")),
    ("/console/overview.js", SCRIPT, include_str!("../page/overview.js")),
    ("/console/customers.js", SCRIPT, include_str!("../page/customers.js")),
    ("/console/customer.js", SCRIPT, include_str!("../page/customer.js")),
    ("/console/lists.js", SCRIPT, include_str!("../page/lists.js")),
    ("/console/words/en.json", JSON, include_str!("../page/words/en.json")),
    ("/console/words/zh.json", JSON, include_str!("../page/words/zh.json")),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// Nothing but the page's own files, and nobody may frame it: text from outside could do nothing even if it were taken
/// for markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of the page.
pub(crate) fn router() -> Router {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, content)| {
        router.route(path, get(move || async move { file(kind, content) }))
    })
}

fn file(kind: &'static str, content: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // Another release may serve others under the same names.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (StatusCode::OK, headers, content).into_response()
}
