//! `DELETE /rockets/{id}` forgets a rocket, for good: nothing of it is left but its
//! line in the archive, and what comes on its channel begins anew. So does
//! `--forget-exploded-after`, of its own accord.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::support::fleet::{TestFleet, channel, deadline, name, parse, shape};
use crate::support::http::{Response, next_page};
use crate::support::journal::HeldJournal;
use crate::support::messages::{change_mission, explode, launch, launch_as, speed_up};
use crate::support::scrape::Scrape;
use crate::support::{Request, Service, eventually, kind, passing_problem, problem};
use downlink::config::{Config, Durability};
use downlink::fleet::limits::{HistoryLimits, Limits, Quotas};
use downlink::fleet::observer::Observer;
use downlink::fleet::outcome::{Cause, ForgetError, ForgetRefusal};
use downlink::fleet::query::{Position, Selection, Sort, SortKey};
use downlink::fleet::retention::Policy;
use downlink::fleet::roster::slot::Slot;
use downlink::fleet::roster::{Admission, Roster};
use downlink::fleet::view::{Lookup, Seen};
use downlink::journal::RocketSnapshot;
use downlink::telemetry::{Channel, Message, Timestamp};
use serde_json::{Value, json};
use tokio::time::sleep_until;

fn delete(service: &Service, id: &str) -> Response {
    service.send(&Request::new("DELETE", &format!("/rockets/{id}")))
}

fn kept_in(directory: &Path, workers: usize, policy: Policy) -> impl FnOnce(&mut Config) {
    let data_dir = directory.to_owned();
    move |config| {
        config.durability = Durability::Fsync;
        config.data_dir = data_dir;
        config.workers = workers;
        config.retention = policy;
    }
}

const BY_HAND: Policy = Policy { after: None, archives: true };

/// The lines of all days.
fn archived(directory: &Path) -> Vec<Value> {
    let Ok(files) = std::fs::read_dir(directory.join("archive")) else { return Vec::new() };
    let text = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    text.collect::<String>().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn nothing_of_it_is_left_and_what_comes_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start_with(kept_in(directory.path(), 2, BY_HAND));
    service.post(&[launch_as("a", "Electron", 7, "GEMINI"), launch("b")]);
    service.post(&[speed_up("a", 2, 3), speed_up("a", 4, 1), speed_up("early", 3, 1)]);
    let tags = |service: &Service| {
        ["/rockets", "/gaps", "/missions", "/missions/ARTEMIS"]
            .map(|path| service.get(path).header("etag").unwrap().to_owned())
    };
    let (before, shown) = (tags(&service), service.read("/rockets/a"));
    let answer = delete(&service, "a");
    assert_eq!((answer.status, &*answer.text()), (204, ""));
    assert!(tags(&service).iter().zip(&before).all(|(after, before)| after != before));
    assert_eq!(delete(&service, "early").status, 204);
    for id in ["a", "early", "nobody", "%00"] {
        let detail = problem(&delete(&service, id), 404);
        assert!(detail.contains("no rocket with the ID"), "{detail}");
        problem(&service.get(&format!("/rockets/{id}")), 404);
    }
    let detail = problem(&delete(&service, "b?force=1"), 400);
    assert!(detail.contains("force"), "{detail}");
    let check = |service: &Service| {
        assert_eq!(service.read("/missions"), json!({"missions": ["ARTEMIS"]}));
        assert_eq!(service.read("/gaps"), json!([]));
        assert_eq!(service.read("/rockets").as_array().unwrap().len(), 1);
        let scrape = Scrape::of(service);
        assert!(scrape.get("downlink_buffered_messages", &[]) < 0.5);
        assert!(scrape.get("downlink_rockets", &["status=\"not_launched\""]) < 0.5);
    };
    check(&service);
    let lines = archived(directory.path());
    assert_eq!(lines.len(), 2, "{lines:?}");
    let mut line = lines[0].clone();
    let members = line.as_object_mut().unwrap();
    let at = members.remove("forgotten_at").unwrap();
    assert!(Timestamp::parse(at.as_str().unwrap()).is_some(), "{at}");
    assert_eq!(members.remove("reason"), Some("deleted".into()));
    assert_eq!(line, shown);
    let found = ["id", "status", "buffered_messages"].map(|field| lines[1][field].clone());
    assert_eq!(found, ["early".into(), "NotLaunched".into(), Value::from(1)]);
    drop(service);

    let service = Service::start_with(kept_in(directory.path(), 3, BY_HAND));
    check(&service);
    // A straggler waits for a launch, as with any rocket; that may be another.
    assert_eq!(service.post(&[speed_up("a", 2, 3)]), "buffered");
    assert_eq!(service.post(&[launch_as("a", "Electron", 100, "SKYLAB")]), "applied");
    let reborn = service.read("/rockets/a");
    assert_eq!((&reborn["speed"], &reborn["last_message_number"]), (&103.into(), &2.into()));
    drop(service);
    let service = Service::start_with(kept_in(directory.path(), 1, BY_HAND));
    assert_eq!(service.read("/rockets/a"), reborn);
    assert_eq!(archived(directory.path()).len(), 2);
}

#[test]
fn one_that_looks_as_it_did_in_an_earlier_life_has_another_tag() {
    let service = Service::start();
    service.post(&[launch_as("a", "T", 1, "M")]);
    let tag = service.get("/rockets/a").header("etag").unwrap().to_owned();
    assert_eq!(delete(&service, "a").status, 204);
    service.post(&[launch_as("a", "T", 2, "M")]);
    let ask =
        |tag: &str| service.send(&Request::get("/rockets/a").header("if-none-match", tag)).status;
    assert_eq!(ask(&tag), 200);
    let tag = service.get("/rockets/a").header("etag").unwrap().to_owned();
    assert_eq!(ask(&tag), 304);
}

#[test]
fn a_page_goes_on_where_it_was_though_the_last_of_it_is_gone() {
    let service = Service::start();
    let ids = ["a", "b", "c", "d", "e"];
    service.post(&ids.map(launch));
    for target in ["/rockets?limit=2", "/rockets?limit=2&sort=id"] {
        let page = service.get(target);
        let next = next_page("/rockets", &page).unwrap();
        let last = if target.contains("sort") { "c" } else { "b" };
        assert_eq!(delete(&service, last).status, 204);
        let rest = service.read(&next);
        let rest: Vec<_> = rest.as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
        let expected: &[&str] = if target.contains("sort") { &["d", "e"] } else { &["c", "d"] };
        assert_eq!(rest, expected, "{target}");
    }
}

/// Hears who was forgotten.
#[derive(Default)]
struct Heard(Vec<(Slot, String)>);

impl Observer for Heard {
    fn forgotten(&mut self, slot: Slot, channel: &Channel) {
        self.0.push((slot, channel.to_string()));
    }
}

fn admit(roster: &mut Roster, message: &Message) -> downlink::fleet::roster::Ticket {
    match roster.admit(message) {
        Admission::Accepted(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn roster(quotas: &Arc<Quotas>) -> Roster {
    Roster::new(quotas.clone())
}

fn quotas() -> Arc<Quotas> {
    Arc::new(Quotas::new(Limits {
        buffered_per_rocket: 5,
        buffered: 10,
        rockets: 4,
        history: HistoryLimits::NONE,
    }))
}

#[test]
fn all_that_it_held_is_free_for_others() {
    let quotas = quotas();
    let mut roster = roster(&quotas);
    let mut heard = Heard::default();
    for round in 0..2000_i64 {
        for rocket in 0..4 {
            let id = format!("{round} {rocket}");
            let mission = format!("MISSION {id}");
            let story = [
                launch_as(&id, &format!("TYPE {id}"), round, &mission),
                change_mission(&id, 2, &format!("NEXT {id}")),
                explode(&id, 3, &format!("REASON {id}")),
                speed_up(&id, 5, 1),
                speed_up(&id, 7, 1),
            ];
            for message in &story[..if rocket == 3 { 1 } else { 5 }] {
                let message = parse(message);
                let ticket = admit(&mut roster, &message);
                roster.apply(ticket, message.report, &mut ());
            }
        }
        assert_eq!((quotas.rockets.taken(), quotas.buffered.taken()), (4, 6));
        if round % 3 == 0 {
            // Some have been stored.
            let stored = take_all(&mut roster);
            assert_eq!(stored.len(), 4);
        }
        for rocket in [2, 0, 3, 1] {
            let id = channel(&format!("{round} {rocket}"));
            assert!(roster.forget(&id, Cause::Deleted, &mut heard));
            assert!(!roster.forget(&id, Cause::Deleted, &mut heard));
        }
        let census = roster.census();
        let counts = [census.known(), census.launched(), census.exploded(), census.waiting()];
        assert_eq!((counts, quotas.rockets.taken(), quotas.buffered.taken()), ([0; 4], 0, 0));
        assert_eq!((roster.launched(), roster.waiting()), (0, 0));
        assert!(roster.missions(None, 1).is_empty());
    }
    assert_eq!(roster.slots(), 4, "places are given on");
    assert_eq!(heard.0.len(), 8000);
    assert_eq!(roster.census().forgotten_for(Cause::Deleted), 8000);
    // And so are rows.
    take_all(&mut roster);
    let message = parse(&launch("last"));
    let ticket = admit(&mut roster, &message);
    roster.apply(ticket, message.report, &mut ());
    let [last] = &*take_all(&mut roster) else { panic!("one rocket changed") };
    assert!(last.row_id <= 12, "{}", last.row_id);
}

/// Everything that changed, as a checkpoint has it, which succeeds.
fn take_all(roster: &mut Roster) -> Vec<RocketSnapshot> {
    let (mut rockets, mut next) = (Vec::new(), 0);
    loop {
        let slice = roster.take_changed(next);
        assert!(slice.discarded.is_empty() || slice.rockets.is_empty());
        if slice.discarded.is_empty() && next == slice.next {
            return rockets;
        }
        rockets.extend(slice.rockets);
        roster.rows_are_free(slice.discarded);
        next = slice.next;
    }
}

#[test]
fn a_slice_that_fails_is_stored_or_emptied_again_and_touches_nobody_else() {
    let quotas = quotas();
    let mut roster = roster(&quotas);
    let put = |roster: &mut Roster, id: &str| {
        let message = parse(&launch(id));
        let ticket = admit(roster, &message);
        roster.apply(ticket, message.report, &mut ());
    };
    put(&mut roster, "a");
    let slice = roster.take_changed(0);
    let row = slice.rockets[0].row_id;
    // Gone while it is stored, and then that fails.
    assert!(roster.forget(&channel("a"), Cause::Deleted, &mut ()));
    roster.put_back(&slice.slots);
    let slice = roster.take_changed(0);
    assert_eq!((slice.discarded.as_slice(), slice.rockets.len()), (&[row][..], 0));
    put(&mut roster, "b");
    roster.put_rows_back(slice.discarded);
    let slice = roster.take_changed(0);
    assert_eq!(slice.discarded, [row]);
    roster.rows_are_free(slice.discarded);
    let [b] = &*take_all(&mut roster) else { panic!("one rocket changed") };
    assert_eq!((b.channel.clone(), b.row_id == row), (channel("b"), false));
    put(&mut roster, "c");
    let [c] = &*take_all(&mut roster) else { panic!("one rocket changed") };
    assert_eq!(c.row_id, row, "it is free");
}

#[test]
fn what_is_in_flight_meanwhile_is_what_begins_anew() {
    let quotas = quotas();
    let mut roster = roster(&quotas);
    let send = |roster: &mut Roster, message: &Value| {
        let message = parse(message);
        let ticket = admit(roster, &message);
        roster.apply(ticket, message.report, &mut ())
    };
    send(&mut roster, &launch("a"));
    send(&mut roster, &speed_up("a", 2, 1));
    let seen = |roster: &Roster| match roster.lookup(&channel("a")) {
        Lookup::Found(rocket) => Seen::of(&rocket),
        other => panic!("{other:?}"),
    };
    let before = seen(&roster);
    let behind = parse(&speed_up("a", 3, 1));
    let ticket = admit(&mut roster, &behind);
    let refused = roster.may_forget(&channel("a"), Some(before));
    assert_eq!(refused, Err(ForgetRefusal::HeardOf), "something is in flight");
    assert_eq!(roster.may_forget(&channel("a"), None), Ok(()));
    assert!(roster.forget(&channel("a"), Cause::Deleted, &mut ()));
    assert_eq!(roster.may_forget(&channel("a"), None), Err(ForgetRefusal::Unknown));
    assert_eq!((quotas.rockets.taken(), roster.census().known()), (1, 1));
    let outcome = roster.apply(ticket, behind.report, &mut ());
    assert_eq!((name(outcome), quotas.buffered.taken()), ("buffered", 1));
    assert_eq!(name(send(&mut roster, &launch("a"))), "applied");
    assert_eq!(name(send(&mut roster, &speed_up("a", 2, 5))), "applied");
    assert_eq!(seen(&roster), Seen { last: 3, buffered: 0 });
    assert_eq!(quotas.buffered.taken(), 0);

    // What is in flight is taken back in the end: its place is free.
    let behind = parse(&speed_up("a", 4, 1));
    let ticket = admit(&mut roster, &behind);
    take_all(&mut roster);
    assert!(roster.forget(&channel("a"), Cause::Deleted, &mut ()));
    roster.withdraw(ticket, 4);
    assert_eq!((quotas.rockets.taken(), roster.census().known()), (0, 0));
    assert_eq!(roster.slots(), 1);
}

/// Lets every task run until it waits; needs a runtime of one thread.
async fn calm_down() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn nothing_is_forgotten_before_that_is_kept() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let journal = HeldJournal::new();
        let fleet = TestFleet::start(shape(), journal.clone());
        let submit = |message: Value| {
            let handle = fleet.fleet.clone();
            tokio::spawn(
                async move { handle.submit(parse(&message), sleep_until(deadline())).await },
            )
        };
        let forget = || {
            let handle = fleet.fleet.clone();
            tokio::spawn(async move { handle.forget(channel("a"), deadline()).await })
        };
        let sent = submit(launch("a"));
        calm_down().await;
        journal.commit_oldest().unwrap();
        sent.await.unwrap().unwrap();
        let refused = forget();
        calm_down().await;
        journal.refuse("no room");
        let error = refused.await.unwrap().unwrap_err();
        assert_eq!(error, ForgetError::Refused(ForgetRefusal::NotNow("no room".to_owned())));
        let forgotten = forget();
        calm_down().await;
        assert_eq!((fleet.rockets().await.len(), forgotten.is_finished()), (1, false));
        // Behind it in the journal.
        let straggler = submit(speed_up("a", 2, 1));
        let again = forget();
        calm_down().await;
        assert_eq!(journal.commit_oldest().unwrap(), [("a".to_owned(), 0)]);
        assert_eq!(forgotten.await.unwrap(), Ok(()));
        assert_eq!(fleet.rockets().await.len(), 0);
        assert!(!straggler.is_finished());
        while journal.commit_oldest().is_some() {
            calm_down().await;
        }
        assert_eq!(name(straggler.await.unwrap().unwrap()), "buffered");
        assert_eq!(again.await.unwrap(), Ok(()), "the straggler was there to be forgotten");
        fleet.stop().await;
    });
}

#[test]
fn exploded_ones_are_forgotten_after_their_time_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let policy = Policy { after: Some(Duration::from_millis(50)), archives: true };
    let service = Service::start_with(kept_in(directory.path(), 2, policy));
    let gone = 600;
    let mut messages = vec![launch("flies"), speed_up("early", 2, 1)];
    for rocket in 0..gone {
        let id = format!("gone {rocket}");
        messages.extend([launch(&id), explode(&id, 2, "O-RING")]);
    }
    service.post(&messages);
    let ids = |service: &Service| -> Vec<Value> {
        let rockets = service.read("/rockets");
        rockets.as_array().unwrap().iter().map(|rocket| rocket["id"].clone()).collect()
    };
    eventually("those that exploded are gone", || ids(&service) == ["flies"]);
    assert_eq!(service.read("/gaps")[0]["id"], "early");
    let forgotten =
        Scrape::of(&service).get("downlink_rockets_forgotten_total", &["reason=\"retention\""]);
    assert!((forgotten - f64::from(gone)).abs() < 0.5, "{forgotten}");
    let lines = archived(directory.path());
    assert!(lines.iter().all(|line| line["status"] == "Exploded"), "{lines:?}");
    let archived: std::collections::BTreeSet<_> =
        lines.iter().map(|line| line["id"].to_string()).collect();
    assert_eq!(archived.len(), usize::try_from(gone).unwrap());
    assert_eq!(service.post(&[launch("gone 1")]), "applied", "it begins anew");
    drop(service);
    let service = Service::start_with(kept_in(directory.path(), 1, BY_HAND));
    assert_eq!(ids(&service), ["flies", "gone 1"]);
}

#[test]
fn how_long_it_is_silent_survives_a_restart_and_news_begin_it_anew() {
    let time = |second| Timestamp::from_unix(second, 0).unwrap();
    let quotas = quotas();
    quotas.follow_quiet();
    let mut first = roster(&quotas);
    for message in [launch("a"), explode("a", 2, "X"), launch("flies")] {
        let message = parse(&message);
        let ticket = admit(&mut first, &message);
        first.apply(ticket, message.report, &mut ());
    }
    let end = time(253_402_300_799);
    let [silent] = &*first.silent(end, 9) else { panic!("one exploded") };
    let since = silent.since;
    assert!(first.silent(time(1), 9).is_empty());
    let stored = take_all(&mut first);
    let mut second = roster(&quotas);
    for mut rocket in stored.clone() {
        if rocket.quiet_since.is_some() {
            assert_eq!(rocket.quiet_since, Some(since));
            rocket.quiet_since = Some(time(7));
        }
        second.restore(rocket);
    }
    assert_eq!(second.silent(time(7), 9).len(), 1);
    assert!(take_all(&mut second).is_empty(), "nothing changed");
    let news = parse(&speed_up("a", 4, 1));
    let ticket = admit(&mut second, &news);
    second.apply(ticket, news.report, &mut ());
    assert!(second.silent(time(7), 9).is_empty());
    // Of one that was stored when nobody wanted to know, from now on.
    let mut third = roster(&quotas);
    for rocket in stored {
        third.restore(RocketSnapshot { quiet_since: None, ..rocket });
    }
    assert!(third.silent(since, 9).is_empty());
    assert_eq!(take_all(&mut third).len(), 1, "which is noted");
    // Nobody who does not want to know pays for it.
    let mut fourth = roster(&self::quotas());
    for message in [launch("a"), explode("a", 2, "X")] {
        let message = parse(&message);
        let ticket = admit(&mut fourth, &message);
        fourth.apply(ticket, message.report, &mut ());
    }
    assert!(fourth.silent(end, 9).is_empty());
}

#[test]
fn what_cannot_be_archived_is_not_forgotten_until_it_can() {
    let directory = tempfile::tempdir().unwrap();
    let policy = Policy { after: Some(Duration::from_millis(10)), archives: true };
    let in_the_way = directory.path().join("archive");
    std::fs::write(&in_the_way, "").unwrap();
    let service = Service::start_with(kept_in(directory.path(), 2, policy));
    service.post(&[launch("a"), explode("a", 2, "X"), launch("b")]);
    eventually("it was tried", || {
        Scrape::of(&service).get("downlink_archive_failures_total", &[]) > 1.5
    });
    let answer = delete(&service, "b");
    assert!(passing_problem(&answer, 503).contains("archive"), "{}", answer.text());
    assert_eq!(kind(&answer), "/problems/not-archived");
    assert_eq!(service.read("/rockets").as_array().unwrap().len(), 2);
    assert_eq!(service.post(&[speed_up("b", 2, 1)]), "applied");
    std::fs::remove_file(&in_the_way).unwrap();
    eventually("it is forgotten", || service.get("/rockets/a").status == 404);
    assert_eq!(delete(&service, "b").status, 204);
    let ids: Vec<_> = archived(directory.path()).iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, ["a", "b"]);
}

#[test]
fn a_place_in_launch_order_stays_right_when_others_leave() {
    let quotas = Arc::new(Quotas::new(Limits {
        buffered_per_rocket: 1,
        buffered: 1,
        rockets: 5000,
        history: HistoryLimits::NONE,
    }));
    let mut roster = roster(&quotas);
    for n in 0..3000 {
        let message = parse(&launch(&format!("{n:05}")));
        let ticket = admit(&mut roster, &message);
        roster.apply(ticket, message.report, &mut ());
    }
    let mut left: Vec<String> = (0..3000).map(|n| format!("{n:05}")).collect();
    // In no order, until few are left.
    let mut at = 0;
    while left.len() > 3 {
        at = (at + 1009) % left.len();
        let id = left.remove(at);
        assert!(roster.forget(&channel(&id), Cause::Deleted, &mut ()));
        if left.len() % 100 == 3 {
            let all = roster.by_index(&Selection::default()).unwrap().rockets;
            let all: Vec<_> =
                all.take().into_iter().flatten().map(|it| it.id.to_string()).collect();
            assert_eq!(all, left);
        }
    }
    let key = SortKey::Time(parse(&launch("x")).report.time);
    let after = Some(Position { key, id: channel(&left[0]) });
    let selection = Selection { after, sort: Sort::default(), ..Selection::default() };
    let rest = roster.by_index(&selection).unwrap().rockets;
    assert_eq!(rest.take().into_iter().flatten().count(), 2);
}
