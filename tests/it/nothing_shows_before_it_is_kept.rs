//! Append first, apply second, acknowledge third: while a commit is under way
//! nobody sees or is told anything of it, and when one fails nobody ever is.

use std::pin::{Pin, pin};
use std::task::Poll;

use crate::support::fleet::{TestFleet, channel, deadline, parse, shape};
use crate::support::journal::HeldJournal;
use crate::support::messages::{launch, speed_up};
use crate::support::{Request, Service, eventually, passing_problem, problem};
use downlink::fleet::outcome::SubmitError;
use downlink::fleet::outcome::{Outcome, Refusal};
use downlink::fleet::view::Lookup;
use downlink::fleet::workers::Shape;
use serde_json::{Value, json};
use tokio::time::sleep_until;

type Answer = Result<Outcome, SubmitError>;

/// Lets the workers run until they wait, and returns the answer if it is there.
async fn answer_so_far(answer: &mut Pin<&mut impl Future<Output = Answer>>) -> Option<Answer> {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    std::future::poll_fn(|cx| match answer.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn not_kept(answer: Option<Answer>) -> bool {
    matches!(answer, Some(Err(SubmitError::Refused(Refusal::NotKept(_)))))
}

#[tokio::test]
async fn a_message_neither_shows_nor_is_acknowledged_before_its_commit() {
    let journal = HeldJournal::new();
    let fleet = TestFleet::start(shape(), journal.clone());
    {
        let mut answer = pin!(fleet.fleet.submit(parse(&launch("a")), sleep_until(deadline())));
        assert_eq!(answer_so_far(&mut answer).await, None);
        assert_eq!(answer_so_far(&mut answer).await, None);
        assert_eq!(journal.waiting(), 1);
        assert_eq!(fleet.rockets().await, Vec::<Value>::new());
        assert!(fleet.fleet.missions(None, 1, deadline()).await.unwrap().names.is_empty());
        let lookup = fleet.fleet.rocket(channel("a"), deadline()).await.unwrap();
        assert!(matches!(lookup, Lookup::Unknown), "{lookup:?}");

        journal.commit_oldest().unwrap();
        assert_eq!(answer_so_far(&mut answer).await, Some(Ok(Outcome::Applied)));
        assert_eq!(fleet.rockets().await.len(), 1);
    }
    fleet.stop().await;
}

#[tokio::test]
async fn a_repeat_is_not_acknowledged_before_the_commit_of_what_it_repeats() {
    for early in [false, true] {
        let journal = HeldJournal::new();
        let fleet = TestFleet::start(shape(), journal.clone());
        {
            let message = if early { speed_up("a", 5, 1) } else { launch("a") };
            let mut first = pin!(fleet.fleet.submit(parse(&message), sleep_until(deadline())));
            assert_eq!(answer_so_far(&mut first).await, None);
            let mut repeat = pin!(fleet.fleet.submit(parse(&message), sleep_until(deadline())));
            assert_eq!(answer_so_far(&mut repeat).await, None);
            assert_eq!(answer_so_far(&mut repeat).await, None);

            journal.commit_oldest().unwrap();
            let outcome = if early { Outcome::Buffered } else { Outcome::Applied };
            assert_eq!(answer_so_far(&mut first).await, Some(Ok(outcome)));
            journal.release();
            assert_eq!(repeat.await, Ok(Outcome::Duplicate));
        }
        fleet.stop().await;
    }
}

#[tokio::test]
async fn a_repeat_of_what_is_lost_is_lost_too() {
    let journal = HeldJournal::new();
    let fleet = TestFleet::start(shape(), journal.clone());
    {
        let mut first = pin!(fleet.fleet.submit(parse(&launch("a")), sleep_until(deadline())));
        assert_eq!(answer_so_far(&mut first).await, None);
        let mut repeat = pin!(fleet.fleet.submit(parse(&launch("a")), sleep_until(deadline())));
        assert_eq!(answer_so_far(&mut repeat).await, None);
        journal.fail("disk full");
        assert!(not_kept(answer_so_far(&mut first).await));
        while journal.waiting() > 0 {
            journal.forget();
        }
        assert!(not_kept(answer_so_far(&mut repeat).await));
        assert_eq!(fleet.rockets().await, Vec::<Value>::new());
    }
    fleet.stop().await;
}

/// Two batches under way, and one message behind them.
#[tokio::test]
async fn nothing_behind_a_failed_commit_is_kept() {
    let journal = HeldJournal::new();
    let fleet = TestFleet::start(Shape { workers: 1, ..shape() }, journal.clone());
    {
        let mut first = pin!(fleet.fleet.submit(parse(&launch("a")), sleep_until(deadline())));
        assert_eq!(answer_so_far(&mut first).await, None);
        let mut second = pin!(fleet.fleet.submit(parse(&launch("b")), sleep_until(deadline())));
        assert_eq!(answer_so_far(&mut second).await, None);
        let mut third = pin!(fleet.fleet.submit(parse(&launch("c")), sleep_until(deadline())));
        assert_eq!(answer_so_far(&mut third).await, None);
        while journal.waiting() > 0 {
            journal.forget();
        }
        assert!(not_kept(answer_so_far(&mut first).await));
        assert!(not_kept(answer_so_far(&mut second).await));
        assert!(not_kept(answer_so_far(&mut third).await));
        assert_eq!(journal.waiting(), 0, "a journal that failed is asked again");
        assert_eq!(fleet.rockets().await, Vec::<Value>::new());
    }
    fleet.stop().await;
}

#[test]
fn after_a_failed_commit_writes_are_refused_and_reads_go_on() {
    let journal = HeldJournal::new();
    let service = Service::over(journal.clone(), |config| config.workers = 4);
    assert_eq!(service.read("/readyz"), json!({"status": "ready"}));
    let mut client = service.connect();
    client.send(&Request::message(&launch("a")).to_bytes());
    eventually("a commit begins", || journal.commit_oldest().is_some());
    assert_eq!(client.receive().outcome(), "applied");
    let before = service.read("/rockets");

    client.send(&Request::message(&speed_up("a", 2, 1)).to_bytes());
    eventually("a commit begins", || journal.waiting() == 1);
    journal.fail("disk full");
    let detail = passing_problem(&client.receive(), 503);
    assert!(detail.contains("disk full"), "{detail}");

    // Whichever partition it goes to, and even if it is known.
    let later = (0..16).map(|n| launch(&format!("later {n}")));
    for message in later.chain([launch("a"), speed_up("a", 2, 1), speed_up("a", 3, 1)]) {
        let detail = passing_problem(&client.request(&Request::message(&message)), 503);
        assert!(detail.contains("disk full"), "{detail}");
    }
    assert_eq!(journal.waiting(), 0);
    let detail = passing_problem(&service.get("/readyz"), 503);
    assert!(detail.contains("disk full"), "{detail}");

    assert_eq!(service.read("/rockets"), before);
    assert_eq!(service.read("/rockets?sort=speed"), before);
    assert_eq!(service.read("/rockets/a"), before[0]);
    assert_eq!(service.read("/missions"), json!({"missions": ["ARTEMIS"]}));
    assert_eq!(service.read("/missions/artemis")["rockets"], before);
    problem(&service.get("/rockets/later%200"), 404);
    service.stop_after_failure();
}

#[test]
fn a_message_that_is_refused_as_invalid_never_reaches_the_journal() {
    let journal = HeldJournal::new();
    let service = Service::over(journal.clone(), |_| {});
    problem(&service.send(&Request::post("{")), 400);
    problem(&service.send(&Request::post("{}")), 422);
    assert_eq!(journal.waiting(), 0);
}
