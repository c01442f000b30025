//! What is no message is refused with the right status and a text that names
//! what is wrong, and changes nothing.

use crate::support::messages::{launch, speed_up};
use crate::support::{Request, Service, problem};
use serde_json::Value;

const LAUNCH: &str = r#"{"metadata":{"channel":"bad","messageNumber":1,"messageType":"RocketLaunched","messageTime":"2022-02-02T18:39:05Z"},"message":{"type":"Falcon-9","launchSpeed":500,"mission":"ARTEMIS"}}"#;

/// Larger than any body may be here.
const MAX_BODY: usize = 4096;

struct Case {
    what: String,
    body: Vec<u8>,
    status: u16,
    /// What the complaint must hold.
    names: &'static str,
}

fn case(body: impl AsRef<[u8]>, status: u16, names: &'static str) -> Case {
    let body = body.as_ref().to_vec();
    let what = String::from_utf8_lossy(&body).chars().take(400).collect();
    Case { what, body, status, names }
}

/// The launch with some part of it replaced.
fn launch_but(part: &str, by: &str, names: &'static str) -> Case {
    assert!(LAUNCH.contains(part), "{part}");
    case(LAUNCH.replace(part, by), 422, names)
}

/// A message of another kind with `body`.
fn kind(kind: &str, body: &str, names: &'static str) -> Case {
    let start = LAUNCH.split_once(r#","message":"#).unwrap().0.replace("RocketLaunched", kind);
    case(format!(r#"{start},"message":{body}}}"#), 422, names)
}

fn not_json() -> Vec<Case> {
    let invalid = |at: &str, bytes: &[u8]| {
        let (before, after) = LAUNCH.split_once(at).unwrap();
        [before.as_bytes(), bytes, after.as_bytes()].concat()
    };
    let bodies: Vec<Vec<u8>> = vec![
        b"".into(),
        b" \n".into(),
        b"hello".into(),
        b"{".into(),
        b"}".into(),
        b"nul".into(),
        b"{\"metadata\":}".into(),
        b"{'metadata':{}}".into(),
        b"{metadata:{}}".into(),
        b"<message/>".into(),
        b"channel=a&messageNumber=1".into(),
        b"\0".into(),
        b"NaN".into(),
        b"-".into(),
        b"01".into(),
        b"\"half".into(),
        b"\"\\x\"".into(),
        b"\"a\nb\"".into(),
        // Cut off, and too long.
        LAUNCH[..LAUNCH.len() - 1].into(),
        LAUNCH[..40].into(),
        format!("{LAUNCH}}}").into(),
        format!("{LAUNCH}{LAUNCH}").into(),
        format!("{LAUNCH},").into(),
        format!("{LAUNCH}\0").into(),
        LAUNCH.replace("}}", "},}").into(),
        LAUNCH.replace("500,", "500,,").into(),
        LAUNCH.replace("500", "0500").into(),
        LAUNCH.replace("500", "+500").into(),
        LAUNCH.replace("500", "5.").into(),
        LAUNCH.replace("500", "0x1F").into(),
        LAUNCH.replace("500", "Infinity").into(),
        LAUNCH.replace("500", "500 /* fast */").into(),
        // Less than a surrogate.
        LAUNCH.replace("ARTEMIS", r"\ud83").into(),
        // A control character that is not escaped.
        LAUNCH.replace("ARTEMIS", "ART\u{1}EMIS").into(),
        // Not UTF-8: a stray byte, an overlong form, a surrogate, Latin-1.
        invalid("ARTEMIS", b"\xff"),
        invalid("ARTEMIS", b"\xc0\x80"),
        invalid("ARTEMIS", b"\xed\xa0\x80"),
        invalid("bad", b"caf\xe9"),
        LAUNCH.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        // Deeper than anything a message needs.
        "[".repeat(MAX_BODY).into(),
        "{\"a\":".repeat(MAX_BODY / 5).into(),
        // Wrong in two ways: not JSON counts.
        br#"{"metadata":{},"metadata":{}"#.into(),
        br#"{"metadata":{"messageNumber":-1},"message":{}} x"#.into(),
    ];
    bodies.into_iter().map(|body| case(body, 400, "JSON")).collect()
}

fn not_an_object() -> Vec<Case> {
    let mut cases: Vec<_> = ["null", "true", "1", "1.5", r#""text""#, "[]", "[{}]"]
        .iter()
        .map(|body| case(body, 422, "message"))
        .collect();
    cases.extend([
        case("{}", 422, "metadata"),
        case(r#"{"Metadata":{},"Message":{}}"#, 422, "metadata"),
        case(r#"{"message":{}}"#, 422, "metadata"),
        case(r#"{"metadata":null,"message":{}}"#, 422, "metadata"),
        case(r#"{"metadata":[],"message":{}}"#, 422, "metadata"),
        case(r#"{"metadata":"x","message":{}}"#, 422, "metadata"),
        case(format!("[{LAUNCH}]"), 422, "message"),
    ]);
    for message in ["null", "[]", "7", r#""x""#, "false"] {
        cases.push(kind("RocketLaunched", message, "message: expected an object"));
    }
    let (metadata, _) = LAUNCH.split_once(r#","message":"#).unwrap();
    cases.push(case(format!("{metadata}}}"), 422, "message: expected an object"));
    cases
}

fn bad_metadata() -> Vec<Case> {
    let channel = |value: &str| {
        launch_but(r#""channel":"bad""#, &format!(r#""channel":{value}"#), "metadata.channel")
    };
    let number = |value: &str| {
        let by = format!(r#""messageNumber":{value}"#);
        launch_but(r#""messageNumber":1"#, &by, "metadata.messageNumber")
    };
    let time = |value: &str| launch_but(r#""2022-02-02T18:39:05Z""#, value, "metadata.messageTime");
    let other = |value: &str| launch_but(r#""RocketLaunched""#, value, "metadata.messageType");
    let mut cases = vec![
        launch_but(r#""channel":"bad","#, "", "metadata.channel"),
        launch_but(r#""channel""#, r#""Channel""#, "metadata.channel"),
        launch_but(r#""messageNumber":1,"#, "", "metadata.messageNumber"),
        launch_but(r#","messageTime":"2022-02-02T18:39:05Z""#, "", "metadata.messageTime"),
        launch_but(r#""messageType":"RocketLaunched","#, "", "metadata.messageType"),
        channel(&format!(r#""{}""#, "c".repeat(129))),
        channel(&format!(r#""{}c""#, "й".repeat(64))),
    ];
    cases.extend(
        [r#""""#, "null", "7", "{}", r#"["a"]"#, r#""a\u0000""#, r#""\n""#, r#""a\u007f""#]
            .map(channel),
    );
    cases.push(channel(r#""\u0085""#));
    cases.extend(
        ["0", "-1", "-0", "0.0", "1.5", "1e-1", "1e16", r#""1""#, "null", "true"].map(number),
    );
    cases.extend(["[1]", "{}", "-9223372036854775808", "1e400000"].map(number));
    let highest = [
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
    ];
    cases.extend(highest.map(number));
    cases.extend(
        [
            r#""""#,
            r#""yesterday""#,
            r#""2022-02-02""#,
            r#""2022-02-02 18:39:05Z""#,
            r#""2022-02-30T18:39:05Z""#,
            r#""2022-02-02T24:00:00Z""#,
            r#""2022-02-02T18:39Z""#,
            r#""2022-02-02T18:39:05ZZ""#,
            r#""2022-02-02T18:39:05+25:00""#,
            r#"" 2022-02-02T18:39:05Z""#,
            r#""22-02-02T18:39:05Z""#,
            r#""2022-02-02T18:39:05.Z""#,
            r#""9999-12-31T23:59:59-01:00""#,
            "1643827145",
            "null",
            "[]",
        ]
        .map(time),
    );
    cases.extend(
        [r#""""#, r#""RocketLanded""#, r#""rocketlaunched""#, "null", "1", "{}"].map(other),
    );
    cases
}

fn bad_bodies() -> Vec<Case> {
    let long = format!(r#""{}""#, "t".repeat(257));
    let wide = format!(r#""{}t""#, "й".repeat(128));
    let deep = format!("{}{}", "[".repeat(1500), "]".repeat(1500));
    let mut cases = Vec::new();
    for value in [r#""""#, "null", "1", "{}", "[]", "true", &long, &wide, &deep] {
        let kind = |name, body: &str, names| kind(name, &body.replace('@', value), names);
        cases.extend([
            launch_but(r#""Falcon-9""#, value, "message.type"),
            launch_but(r#""ARTEMIS""#, value, "message.mission"),
            kind("RocketMissionChanged", r#"{"newMission":@}"#, "message.newMission"),
            kind("RocketExploded", r#"{"reason":@}"#, "message.reason"),
        ]);
    }
    for value in ["-1", "1.5", "5e-2", r#""500""#, "null", "[]", "{}", "9223372036854775808"] {
        let kind = |name, body: &str, names| kind(name, &body.replace('@', value), names);
        cases.extend([
            launch_but("500", value, "message.launchSpeed"),
            kind("RocketSpeedIncreased", r#"{"by":@}"#, "message.by"),
            kind("RocketSpeedDecreased", r#"{"by":@}"#, "message.by"),
        ]);
    }
    cases.extend([
        launch_but(r#""type":"Falcon-9","#, "", "message.type"),
        launch_but(r#""launchSpeed":500,"#, "", "message.launchSpeed"),
        launch_but(r#","mission":"ARTEMIS""#, "", "message.mission"),
        kind("RocketSpeedIncreased", "{}", "message.by"),
        kind("RocketSpeedDecreased", r#"{"By":1}"#, "message.by"),
        kind("RocketMissionChanged", r#"{"mission":"APOLLO"}"#, "message.newMission"),
        kind("RocketExploded", r#"{"newMission":"APOLLO"}"#, "message.reason"),
    ]);
    cases
}

fn duplicated_keys() -> Vec<Case> {
    let twice = |part: &str, names| launch_but(part, &format!("{part},{part}"), names);
    vec![
        twice(r#""message":{"type":"Falcon-9","launchSpeed":500,"mission":"ARTEMIS"}"#, "message"),
        launch_but(r#"{"metadata""#, r#"{"metadata":{},"metadata""#, "metadata"),
        launch_but(r#"{"metadata""#, r#"{"metadata":null,"metadata""#, "metadata"),
        twice(r#""channel":"bad""#, "metadata.channel"),
        twice(r#""messageNumber":1"#, "metadata.messageNumber"),
        twice(r#""messageTime":"2022-02-02T18:39:05Z""#, "metadata.messageTime"),
        twice(r#""messageType":"RocketLaunched""#, "metadata.messageType"),
        twice(r#""type":"Falcon-9""#, "message.type"),
        twice(r#""launchSpeed":500"#, "message.launchSpeed"),
        twice(r#""mission":"ARTEMIS""#, "message.mission"),
        // However they are spelled, and whether this type of message has them or not.
        launch_but(r#""mission":"#, r#""miss\u0069on":"X","mission":"#, "message.mission"),
        launch_but(r#""mission":"#, r#""by":1,"by":2,"mission":"#, "message.by"),
        kind("RocketSpeedIncreased", r#"{"by":1,"by":1}"#, "message.by"),
        kind(
            "RocketMissionChanged",
            r#"{"newMission":"A","newMission":"A"}"#,
            "message.newMission",
        ),
        kind("RocketExploded", r#"{"reason":"A","reason":"A"}"#, "message.reason"),
    ]
}

fn too_large() -> Vec<Case> {
    let padded = |length: usize| format!("{LAUNCH}{}", " ".repeat(length - LAUNCH.len()));
    vec![
        case(padded(MAX_BODY + 1), 413, "4096"),
        case(padded(100 * MAX_BODY), 413, "4096"),
        case("x".repeat(MAX_BODY + 1), 413, "4096"),
        case(vec![0xff; 2 * MAX_BODY], 413, "4096"),
    ]
}

#[test]
fn each_bad_body_gets_its_status_and_a_text_that_names_the_field() {
    let service = Service::start_with(|config| config.http.max_body = MAX_BODY);
    service.post(&[launch("good"), speed_up("good", 3, 7)]);
    let before = service.read("/rockets");
    let cases: Vec<_> =
        [not_json(), not_an_object(), bad_metadata(), bad_bodies(), duplicated_keys(), too_large()]
            .into_iter()
            .flatten()
            .collect();
    assert!(cases.len() >= 60, "{}", cases.len());

    let mut connection = service.connect();
    for Case { what, body, status, names } in &cases {
        // Alike with its length and in chunks, with `Accept` and without.
        let plain = Request::post(body);
        let chunked = Request::post(body).chunked(1000).header("accept", "application/json");
        for request in [plain, chunked] {
            let answer = connection.request(&request);
            assert_eq!(answer.status, *status, "{what}: {}", answer.text());
            let detail = problem(&answer, *status);
            assert!(detail.contains(names), "{what}: {detail:?} does not name {names}");
        }
    }

    assert_eq!(service.read("/rockets"), before);
    assert_eq!(service.read("/missions")["missions"], Value::from(vec!["ARTEMIS"]));
    problem(&service.get("/rockets/bad"), 404);
    assert_eq!(connection.request(&Request::message(&launch("bad"))).outcome(), "applied");
    assert_eq!(service.post(&[speed_up("good", 2, 7)]), "applied");
}

#[test]
fn a_complaint_says_what_was_expected() {
    let service = Service::start();
    for (part, by, expected) in [
        (r#""messageNumber":1"#, r#""messageNumber":0"#, "from 1 to 9223372036854775807"),
        (r#""launchSpeed":500"#, r#""launchSpeed":-1"#, "from 0 to 9223372036854775807"),
        (r#""channel":"bad""#, r#""channel":"""#, "1 to 128 bytes"),
        (r#""channel":"bad""#, r#""channel":"\t""#, "control character"),
        (r#""mission":"ARTEMIS""#, r#""mission":"""#, "1 to 256 bytes"),
        ("2022-02-02T18:39:05Z", "noon", "RFC 3339"),
        ("RocketLaunched", "RocketLanded", "RocketMissionChanged"),
    ] {
        let answer = service.send(&Request::post(LAUNCH.replace(part, by)));
        let detail = problem(&answer, 422);
        assert!(detail.contains(expected), "{detail}");
    }
}
