//! Lines of an import. An input is the text of an export.
//!
//! Each line is read or refused, with a short text and the number of a line that is
//! there. What was read, written again, is read as the same rockets; and what is
//! written of those is the same bytes.

use std::fmt::Write as _;

use downlink::journal::RocketSnapshot;
use downlink::tool::lines::{Found, Reader, Writer};

use super::{Kind, Way, ensure};

pub const KIND: Kind = Kind {
    name: "lines",
    about: "lines of an import: read or refused, and the same when they are exported again",
    words: &[
        "\n",
        "{\"format\":\"downlink export\",\"version\":1,\"release\":\"0.1.0\"}\n",
        "{\"rockets\":1,\"buffered_messages\":0}\n",
        "{\"rockets\":0,\"buffered_messages\":0}",
        "null",
        "0",
        "1",
        "-1",
        "9007199254740991",
        "9007199254740992",
        "18446744073709551615",
        "1.0",
        "1e3",
        "\"2022-02-02T18:39:05.86337Z\"",
        "\"2022-02-02T23:59:60Z\"",
        "\"9999-12-31T23:59:59+14:00\"",
        "\"buffered\":[",
        "{\"number\":3,\"time\":\"2022-02-02T18:39:07Z\",\
         \"event\":{\"type\":\"RocketSpeedIncreased\",\"by\":3000}}",
        "\"RocketExploded\"",
        "\"reason\"",
        "\"ranges\":[[2,3]]",
        "\"history\":\"AAAA\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        ",",
        "[",
        "]",
        "{",
        "}",
    ],
    most: 4 * 1024,
    make: || Box::new(attempt),
};

/// Of a complaint, in bytes: most characters of one may take four.
const LONGEST: usize = 4 * 600;

/// How it ended, and the rockets up to there.
type Lines = (Result<(), (u64, String)>, Vec<RocketSnapshot>);

fn read(text: &[u8]) -> Lines {
    let mut reader = Reader::new(text);
    let mut rockets = Vec::new();
    let ended = reader.header().and_then(|()| {
        loop {
            match reader.read()? {
                Found::Rocket(rocket) => rockets.push(*rocket),
                Found::End { .. } => return Ok(()),
            }
        }
    });
    (ended.map_err(|problem| (reader.line(), problem)), rockets)
}

fn written(rockets: &[RocketSnapshot]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut writer = Writer::new(&mut text).expect("a Vec takes all");
    for rocket in rockets {
        writer.write(rocket.clone()).expect("a Vec takes all");
    }
    writer.end().expect("a Vec takes all");
    text
}

fn attempt(input: &[u8]) -> Result<Way, String> {
    let (ended, rockets) = read(input);
    let mut way = match &ended {
        Ok(()) => "whole".to_owned(),
        Err((line, problem)) => {
            let lines = input.split(|byte| *byte == b'\n').count() as u64;
            // What is cut off is missed behind the last one.
            ensure!((1..=lines + 1).contains(line), "line {line} of {lines}: {problem}");
            ensure!(problem.len() <= LONGEST, "{} bytes: {problem}", problem.len());
            let letters = |char: &char| !char.is_ascii_digit() && *char != '"';
            format!("refused: {}", problem.chars().take_while(letters).collect::<String>())
        }
    };
    for rocket in rockets.iter().take(3) {
        let RocketSnapshot { flight, buffered, lost, history, .. } = rocket;
        let (early, gone, past) =
            (buffered.len().min(3), lost.count().min(2), history.len().min(1));
        let _ = write!(way, "; {} {early} {gone} {past}", flight.is_some());
    }
    let text = written(&rockets);
    let (ended, again) = read(&text);
    ensure!(ended.is_ok(), "what was written is refused: {ended:?}");
    ensure!(again == rockets, "{rockets:?} came back as {again:?}");
    ensure!(written(&again) == text, "it is written in another way");
    Ok(way)
}
