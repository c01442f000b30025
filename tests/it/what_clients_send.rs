//! What libraries, shells and shippers really send, and what they can take in.
//! Compression has a file of its own (`compressed`).

use crate::support::messages::{launch, speed_up};
use crate::support::{Request, Response, Service, kind, problem};
use serde_json::{Value, json};

const MARK: &str = "\u{feff}";

const LAUNCH: &str = r#"{"metadata":{"channel":"a","messageNumber":1,"messageType":"RocketLaunched","messageTime":"2022-02-02T18:39:05Z"},"message":{"type":"Falcon-9","launchSpeed":500,"mission":"ARTEMIS"}}"#;

fn many(media: &str, body: impl AsRef<[u8]>) -> Request {
    Request::post(body).header("Content-Type", media)
}

fn json_array(body: impl AsRef<[u8]>) -> Request {
    many("application/json", body)
}

#[track_caller]
fn counts(answer: &Response) -> (String, u64, u64) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let count = |field: &str| body[field].as_u64().unwrap();
    let accepted = count("applied") + count("buffered") + count("duplicate");
    (body["status"].as_str().unwrap().to_owned(), accepted, count("rejected"))
}

#[test]
fn a_byte_order_mark_costs_no_message() {
    let service = Service::start();
    let one = service.send(&Request::post(format!("{MARK}{}", launch("one"))));
    assert_eq!(one.status, 204, "{}", one.text());
    // Files that were written apart and put together have one in the middle.
    let lines = format!(
        "{MARK}{}\r\n{}\n{MARK}\r\n{MARK}{}\n",
        launch("a"),
        speed_up("a", 2, 1),
        launch("b")
    );
    let request = many("application/x-ndjson", lines);
    assert_eq!(counts(&service.send(&request)), ("success".to_owned(), 3, 0));
    // However it is torn apart on the way.
    assert_eq!(counts(&service.send(&request.chunked(2))), ("success".to_owned(), 3, 0));
    let array = json_array(format!("{MARK} [{}]", launch("c")));
    assert_eq!(counts(&service.send(&array.clone().chunked(1))), ("success".to_owned(), 1, 0));
    // It is not white space: anywhere else it is no JSON.
    for body in [format!("{}{MARK}", launch("x")), format!("{MARK}{MARK}{}", launch("x"))] {
        problem(&service.send(&Request::post(body)), 400);
    }
}

#[test]
fn one_message_a_line_has_many_names() {
    let service = Service::start();
    for (at, media) in [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/json-lines",
        "application/x-jsonl",
        "text/x-ndjson",
        "Application/NDJSON ; charset=UTF-8",
        "application/jsonl;charset=\"utf-8\"",
    ]
    .into_iter()
    .enumerate()
    {
        let (first, second) = (launch(&format!("{at}-1")), launch(&format!("{at}-2")));
        let answer = service.send(&many(media, format!("{first}\n{second}\n")));
        assert_eq!(counts(&answer), ("success".to_owned(), 2, 0), "{media}");
    }
}

#[test]
fn any_other_charset_is_told() {
    let service = Service::start();
    let body = launch("a").to_string();
    for media in [
        "application/json; charset=iso-8859-1",
        "application/json;CharSet=\"UTF-16\"",
        "application/x-ndjson; a=\";\"; charset=utf-16le",
        "text/plain;charset=windows-1252",
    ] {
        let detail = problem(&service.send(&many(media, &body)), 415);
        assert!(detail.contains("UTF-8"), "{media}: {detail}");
    }
    for (at, charset) in ["utf-8", "UTF-8", "utf8", "us-ascii"].into_iter().enumerate() {
        let media = format!("application/json; charset={charset}");
        let answer = service.send(&many(&media, launch(&at.to_string()).to_string()));
        assert_eq!(answer.status, 204, "{charset}: {}", answer.text());
    }
}

#[test]
fn many_messages_under_the_name_of_one_are_told_the_right_name() {
    let service = Service::start();
    let lines = format!("{}\n{}\n", launch("a"), launch("b"));
    for media in ["application/json", "application/x-www-form-urlencoded"] {
        let detail = problem(&service.send(&many(media, &lines)), 400);
        assert!(detail.contains("application/x-ndjson"), "{detail}");
    }
    let array = json!([launch("a")]).to_string();
    let detail = problem(&service.send(&Request::post(&array)), 422);
    assert!(detail.contains("application/json"), "{detail}");
    // And what is only broken is not taken for many.
    let detail = problem(&service.send(&Request::post(format!("{LAUNCH} x"))), 400);
    assert!(!detail.contains("ndjson"), "{detail}");
}

#[test]
fn an_array_of_messages_is_as_many_messages() {
    let service = Service::start();
    let tricky = launch("a").to_string().replace("ARTEMIS", r#"[,]}{\"\\"#);
    let sent = format!(
        " \n[ {tricky} ,\n{},{},\n {{\"x\":[1,{{}}]}}, 7,{}]\n",
        speed_up("a", 2, 5),
        speed_up("a", 2, 5),
        speed_up("a", 4, 5),
    );
    for size in [100_000, 1, 7] {
        let service = Service::start();
        let answer = service.send(&json_array(&sent).chunked(size));
        assert_eq!(counts(&answer), ("partial".to_owned(), 4, 2), "{}", answer.text());
        let body = answer.json();
        assert_eq!((&body["applied"], &body["buffered"]), (&json!(2), &json!(1)));
        let errors = body["errors"].as_array().unwrap();
        assert_eq!((&errors[0]["index"], &errors[1]["index"]), (&json!(3), &json!(4)));
        assert_eq!(errors[0].get("line"), None);
        let text = errors[1]["error"].as_str().unwrap();
        assert!(text.contains("expected an object, found 7"), "{text}");
        assert_eq!(service.read("/rockets/a")["mission"], r#"[,]}{"\"#);
    }
    // One element that is too large is no more than that, and a whole array may
    // be larger than a message.
    let padding = " ".repeat(70_000);
    let long = format!("[{},{{{padding}}},{padding}{}]", launch("b"), launch("c"));
    let answer = service.send(&json_array(long));
    assert_eq!(counts(&answer), ("partial".to_owned(), 2, 1), "{}", answer.text());
    let text = answer.json()["errors"][0]["error"].to_string();
    assert!(text.contains("larger than 65536 bytes"), "{text}");
}

#[test]
fn an_array_that_is_cut_off_keeps_what_was_whole_and_says_so() {
    for (body, accepted, at, says) in [
        (format!("[{},{}", launch("a"), &LAUNCH[..50]), 1, 1, "cut off"),
        (format!("[{},", launch("a")), 1, 1, "cut off"),
        (format!("[{}", launch("a")), 1, 1, "cut off"),
        (format!("[{}", &LAUNCH[..50]), 0, 0, "cut off"),
        (format!("[{},]", launch("a")), 1, 1, "expected a message, found nothing"),
        (format!("[{},,{}]", launch("a"), launch("b")), 2, 1, "found nothing"),
        (format!("[{}] x", launch("a")), 1, 1, "behind the array"),
        (format!("[{}][{}]", launch("a"), launch("b")), 1, 1, "behind the array"),
    ] {
        let service = Service::start();
        let answer = service.send(&json_array(&body));
        let counted = answer.json();
        assert_eq!(counted["rejected"], 1, "{body}: {counted}");
        assert_eq!(counted["errors"][0]["index"], at, "{body}: {counted}");
        let text = counted["errors"][0]["error"].as_str().unwrap();
        assert!(text.contains(says), "{body}: {text}");
        if accepted == 0 {
            assert_eq!(answer.status, 422, "{body}");
        } else {
            assert_eq!(counts(&answer), ("partial".to_owned(), accepted, 1), "{body}");
        }
    }
}

#[test]
fn an_array_has_the_bounds_of_lines() {
    let service = Service::start_with(|config| config.http.max_bulk_body = 2000);
    let sent: Vec<_> = (1..=20).map(|number| speed_up("a", number, 1)).collect();
    let array = json_array(Value::from(sent).to_string());
    problem(&service.send(&array), 413);
    problem(&service.send(&array.chunked(700)), 413);
    // And one message has the bound of one, told or not, under the same name.
    let service = Service::start_with(|config| config.http.max_body = 2000);
    let one = json_array(format!("{LAUNCH}{}", " ".repeat(2000)));
    for request in [one.clone(), one.chunked(300)] {
        let detail = problem(&service.send(&request), 413);
        assert!(detail.contains("2000"), "{detail}");
    }
}

#[test]
fn a_client_that_asks_first_hears_of_one_message_that_is_too_large() {
    let service = Service::start_with(|config| config.http.max_body = 2000);
    let mut client = service.connect();
    client.send(
        b"POST /messages HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
          content-type: application/json\r\ncontent-length: 9000\r\n\r\n",
    );
    // It might have been an array.
    assert_eq!(client.receive_head().unwrap().status, 100);
    client.send(LAUNCH.as_bytes());
    client.send(" ".repeat(9000 - LAUNCH.len()).as_bytes());
    problem(&client.receive(), 413);
}

#[test]
fn a_pipeline_that_sends_nothing_does_not_look_well() {
    let service = Service::start();
    for (media, body) in [
        ("application/x-ndjson", ""),
        ("application/x-ndjson", "\n \r\n\n"),
        ("application/json", "[]"),
        ("application/json", " [ \n] "),
    ] {
        let answer = service.send(&many(media, body));
        let detail = problem(&answer, 400);
        assert_eq!(kind(&answer), "/problems/no-message");
        assert!(detail.contains("no message"), "{detail}");
    }
}

#[test]
fn whole_numbers_count_however_they_are_written() {
    for (written, speed) in [
        ("500.0", 500),
        ("5e2", 500),
        ("5E+2", 500),
        ("50000e-2", 500),
        ("0.5e3", 500),
        ("0.0", 0),
        ("-0", 0),
        ("-0.0e7", 0),
        ("0e400", 0),
        ("9007199254740991.0", 9_007_199_254_740_991_u64),
        ("9007199254740991000e-3", 9_007_199_254_740_991),
    ] {
        let service = Service::start();
        let body = LAUNCH.replace("500", written).replace(":1,", ":1.0,");
        let answer = service.send(&Request::post(body));
        assert_eq!(answer.status, 204, "{written}: {}", answer.text());
        assert_eq!(service.read("/rockets/a")["speed"], speed, "{written}");
    }
    let service = Service::start();
    for written in [
        "1.5",
        "9007199254740992.0",
        "9007199254740993.0",
        "1e16",
        "1e-1",
        "-1.0",
        "18446744073709551616",
        "1e400",
        "-1e400",
        "1e99999999999999999999",
        "1e-400",
    ] {
        for field in ["500", ":1,"] {
            let by = if field == "500" { written.to_owned() } else { format!(":{written},") };
            let answer = service.send(&Request::post(LAUNCH.replace(field, &by)));
            let detail = problem(&answer, 422);
            assert!(detail.ends_with(&format!("found {written}")), "{written}: {detail}");
            let name =
                if field == "500" { "message.launchSpeed" } else { "metadata.messageNumber" };
            assert!(detail.starts_with(name), "{written}: {detail}");
        }
    }
}

#[test]
fn json_that_few_can_read_is_still_json() {
    let service = Service::start();
    for (part, by, field) in [
        ("500", "1e400", "message.launchSpeed"),
        ("ARTEMIS", r"\ud83d", "message.mission"),
        ("ARTEMIS", r"\ude80\ud83d", "message.mission"),
        (r#""a""#, r#""\udead""#, "metadata.channel"),
        (r#""a""#, "1e999", "metadata.channel"),
        ("2022-02-02T18:39:05Z", r"\ud800", "metadata.messageTime"),
        ("RocketLaunched", r"Rocket\udfff", "metadata.messageType"),
        (r#"{"type":"Falcon-9","launchSpeed":500,"mission":"ARTEMIS"}"#, "1e400", "message"),
        (r#"{"type":"Falcon-9","launchSpeed":500,"mission":"ARTEMIS"}"#, r#""\ud800""#, "message"),
    ] {
        let body = LAUNCH.replace(part, by);
        let detail = problem(&service.send(&Request::post(&body)), 422);
        assert!(detail.starts_with(field), "{by}: {detail}");
        let line = many("application/x-ndjson", format!("{body}\n{}\n", launch("z")));
        assert_eq!(counts(&service.send(&line)).2, 1, "{body}");
    }
    for whole in ["1e400", r#""\ud800""#] {
        let detail = problem(&service.send(&Request::post(whole)), 422);
        assert!(detail.starts_with("the message"), "{detail}");
    }
    // In what is ignored it is ignored: values, keys, and at any depth.
    let odd = r#""x":1e400,"\ud800":1,"\udfff":{"\ud800":["\ud800",1e999]},"y":"\ud800","#;
    let body = LAUNCH
        .replacen('{', &format!("{{{odd}"), 1)
        .replace(r#""channel""#, &format!(r#"{odd}"channel""#))
        .replace(r#""type""#, &format!(r#"{odd}"type""#));
    let answer = service.send(&Request::post(&body));
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(service.read("/rockets/a")["speed"], 500);
    // A field given twice is still one too many, and a broken text broken.
    let twice = body.replace(r#""mission""#, r#""mission":"X","mission""#);
    let detail = problem(&service.send(&Request::post(twice)), 422);
    assert!(detail.starts_with("message.mission: is given twice"), "{detail}");
    for broken in [&body[..body.len() - 1], &body.replace("ARTEMIS", r"\ud8"), &format!("{body}]")]
    {
        problem(&service.send(&Request::post(broken)), 400);
    }
}

#[test]
fn the_more_precise_range_decides_what_is_accepted() {
    let service = Service::start();
    let mut number = 1;
    for (accept, json) in [
        (&b"*/*"[..], true),
        (b"application/json", true),
        (b"application/json;q=0, */*", false),
        (b"*/*, application/json;q=0.0", false),
        (b"application/*;q=0, */*;q=1", false),
        (b"application/json;q=0.1, application/*;q=0", true),
        (b"*/*;q=0, application/json", true),
        (b"text/html, */*;q=0.001", true),
        (b"text/html;x=\",*/*\"", false),
        (b"text/html;x=\"\xe9\", application/json", true),
        (b"\xff, */*", true),
        (b"application/json;v=\"\xc3\xa9\"", true),
    ] {
        let body = speed_up("a", number, 1).to_string();
        number += 1;
        let head = format!(
            "POST /messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\naccept: ",
            body.len()
        );
        let mut client = service.connect();
        client.send(&[head.as_bytes(), accept, b"\r\n\r\n", body.as_bytes()].concat());
        let shown = String::from_utf8_lossy(accept);
        assert_eq!(client.receive().status, if json { 200 } else { 204 }, "{shown}");
    }
    // In headers of their own, ranges are those of one list.
    let body = speed_up("a", number, 1).to_string();
    let two = Request::post(body).header("accept", "*/*").header("accept", "application/json;q=0");
    assert_eq!(service.send(&two).status, 204);
}

#[test]
fn errors_echo_little_of_what_was_sent() {
    let service = Service::start();
    let long = "y".repeat(20_000);
    let quotes = "%22".repeat(5_000);
    let lines = |part: &str, by: &str| many("application/x-ndjson", LAUNCH.replace(part, by));
    let one = |part: &str, by: &str| Request::post(LAUNCH.replace(part, by));
    let mut requests =
        vec![Request::post(format!("[\"{long}\"")), json_array(format!("[\"{long}\"]"))];
    for part in ["a", "2022-02-02T18:39:05Z", "RocketLaunched"] {
        requests.push(one(&format!("\"{part}\""), &format!("\"{long}\"")));
        requests.push(lines(&format!("\"{part}\""), &format!("\"{long}\"")));
    }
    for digits in [
        "7".repeat(20_000),
        format!("1e{}", "7".repeat(20_000)),
        format!("7.{}", "7".repeat(20_000)),
    ] {
        requests.push(one("500", &digits));
        requests.push(lines("500", &digits));
    }
    requests.push(one("ARTEMIS", &format!(r"\ud800{long}")));
    requests.push(one("type", &format!(r#"{long}":1,"{long}"#)));
    for text in [&long, &quotes] {
        for target in [
            format!("/{text}"),
            format!("/rockets/{text}"),
            format!("/missions/{text}"),
            format!("/rockets?{text}=1"),
            format!("/rockets?{text}=1&{text}=2"),
            format!("/rockets?limit={text}"),
            format!("/rockets?sort={text}"),
            format!("/rockets?order={text}"),
            format!("/rockets?status={text}"),
            format!("/rockets?cursor={text}"),
            format!("/rockets/a?{text}"),
            format!("/missions?{text}"),
        ] {
            requests.push(Request::get(&target));
        }
    }
    for request in &requests {
        let answer = service.send(request);
        let body = answer.text();
        let head = format!("{request:?}");
        assert!(answer.status >= 400, "{}: {body}", &head[..200]);
        for of in ['y', '7'] {
            let echoed = body.matches(of).count();
            assert!(echoed <= 200, "{echoed} of {}: {body}", &head[..100]);
        }
        assert!(body.len() < 1500, "{} bytes to {}: {body}", body.len(), &head[..100]);
    }
}
