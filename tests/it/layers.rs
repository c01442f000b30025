//! The house keeps its walls: no circle between files, no arrow up, and each
//! room's crates in that room. What is allowed stands in the tables below, and
//! there is no list of exceptions.
//!
//! Owns the rules and their check over `src/`. Does not own how a file's arrows
//! are found (`reader`).

mod made_up;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reader::{Arrow, LIBRARY, Read, Source};

/// The rooms of the service, from the top. A file may name its own room and
/// those below it. `config` reads what was typed into the types of those who
/// get it, so it is above them.
const ORDER: [&str; 10] =
    ["main", "top", "tool", "app", "logging", "config", "http", "fleet", "journal", "telemetry"];

/// All that a room may name of the rooms below it, where that is not everything.
const SEES: &[(&str, &[&str])] = &[
    (
        "http",
        &[
            "fleet::cluster::figures",
            "fleet::feed",
            "fleet::handle",
            "fleet::intake",
            "fleet::metrics",
            "fleet::outcome",
            "fleet::query",
            "fleet::refusals",
            "fleet::view",
            "telemetry",
        ],
    ),
    ("journal", &["telemetry"]),
    ("telemetry", &[]),
    // A client, as any other is.
    ("top", &[]),
];

/// What lies behind a seam: who outside may name something of it, and how many
/// things at most. Of SQLite that is a type with constructors for each of them.
const BEHIND: &[(&str, &[&str], usize)] = &[("journal::sqlite", &["app", "tool"], 1)];

/// The only files and directories that may name a crate.
const CRATES: &[(&str, &[&str])] = &[
    ("etcd_client", &["src/journal/shared/etcd/"]),
    ("flume", &["src/fleet/mailbox.rs"]),
    ("prometheus_client", &["src/fleet/metrics.rs", "src/http/metrics.rs"]),
    ("rusqlite", &["src/journal/sqlite/"]),
    ("toml", &["src/config/file.rs"]),
    ("strsim", &["src/config/file.rs"]),
    ("warp", &["src/http/"]),
    ("xxhash_rust", &["src/fleet/roster/digest.rs"]),
    ("utoipa", &["src/http/", "src/fleet/view.rs"]),
    ("utoipa_swagger_ui", &["src/http/docs.rs"]),
    ("ratatui", &["src/top/"]),
    ("rustls", &["src/http/tls/", "src/top/tls.rs", LAUNCHER]),
    ("tokio_rustls", &["src/http/tls/", "src/top/tls.rs", LAUNCHER]),
    ("hyper", &["src/app/cluster", "src/http/", "src/top/", LAUNCHER]),
    ("hyper_util", &["src/app/cluster/client.rs", "src/http/", "src/top/", LAUNCHER]),
    ("listenfd", &["src/http/inherited.rs"]),
    ("sd_notify", &["src/app/manager.rs", "src/config/manager.rs"]),
    // Not `telemetry`, which is synchronous, and not `config` and `logging`.
    (
        "tokio",
        &[
            "src/main.rs",
            "src/app",
            "src/http/",
            "src/fleet/",
            "src/journal/",
            "src/top/",
            LAUNCHER,
        ],
    ),
];

/// A house of its own, which shares nothing with the service.
const LAUNCHER: &str = "src/bin/rockets/";

/// Most lines in a file: what one can hold in the head.
const MAX_LINES: usize = 450;

#[test]
fn the_house_keeps_its_walls() {
    let mut sources = Vec::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")), "src", &mut sources);
    let read = reader::read(&sources);
    // Else it would be the reader that finds nothing.
    assert!(read.files.len() > 40 && read.arrows.len() > 100, "only {read:#?}");
    let too_long = |(file, text): &Source| {
        let lines = text.lines().count();
        (lines > MAX_LINES).then(|| format!("{file} has {lines} lines, more than {MAX_LINES}"))
    };
    let mut findings = findings(&read);
    findings.extend(sources.iter().filter_map(too_long));
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

fn collect(root: &Path, directory: &str, sources: &mut Vec<Source>) {
    for entry in std::fs::read_dir(root.join(directory)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{directory}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, sources);
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            sources.push((path, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

/// Everything that is against the rules, a line each.
fn findings(read: &Read) -> Vec<String> {
    let circles = circles(read).into_iter().map(|files| {
        let is_in_it = |file: &String| files.contains(&file.as_str());
        let mut steps: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for arrow in read.arrows.iter().filter(|it| is_in_it(&it.from) && is_in_it(&it.to)) {
            steps.entry((&arrow.from, &arrow.to)).or_default().push(path_of(arrow));
        }
        let shown = |((from, to), names): (_, Vec<String>)| {
            format!("\n    {from} → {to} ({})", names.join(", "))
        };
        let steps: String = steps.into_iter().map(shown).collect();
        format!("circle: {}{steps}", files.join(", "))
    });
    let places = read.files.keys().filter(|file| room(file).is_none() && *file != "src/lib.rs");
    let places = places.map(|file| format!("{file} belongs to no room"));
    let arrows = read.arrows.iter().filter_map(|arrow| {
        against_the_order(arrow).map(|rule| format!("{}: {rule}", shown(arrow)))
    });
    let crates = read.crates.iter().filter_map(|(file, name)| {
        let (_, rooms) = CRATES.iter().find(|(restricted, _)| restricted == name)?;
        let is_home = rooms.iter().any(|room| file.starts_with(room));
        (!is_home).then(|| format!("{file} names {name}, which only {} may", rooms.join(", ")))
    });
    let globs = read.globs.iter();
    let globs = globs.map(|(file, of)| format!("{file} imports everything of {of}; name it"));
    let hidden = read.hidden.iter();
    let hidden = hidden.map(|(file, by)| format!("{file} hides names from this test by {by}"));
    let arrows = arrows.chain(behind(read));
    circles.chain(places).chain(arrows).chain(crates).chain(globs).chain(hidden).collect()
}

/// The room of a file, which is its first module; none for `lib.rs`, which only
/// says what there is.
fn room(file: &str) -> Option<&str> {
    if file.starts_with(LAUNCHER) {
        return Some(LAUNCHER);
    }
    let path = file.strip_prefix("src/")?.strip_suffix(".rs")?;
    let first = path.split('/').next()?;
    ORDER.into_iter().find(|room| *room == first)
}

/// A module's path within its crate, and what is named of it.
fn path_of(arrow: &Arrow) -> String {
    let names = arrow.module[1..].iter().chain(&arrow.item);
    names.map(String::as_str).collect::<Vec<_>>().join("::")
}

fn shown(arrow: &Arrow) -> String {
    format!("{} → {} ({})", arrow.from, arrow.to, path_of(arrow))
}

fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Which rule an arrow breaks.
fn against_the_order(arrow: &Arrow) -> Option<String> {
    let is_launcher = |file: &str| room(file) == Some(LAUNCHER);
    if is_launcher(&arrow.from) || is_launcher(&arrow.to) {
        let are_both = is_launcher(&arrow.from) && is_launcher(&arrow.to);
        return (!are_both).then(|| "the launcher shares no code with the service".to_owned());
    }
    let (from, to) = (room(&arrow.from), room(&arrow.to));
    let level = |room: Option<&str>| ORDER.iter().position(|it| Some(*it) == room);
    let (Some(above), Some(below)) = (level(from), level(to)) else {
        let is_root = |file: &str| file == "src/lib.rs";
        let names_root = is_root(&arrow.from) || is_root(&arrow.to);
        return names_root.then(|| "lib.rs only says what there is".to_owned());
    };
    if below < above {
        return Some(format!("up, against {}", ORDER.join(" → ")));
    }
    let (_, seen) = SEES.iter().find(|(room, _)| Some(*room) == from)?;
    let path = arrow.module[1..].join("::");
    let is_seen = above == below || seen.iter().any(|module| is_within(&path, module));
    (!is_seen).then(|| format!("{} sees only {}", ORDER[above], seen.join(", ")))
}

/// Who reaches behind a seam.
fn behind(read: &Read) -> Vec<String> {
    let mut findings = Vec::new();
    for &(seam, who, most) in BEHIND {
        let mut named: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for arrow in &read.arrows {
            let module = arrow.module[1..].join("::");
            let from = read.files[&arrow.from][1..].join("::");
            if arrow.module[0] == LIBRARY && is_within(&module, seam) && !is_within(&from, seam) {
                let items = named.entry(&arrow.from).or_default();
                items.extend(arrow.item.is_some().then(|| path_of(arrow)));
            }
        }
        for (file, items) in named {
            let is_told = room(file).is_some_and(|room| who.contains(&room));
            let allowed = if is_told { most } else { 0 };
            if items.len() > allowed || allowed == 0 {
                let items: Vec<_> = items.into_iter().collect();
                let count = format!("{} of {seam}, and {allowed} may", items.len());
                findings.push(format!("{file} names {count}: {}", items.join(", ")));
            }
        }
    }
    findings
}

/// Files that reach each other, as many as there are in one circle.
fn circles(read: &Read) -> Vec<Vec<&str>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in &read.arrows {
        next.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reached = |start: &str| {
        let mut reached = BTreeSet::new();
        let mut open = vec![start];
        while let Some(file) = open.pop() {
            for &to in next.get(file).into_iter().flatten() {
                if reached.insert(to) {
                    open.push(to);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        read.files.keys().map(|file| (file.as_str(), reached(file))).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        let circle: Vec<_> =
            others.iter().copied().filter(|other| reached[other].contains(file)).collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}
