//! The rules and the reader, on small trees made up for them.

use super::{findings, reader};

/// What is found in these files.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<_> =
        files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    findings(&reader::read(&sources))
}

#[track_caller]
fn finds(files: &[(&str, &str)], expected: &[&str]) {
    let found = found(files);
    let is_as_expected = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, part)| found.contains(part));
    assert!(is_as_expected, "{found:#?}\nand not\n{expected:#?}");
}

/// Files of the fleet that name each other as told.
fn fleet<'a>(a: &'a str, b: &'a str, c: &'a str) -> [(&'a str, &'a str); 4] {
    let root = "pub mod a; mod b; mod c;";
    [
        ("src/fleet/mod.rs", root),
        ("src/fleet/a.rs", a),
        ("src/fleet/b.rs", b),
        ("src/fleet/c/mod.rs", c),
    ]
}

#[test]
fn a_circle_is_found_however_its_paths_are_written() {
    let circle = "circle: src/fleet/a.rs, src/fleet/b.rs\n    src/fleet/a.rs → src/fleet/b.rs (";
    for (a, b) in [
        ("use super::b::B;", "use super::a::A;"),
        ("use crate::fleet::{b::{self as other, B as C}, c};", "use super::{a, c};"),
        ("fn f() { super::b::f() }", "fn f() -> Vec<crate::fleet::a::A> { vec![] }"),
        ("use super::b; fn f() { b::f() }", "fn f() { println!(\"{}\", super::a::f()); }"),
        ("#[derive(super::b::B)] struct A;", "impl super::a::T for B {}"),
        ("mod inner { use super::super::b::B; }", "fn f() { use super::super::fleet::a::A; }"),
        ("use super::b::*;", "use super::a::A;"),
    ] {
        let found = found(&fleet(a, b, ""));
        assert!(found[0].starts_with(circle), "{a} {b}: {found:?}");
    }
    let all = "circle: src/fleet/a.rs, src/fleet/b.rs, src/fleet/c/mod.rs";
    finds(&fleet("use super::b::B;", "use super::c::C;", "use super::a::A;"), &[all]);
    finds(&fleet("use super::{b, c};", "use super::c::C;", ""), &[]);
}

#[test]
fn what_a_parent_defines_is_an_arrow_up_to_it_and_what_it_points_to_is_not() {
    let child = ("src/fleet/a.rs", "use super::{B, f};");
    let sibling = ("src/fleet/b.rs", "pub struct B; pub fn f() {}");
    finds(
        &[("src/fleet/mod.rs", "mod a; mod b; pub use a::A; pub use b::{B, f};"), child, sibling],
        &[],
    );
    // Imported for itself, it is found there all the same.
    finds(&[("src/fleet/mod.rs", "mod a; mod b; use b::{B, f};"), child, sibling], &[]);
    finds(
        &[("src/fleet/mod.rs", "mod a; mod b; use a::A; pub use b::B; fn f() {}"), child, sibling],
        &["circle: src/fleet/a.rs, src/fleet/mod.rs"],
    );
    // What a parent points to and uses too.
    finds(
        &[("src/fleet/mod.rs", "mod a; mod b; pub use a::A; fn f(_: A) {}"), child, sibling],
        &["circle: src/fleet/a.rs, src/fleet/mod.rs"],
    );
}

#[test]
fn an_arrow_up_is_found() {
    let up = ["src/telemetry/wire.rs → src/fleet/mod.rs (fleet::Fleet): "];
    let wire = |text| ("src/telemetry/wire.rs", text);
    let fleet = ("src/fleet/mod.rs", "pub struct Fleet;");
    let root = ("src/lib.rs", "pub mod fleet; pub mod telemetry;");
    for text in ["use crate::fleet::Fleet;", "fn f(_: super::super::fleet::Fleet) {}"] {
        finds(&[root, wire(text), fleet], &up);
    }
    let wire = ("src/telemetry/mod.rs", "");
    finds(&[root, wire, fleet, ("src/app.rs", "use crate::{fleet, telemetry};")], &[]);
    let up = ["src/app.rs → src/lib.rs (VERSION): lib.rs only says what there is"];
    finds(&[root, ("src/app.rs", "use crate::VERSION;")], &up);
    let app = ("src/app.rs", "pub fn run() {}");
    finds(&[app, ("src/main.rs", "use downlink::app; fn main() { app::run() }")], &[]);
    let config = ("src/config.rs", "use crate::http::Limits;");
    finds(&[("src/http/mod.rs", "pub struct Limits;"), config], &[]);
    // What a room passes on is an arrow too, if it is not its own.
    let http = ("src/http/mod.rs", "pub use crate::config::Config; pub struct Limits;");
    finds(&[http, config], &["circle: src/config.rs, src/http/mod.rs", "up, against main → top"]);
}

#[test]
fn http_sees_of_the_fleet_what_the_table_says_whatever_it_is_imported_through() {
    let text = "pub use handle::Fleet; pub use roster::Roster; mod handle; mod roster;";
    let files = |http| {
        [
            ("src/fleet/mod.rs", text),
            ("src/fleet/handle.rs", "pub struct Fleet;"),
            ("src/fleet/roster/mod.rs", "pub struct Roster;"),
            ("src/http/routes.rs", http),
        ]
    };
    finds(&files("use crate::fleet::Fleet;"), &[]);
    let roster = "src/http/routes.rs → src/fleet/roster/mod.rs (fleet::roster::Roster): http sees";
    finds(&files("use crate::fleet::{Fleet, Roster};"), &[roster]);
    finds(
        &files("use crate::fleet; fn f(_: fleet::Roster) {}"),
        &["src/http/routes.rs → src/fleet/mod.rs (fleet): http sees only", roster],
    );
    finds(
        &[("src/journal/mod.rs", ""), ("src/http/etag.rs", "use crate::journal;")],
        &["src/http/etag.rs → src/journal/mod.rs (journal): http sees only"],
    );
}

#[test]
fn a_crate_outside_its_room_is_found() {
    for text in [
        "use flume::Sender;",
        "use ::flume::{self};",
        "use flume as pipe;",
        "fn f() { let (a, b) = flume::bounded(1); }",
        "fn f() { tokio::select! { _ = flume::bounded(1) => {} } }",
        "struct S { a: Option<flume::Sender<u8>> }",
        "#[derive(flume::Nothing)] struct S;",
        "use super::mailbox::Sender;",
    ] {
        let files = [
            ("src/fleet/mod.rs", "mod mailbox; mod partition;"),
            ("src/fleet/mailbox.rs", "pub use flume::Sender;"),
            ("src/fleet/partition.rs", text),
        ];
        let found = found(&files);
        assert!(
            found == ["src/fleet/partition.rs names flume, which only src/fleet/mailbox.rs may"],
            "{text}: {found:?}"
        );
    }
    finds(
        &[("src/telemetry/wire.rs", "use {tokio::time::Instant, warp::Filter};")],
        &["src/telemetry/wire.rs names tokio", "src/telemetry/wire.rs names warp"],
    );
    finds(&[("src/app.rs", "use rusqlite::Connection;")], &["src/app.rs names rusqlite"]);
    finds(&[("src/journal/sqlite/database.rs", "use rusqlite::Connection;")], &[]);
}

#[test]
fn the_app_names_one_constructor_behind_the_journal_and_nobody_else_does() {
    let files = |file, text| {
        [
            ("src/journal/mod.rs", "pub mod sqlite; pub trait Journal {}"),
            (
                "src/journal/sqlite/mod.rs",
                "mod lock; pub use lock::Lock; pub fn open() {} pub fn read() {}",
            ),
            ("src/journal/sqlite/lock.rs", "use crate::journal::Journal; pub struct Lock;"),
            (file, text),
        ]
    };
    let app = |text| files("src/app.rs", text);
    finds(
        &app("use crate::journal::{Journal, sqlite}; fn f() { sqlite::open(); sqlite::open() }"),
        &[],
    );
    finds(
        &app("use crate::journal::sqlite; fn f() { sqlite::open(); sqlite::read() }"),
        &["names 2 of journal::sqlite, and 1 may: journal::sqlite::open, journal::sqlite::read"],
    );
    finds(&app("use crate::journal::sqlite::{Lock, open};"), &["journal::sqlite::lock::Lock"]);
    finds(&files("src/tool/check.rs", "use crate::journal::sqlite::Lock;"), &[]);
    finds(&files("src/fleet/restore.rs", "use crate::journal::sqlite::open;"), &["and 0 may"]);
}

#[test]
fn the_launcher_is_a_house_of_its_own() {
    let files = |text| {
        [
            ("src/bin/rockets/main.rs", "mod client; mod pace;"),
            ("src/bin/rockets/client.rs", text),
            ("src/bin/rockets/pace.rs", "use super::client::Client;"),
            ("src/config.rs", "pub struct Config;"),
        ]
    };
    finds(&files("use hyper::Request;"), &[]);
    let shares = "src/bin/rockets/client.rs → src/config.rs (config::Config): the launcher shares";
    finds(&files("use downlink::config::Config;"), &[shares]);
    finds(&files("fn f(_: downlink::config::Config) {}"), &[shares]);
    finds(
        &files("use crate::pace::Pace;"),
        &["circle: src/bin/rockets/client.rs, src/bin/rockets/pace.rs"],
    );
}

#[test]
fn a_file_without_a_room_and_everything_of_a_module_are_found() {
    finds(
        &[("src/lib.rs", "pub mod misc;"), ("src/misc.rs", "")],
        &["src/misc.rs belongs to no room"],
    );
    let glob = "src/fleet/b.rs imports everything of src/fleet/a.rs";
    finds(&fleet("pub enum A { B }", "use super::a::*;", ""), &[glob]);
    finds(
        &fleet("pub enum A { B }", "use super::a::A; fn f() { use A::*; use super::a::A::*; }", ""),
        &[],
    );
}

#[test]
fn tests_comments_texts_and_visibilities_do_not_count() {
    let text = r#"
        //! [`crate::fleet::a`], `flume::bounded`
        /// See [`super::a::A`].
        pub(in crate::fleet) struct B { pub(super) b: u8 }
        fn f() -> &'static str { "use super::a::A; flume::bounded(1)" }
        #[cfg(test)]
        mod tests { use super::super::a::*; use flume::Sender; }
        #[cfg(test)]
        use super::a::A;
        #[cfg(test)]
        mod more;
    "#;
    let mut files = fleet("use super::b::B;", text, "").to_vec();
    files.push(("src/fleet/b/more.rs", "use super::super::a::A; use flume::Sender;"));
    finds(&files, &[]);
}

#[test]
fn what_hides_names_from_the_reader_is_found() {
    for (text, by) in [
        ("extern crate flume as pipes;", "extern crate"),
        ("#[path = \"../elsewhere.rs\"] mod c;", "#[path]"),
        ("include!(\"names.rs\");", "include!"),
    ] {
        finds(
            &fleet("", text, ""),
            &[&format!("src/fleet/b.rs hides names from this test by {by}")],
        );
    }
    // A module that is declared for all is no test, though a test declares it too.
    let twice = "#[cfg(test)] mod more; #[cfg(not(test))] mod more;";
    let mut files = fleet("use super::b::B;", twice, "").to_vec();
    files.push(("src/fleet/b/more.rs", "use super::super::a::A; use flume::Sender;"));
    finds(&files, &["src/fleet/b/more.rs names flume"]);
    let launcher = [
        ("src/lib.rs", "pub mod config;"),
        ("src/config.rs", "pub struct Config;"),
        ("src/bin/rockets/main.rs", "use ::downlink::config::Config;"),
    ];
    finds(&launcher, &["the launcher shares"]);
}
