//! The page for people at `GET /`, and its files at `/ui/{file}`. Owns which files
//! there are, their types, tags and compressed forms, who gets the page instead of
//! the list of endpoints, and what the page may load. Does not own what is in them
//! (`ui/`): plain HTML, CSS and JavaScript modules, a part of the binary as they
//! are.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use warp::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, VARY,
};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use super::codings::Coding;
use super::compression::{self, preferred};
use super::etag::is_named;
use super::index;
use super::media::{parts, weight};
use super::problem::Problem;
use super::respond::{decode_segment, no_parameters};
use super::routes::Side;
use crate::telemetry::shown::Quoted;

/// The page loads its own files and asks its own service, and nothing else: no
/// script of another origin or in the text of the page, no form, no frame, and no
/// text that becomes markup.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Bytes of a content's hash that are its tag.
const TAG_BYTES: usize = 16;

/// A file of the page.
struct File {
    name: &'static str,
    media_type: &'static str,
    content: &'static [u8],
    plain: OnceLock<Form>,
    gzip: OnceLock<Form>,
    zstd: OnceLock<Form>,
}

/// A file as it goes out: made when it is first asked for, and kept.
struct Form {
    bytes: Bytes,
    /// What stands between the quotes of its tag, which is a strong one: bytes that
    /// differ have others.
    tag: String,
    coding: Option<Coding>,
}

macro_rules! file {
    ($name:literal, $media_type:expr) => {
        File {
            name: $name,
            media_type: $media_type,
            content: include_bytes!(concat!("ui/", $name)),
            plain: OnceLock::new(),
            gzip: OnceLock::new(),
            zstd: OnceLock::new(),
        }
    };
}

static PAGE: File = file!("index.html", HTML);

static FILES: [File; 44] = [
    file!("announce.js", SCRIPT),
    file!("api.js", SCRIPT),
    file!("base.css", CSS),
    file!("cards.css", CSS),
    file!("chart.js", SCRIPT),
    file!("clock.js", SCRIPT),
    file!("columns.js", SCRIPT),
    file!("copy.js", SCRIPT),
    file!("dom.js", SCRIPT),
    file!("empty.js", SCRIPT),
    file!("explosions.js", SCRIPT),
    file!("figures.js", SCRIPT),
    file!("filters.js", SCRIPT),
    file!("fleet.css", CSS),
    file!("fleet.js", SCRIPT),
    file!("format.js", SCRIPT),
    file!("icon.svg", SVG),
    file!("icons.js", SCRIPT),
    file!("json.js", SCRIPT),
    file!("keys.js", SCRIPT),
    file!("layout.css", CSS),
    file!("main.js", SCRIPT),
    file!("missions.js", SCRIPT),
    file!("paint.js", SCRIPT),
    file!("panel.css", CSS),
    file!("panel.js", SCRIPT),
    file!("periodic.js", SCRIPT),
    file!("rates.js", SCRIPT),
    file!("rocket.js", SCRIPT),
    file!("room.js", SCRIPT),
    file!("route.js", SCRIPT),
    file!("rows.js", SCRIPT),
    file!("settings.js", SCRIPT),
    file!("sse.js", SCRIPT),
    file!("status.js", SCRIPT),
    file!("stream.js", SCRIPT),
    file!("table.js", SCRIPT),
    file!("ticks.js", SCRIPT),
    file!("timeline.js", SCRIPT),
    file!("timewindow.js", SCRIPT),
    file!("token.js", SCRIPT),
    file!("traffic.js", SCRIPT),
    file!("waits.js", SCRIPT),
    file!("watch.js", SCRIPT),
];

/// `GET /`: the page for who asks for HTML, and the list of endpoints for all
/// others, on a side that only operators see too: its page would have nothing to
/// show there.
///
/// # Errors
/// 400 for any parameter.
pub fn root(side: Side, headers: &HeaderMap, parameters: &str) -> Result<Response, Problem> {
    if side != Side::Admin && prefers_html(headers) {
        no_parameters(parameters)?;
        return Ok(PAGE.answer(headers, "Accept, Accept-Encoding"));
    }
    let mut response = index::get(side, parameters)?;
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// `GET /ui/{file}`.
///
/// # Errors
/// 404 for what is no file of the page, 400 for any parameter.
pub fn file(segment: &str, headers: &HeaderMap, parameters: &str) -> Result<Response, Problem> {
    no_parameters(parameters)?;
    let name = decode_segment(segment)?;
    let file = FILES.iter().find(|file| file.name == name);
    let file =
        file.ok_or_else(|| Problem::not_found(format!("the page has no file {}", Quoted(&name))))?;
    Ok(file.answer(headers, "Accept-Encoding"))
}

/// Whether a client names HTML, and likes JSON no better. curl and libraries, which
/// take anything, get JSON.
fn prefers_html(headers: &HeaderMap) -> bool {
    let (mut html, mut json) = (0, 0);
    for value in headers.get_all(ACCEPT) {
        for range in parts(value.as_bytes(), b',') {
            let mut parts = parts(range, b';');
            let name = parts.next().expect("a list has a part").to_ascii_lowercase();
            let best = match &*name {
                b"text/html" => &mut html,
                b"application/json" => &mut json,
                _ => continue,
            };
            *best = weight(parts).max(*best);
        }
    }
    html > 0 && html >= json
}

impl File {
    /// The file in the form that the client likes best, or 304 if it has that. Which
    /// headers of the request decide is said by `varies`.
    fn answer(&self, headers: &HeaderMap, varies: &'static str) -> Response {
        let form = self.form(preferred(headers));
        let mut response = if is_named(headers, &form.tag) {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let mut response = Response::new(form.bytes.clone().into());
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
            if let Some(coding) = form.coding {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            }
            response
        };
        let headers = response.headers_mut();
        let tag = HeaderValue::from_str(&format!("\"{}\"", form.tag))
            .expect("a tag is made of letters, digits, dashes and underscores");
        headers.insert(ETAG, tag);
        // Another release has other files under the same names.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.append(VARY, HeaderValue::from_static(varies));
        response
    }

    /// Compressed if that can be done, which for memory may not be.
    fn form(&self, coding: Option<Coding>) -> &Form {
        let kept = match coding {
            Some(Coding::Gzip) => &self.gzip,
            Some(Coding::Zstd) => &self.zstd,
            Some(Coding::Deflate) | None => &self.plain,
        };
        kept.get_or_init(|| {
            let hash = Sha256::digest(self.content);
            let tag = URL_SAFE_NO_PAD.encode(&hash[..TAG_BYTES]);
            let compressed = coding.and_then(|coding| {
                let bytes = compression::whole(coding, self.content).ok()?;
                Some((coding, Bytes::from(bytes)))
            });
            match compressed {
                Some((coding, bytes)) => {
                    Form { bytes, tag: format!("{tag}-{}", coding.name()), coding: Some(coding) }
                }
                None => Form { bytes: Bytes::from_static(self.content), tag, coding: None },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn directory() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/ui")
    }

    fn text(file: &File) -> &str {
        std::str::from_utf8(file.content).unwrap()
    }

    #[test]
    fn every_file_of_the_directory_is_served_and_loaded_by_the_page() {
        let mut there: Vec<String> = std::fs::read_dir(directory())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        let mut served: Vec<_> = FILES.iter().map(|file| file.name).collect();
        assert!(served.is_sorted(), "{served:?}");
        served.push(PAGE.name);
        served.sort_unstable();
        assert_eq!(there, served);
        // Else the browser would find modules one after the other.
        for file in &FILES {
            assert!(text(&PAGE).contains(&format!("\"ui/{}\"", file.name)), "{}", file.name);
        }
    }

    #[test]
    fn a_file_of_the_page_can_be_held_in_the_head() {
        for file in FILES.iter().chain([&PAGE]) {
            let lines = text(file).lines().count();
            assert!(lines <= 450, "{} has {lines} lines", file.name);
        }
    }

    /// Text never becomes markup. The browser refuses all the same; this says so
    /// before anybody opens one.
    #[test]
    fn no_script_makes_markup_of_text_or_leads_elsewhere() {
        for file in FILES.iter().filter(|file| file.media_type == SCRIPT) {
            for word in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("] {
                assert!(!text(file).contains(word), "{}: {word}", file.name);
            }
        }
        for file in FILES.iter().chain([&PAGE]) {
            let elsewhere = text(file).replace("http://www.w3.org/2000/svg", "");
            assert!(
                !elsewhere.contains("//www") && !elsewhere.contains("https://"),
                "{}",
                file.name
            );
        }
    }

    #[test]
    fn html_is_for_who_names_it() {
        let html = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            prefers_html(&headers)
        };
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for accept in [browser, "TEXT/HTML", "application/json, text/html", "*/*, text/html;q=0.1"]
        {
            assert!(html(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/*",
            "text/html;q=0",
            "application/json, text/html;q=0.9",
            "text/htmlx",
        ] {
            assert!(!html(accept), "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
