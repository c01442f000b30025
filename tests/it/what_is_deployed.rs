//! What `docs/deploy/` has for others to copy: flags that exist, times that fit
//! each other, and a unit that systemd takes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Request;
use crate::support::http::send;
use crate::support::logged::Logged;
use crate::support::process::{downlink, run};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The last value of a directive.
fn directive(unit: &str, key: &str) -> String {
    let mut values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.next_back().unwrap_or_else(|| panic!("{key} is missing")).to_owned()
}

/// Everything after the program.
fn arguments(unit: &str) -> Vec<String> {
    directive(unit, "ExecStart").split_whitespace().skip(1).map(str::to_owned).collect()
}

fn value_of(arguments: &[String], flag: &str) -> String {
    let at = arguments.iter().position(|argument| argument == flag).expect(flag);
    arguments[at + 1].clone()
}

fn seconds(text: &str) -> u64 {
    text.strip_suffix('s').unwrap_or(text).parse().unwrap()
}

fn help() -> String {
    let mut command = downlink();
    command.arg("--help");
    run(command).1
}

/// Installed or not, with a word about it if not.
fn tool(name: &str) -> Option<Command> {
    let found = Command::new(name).arg("--version").output().is_ok_and(|it| it.status.success());
    if !found {
        println!("not checked: there is no {name}");
    }
    found.then(|| Command::new(name))
}

#[test]
fn the_unit_starts_the_service_and_leaves_it_its_time() {
    let unit = file("downlink.service");
    let arguments = arguments(&unit);
    let stop = seconds(&value_of(&arguments, "--shutdown-timeout"));
    assert!(seconds(&directive(&unit, "TimeoutStopSec")) > stop);
    assert_eq!(directive(&unit, "Type"), "notify");
    // Several of what makes a task count as hanging.
    assert!(seconds(&directive(&unit, "WatchdogSec")) >= 10);
    // For all that --max-connections allows by default.
    let files: usize = directive(&unit, "LimitNOFILE").parse().unwrap();
    assert!(files >= 16_384 + 256 + 72, "{files}");
    let directory = tempfile::tempdir().unwrap();
    let mut command = downlink();
    for argument in &arguments {
        let argument = argument
            .replace("${STATE_DIRECTORY}", &directory.path().to_string_lossy())
            .replace(":8088", ":0")
            .replace(":8089", ":0");
        command.arg(argument);
    }
    let service = Logged::start(command);
    let address = service.addresses()[0].parse().unwrap();
    assert_eq!(send(address, &Request::get("/rockets")).status, 200);
    assert_eq!(service.said("listening for operators").len(), 1);
    service.stop();
    assert!(directory.path().join("downlink.db").exists());
}

/// A copy of the units that starts this build.
fn units(directory: &Path) -> [PathBuf; 2] {
    let program = downlink().get_program().to_string_lossy().into_owned();
    ["downlink.service", "downlink.socket"].map(|name| {
        let path = directory.join(name);
        let unit = file(name).replace("/usr/local/bin/downlink", &program);
        std::fs::write(&path, unit).unwrap();
        path
    })
}

#[test]
fn systemd_takes_the_units_and_finds_little_exposed() {
    let Some(mut verify) = tool("systemd-analyze") else { return };
    let directory = tempfile::tempdir().unwrap();
    let units = units(directory.path());
    verify.arg("verify").args(&units);
    let (code, out, err) = run(verify);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", ""));
    // Tenths of the score, which is 9.6 for a unit that hardens nothing.
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--threshold=20"]).arg(&units[0]);
    let (code, out, err) = run(security);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn the_sockets_address_is_that_of_the_unit() {
    let arguments = arguments(&file("downlink.service"));
    let listen = directive(&file("downlink.socket"), "ListenStream");
    assert_eq!(listen, value_of(&arguments, "--listen"));
}

#[test]
fn all_flags_and_variables_exist() {
    let help = help();
    let manifest = file("kubernetes.yaml");
    let flags = manifest.lines().filter_map(|line| line.trim().strip_prefix("- --"));
    let flags: Vec<_> =
        flags.map(|flag| format!("--{}", flag.split('=').next().unwrap())).collect();
    assert!(flags.len() >= 4, "{flags:?}");
    for flag in &flags {
        assert!(help.contains(&format!("{flag} <")), "{flag}");
    }
    let container = file("Containerfile");
    let words = container.split_whitespace().filter(|word| word.starts_with("DOWNLINK_"));
    let variables: Vec<_> = words.filter_map(|word| word.split('=').next()).collect();
    assert!(variables.len() >= 3, "{variables:?}");
    for variable in variables {
        assert!(help.contains(&format!("[env: {variable}]")), "{variable}");
    }
}

/// Also those that comments advise to give.
#[test]
fn whatever_flag_is_named_exists() {
    let help = help();
    for name in ["downlink.service", "nginx.conf", "Caddyfile", "kubernetes.yaml"] {
        let text = file(name);
        let is_flag = |byte: char| byte.is_ascii_lowercase() || byte == '-';
        let flags = text.split("--").skip(1).filter_map(|rest| {
            let end = rest.find(|byte| !is_flag(byte)).unwrap_or(rest.len());
            (end > 0).then(|| rest[..end].trim_end_matches('-'))
        });
        let flags: Vec<_> = flags.filter(|flag| !flag.is_empty()).collect();
        assert!(flags.len() >= 3, "{name}: {flags:?}");
        for flag in flags {
            assert!(help.contains(&format!("--{flag} <")), "{name}: --{flag}");
        }
    }
}

/// A host without its port would make other sites' pages of a proxy's own, and
/// what clients say of themselves must not come through in the other header.
#[test]
fn proxies_pass_on_the_host_and_nothing_that_clients_make_up() {
    let nginx = file("nginx.conf");
    for line in [
        "proxy_set_header Host $http_host;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header Forwarded \"\";",
    ] {
        assert!(nginx.lines().any(|given| given.trim() == line), "{line}");
    }
    // It does the rest by itself.
    assert!(file("Caddyfile").lines().any(|given| given.trim() == "header_up -Forwarded"));
}

#[test]
fn the_manifest_asks_the_operators_address_and_leaves_the_service_its_time() {
    let manifest = file("kubernetes.yaml");
    let after = |text: &str| {
        let (_, rest) = manifest.split_once(text).unwrap_or_else(|| panic!("{text} is missing"));
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let stop = seconds(&after("--shutdown-timeout="));
    assert!(seconds(&after("terminationGracePeriodSeconds:")) > stop);
    for probe in ["/readyz", "/livez"] {
        assert!(manifest.contains(&format!("httpGet: {{ path: {probe}, port: admin }}")));
    }
}
