//! What must hold of a rocket that is stored, whoever made it: what is written was
//! asserted to make sense, and what is read back is held to the same. Does not own
//! how it is written and read (`rocket_row`).

use crate::journal::{MAX_ROW_ID, RocketSnapshot};
use crate::telemetry::Report;
use crate::telemetry::message::MAX_TEXT_BYTES;
use crate::telemetry::past::{self, FlightState, State};
use crate::telemetry::rocket::FlightSnapshot;

/// What holds of every rocket that is stored, whoever made it.
pub(super) fn check_all(rocket: &RocketSnapshot) -> Result<(), String> {
    check(rocket)?;
    check_history(rocket)?;
    check_waits_once(&rocket.buffered)
}

/// Apart from [`check`], since a checkpoint's rockets, which are many, come from
/// where no message can wait twice.
fn check_waits_once(buffered: &[Report]) -> Result<(), String> {
    let mut numbers: Vec<u64> = buffered.iter().map(|report| report.number).collect();
    numbers.sort_unstable();
    match numbers.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("message {} waits twice", pair[0])),
        None => Ok(()),
    }
}

/// Apart from [`check`], since it takes some time, and what is written was made of
/// the same rocket.
fn check_history(rocket: &RocketSnapshot) -> Result<(), String> {
    let RocketSnapshot { last_message_number, last_update_time, flight, history, .. } = rocket;
    if history.is_empty() {
        return Ok(());
    }
    let time = last_update_time.ok_or("it has a past and no last message")?;
    let flight = flight.as_ref().map(|flight| FlightState {
        speed: flight.speed,
        mission: flight.mission.clone(),
        explosion: flight.explosion_reason.clone(),
    });
    past::check(history, State { number: *last_message_number, time, flight })
        .map_err(|problem| format!("its recent past: {problem}"))
}

/// What holds of every rocket that is stored, whatever happened to it.
pub(super) fn check(rocket: &RocketSnapshot) -> Result<(), String> {
    let RocketSnapshot { row_id, last_message_number, last_update_time, flight, buffered, .. } =
        rocket;
    let lost = &rocket.lost;
    let problem = if *row_id == 0 {
        "its id is 0"
    } else if *row_id > MAX_ROW_ID {
        "its id is out of range"
    } else if (*last_message_number > 0) != last_update_time.is_some() {
        "it has a last message without its time, or the reverse"
    } else if flight.is_some() && *last_message_number == 0 {
        "it is launched without a message"
    } else if flight.as_ref().is_some_and(|flight| !has_possible_texts(flight)) {
        "a text of it is longer or shorter than any"
    } else if *last_message_number == 1
        && flight.as_ref().is_some_and(|flight| flight.explosion_reason.is_some())
    {
        "it exploded with its first message"
    } else if buffered.iter().any(|report| report.number <= last_message_number + 1) {
        "a message waits though none before it is missing"
    } else if rocket.waiting_since.is_some() && buffered.is_empty() {
        "it waits for a message, and none waits for that"
    } else if rocket.quiet_since.is_some()
        && flight.as_ref().is_none_or(|flight| flight.explosion_reason.is_none())
    {
        "it is quiet, and has not exploded"
    } else if !lost.is_empty()
        && lost.ranges().last().is_none_or(|last| last.1 >= *last_message_number)
    {
        "a message is lost, and none after it has counted"
    } else {
        return Ok(());
    };
    Err(problem.to_owned())
}

/// Whether a message may have had each of them.
fn has_possible_texts(flight: &FlightSnapshot) -> bool {
    let FlightSnapshot { rocket_type, mission, explosion_reason, .. } = flight;
    let texts = [Some(rocket_type), Some(mission), explosion_reason.as_ref()];
    texts.iter().flatten().all(|text| (1..=MAX_TEXT_BYTES).contains(&text.len()))
}
